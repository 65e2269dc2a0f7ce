"""Sizes and durations as people write and read them."""

from __future__ import annotations

import re
from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import Kind, accept_integer

_FACTORS = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("KMGTP", start=1)},
    **{f"{unit}B": 1000**power for power, unit in enumerate("KMGTP", start=1)},
    **{f"{unit}IB": 1024**power for power, unit in enumerate("KMGTP", start=1)},
    "B": 1,
}


def parse_size(text: str) -> int:
    """Bytes of a size such as 512M, 2GB (decimal) or 2GiB (binary); raises UsageError.

    >>> parse_size("2GB"), parse_size("2 GiB"), parse_size("1.5k")
    (2000000000, 2147483648, 1500)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in _FACTORS:
        raise UsageError(f'"{text}" is not a size, such as 256MB, 1.5GiB or 500000')
    n_bytes = int(float(match[1]) * _FACTORS[match[2].upper()])
    if n_bytes <= 0:
        raise UsageError(f'the size "{text}" is not positive')
    return n_bytes


def _accept_size(size: Any) -> int:
    if isinstance(size, str):
        return parse_size(size)
    return int(size) if isinstance(size, float) and size.is_integer() else accept_integer(size)


SIZE = Kind("SIZE", "int | str", parse_size, _accept_size)


def format_size(n_bytes: float) -> str:
    """A size in decimal units, three digits.

    >>> format_size(999), format_size(1_234_567), format_size(46e9)
    ('999 B', '1.23 MB', '46.0 GB')
    """
    value = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def format_duration(seconds: float) -> str:
    """A length of time with two units at most.

    >>> format_duration(0.42), format_duration(11.2), format_duration(75), format_duration(7300)
    ('0.42 s', '11 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
