"""The values of `--sample`: a share of the rows, or a number of them."""

from __future__ import annotations

import re
from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import Kind

_ROWS = re.compile(r"([\d_]+)([kMG]?) ?rows?", re.ASCII)
_TIMES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def sample_rows(sample: float | str | None) -> int | None:
    """The number of rows of Nrows; None for a share of them, and for none. Raises UsageError."""
    if not isinstance(sample, str):
        return None
    match = _ROWS.fullmatch(sample.strip())
    try:
        count = 0 if match is None else int(match[1]) * _TIMES[match[2]]
    except ValueError:  # underscores that stand wrong
        count = 0
    if not count:
        raise UsageError(f'--sample: "{sample}" is not a number of rows', hint="--sample 1000rows")
    return count


def _parse_sample(text: str) -> float | str:
    if text.strip().endswith(("row", "rows")):
        sample_rows(text)
        return text.strip()
    try:
        return _accept_sample(float(text))
    except ValueError:
        raise UsageError(
            f'"{text}" is neither a share, such as 0.05, nor a number of rows, such as 1000rows'
        ) from None


def _accept_sample(sample: Any) -> float | str:
    if isinstance(sample, str):
        sample_rows(sample)
        return sample
    if isinstance(sample, bool | bytes):
        raise TypeError("not a number")
    share = float(sample)
    if not 0 < share <= 1:
        hint = "--sample 0.05 keeps 5 %"
        if share > 1 and share == int(share):
            hint = f"--sample {int(share)}rows keeps so many rows; {hint}"
        raise UsageError(f"--sample {sample} is not a share of the rows", hint=hint)
    return share


SAMPLE = Kind("SHARE|Nrows", "float | str", _parse_sample, _accept_sample)
