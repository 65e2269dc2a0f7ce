"""Finds the C library, checks it, and loads it.

Environment variables: BIGDATA_SIMD=sse2|avx2|avx512|neon takes another instruction set than the
best one, BIGDATA_NATIVE=FOLDER takes libraries that were built elsewhere (with sanitizers).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, NoReturn

from bigdata_cli import DISTRIBUTION, __version__
from bigdata_cli.errors import LibraryError, UsageError
from bigdata_cli.native.levels import LEVELS, family, library_name, platform_name
from bigdata_cli.native.record import Record, checksum, sources_digest

Signatures = dict[str, tuple[Any, list[Any]]]
"""Per function its result and its arguments."""

HERE = Path(__file__).parent


def load(
    signatures: Signatures, *, folder: Path | None = None, forced: str | None = None
) -> tuple[ctypes.CDLL, str]:
    """Load the library for the best instruction set that the processor has.

    Args:
        signatures: The functions, which are declared to ctypes.
        folder: Where the libraries are, with the record of their build; BIGDATA_NATIVE where it is
            not given, and this folder where that is not set.
        forced: The instruction set to take instead; BIGDATA_SIMD where it is not given.

    Returns:
        The library, and its instruction set.

    Raises:
        UsageError: The forced instruction set is not known, or this processor does not have it.
        LibraryError: The library is missing, damaged, for another platform, or not of this version.
    """
    folder = folder or Path(os.environ.get("BIGDATA_NATIVE") or HERE)
    forced = forced or os.environ.get("BIGDATA_SIMD")
    levels = LEVELS.get(family(), ())
    if forced and forced not in levels:
        raise UsageError(
            f'BIGDATA_SIMD: "{forced}" is no instruction set of {platform_name()}',
            hint=f"It has: {', '.join(levels)}",
        )
    record = _checked_record(folder)
    lowest = _open(folder, levels[0], record, signatures)
    usable = _usable(lowest)
    if forced and forced not in usable:
        raise UsageError(
            f"BIGDATA_SIMD: this processor does not have {forced}",
            hint=f"It has: {', '.join(usable)}",
        )
    best = forced or usable[-1]
    if best == levels[0]:
        return lowest, best
    return _open(folder, best, record, signatures), best


def _usable(library: ctypes.CDLL) -> list[str]:
    """The instruction sets that this processor has, lowest first."""
    found = library.bd_instruction_sets()
    return [level for i, level in enumerate(LEVELS[family()]) if found >> i & 1]


def usable_levels() -> list[str]:
    """The instruction sets that BIGDATA_SIMD may name here, lowest first."""
    signatures: Signatures = {
        "bd_instruction_sets": (ctypes.c_uint32, []),
        "bd_sources": (ctypes.c_uint64, []),
    }
    lowest, _ = load(signatures, forced=LEVELS[family()][0])
    return _usable(lowest)


def _checked_record(folder: Path) -> Record:
    """The record of a folder's libraries, which is that of this platform and these modules."""
    try:
        record = Record.read(folder)
    except FileNotFoundError:
        _refuse(folder, "is not built")
    except (OSError, ValueError, TypeError) as error:
        _refuse(folder, f"has a record that cannot be read ({error})")
    if record.platform != platform_name():
        _refuse(folder, f"is for {record.platform}, and this is {platform_name()}")
    if (HERE / "src").is_dir():
        if record.sources != sources_digest(HERE):
            _refuse(folder, "was built from other sources than those in the checkout")
    elif record.version != __version__:
        _refuse(folder, f"is that of version {record.version}, and this is {__version__}")
    return record


def _open(folder: Path, level: str, record: Record, signatures: Signatures) -> ctypes.CDLL:
    """Load one library, once it is known to be whole: a damaged one can end the process."""
    path = folder / library_name(level)
    try:
        content = path.read_bytes()
    except OSError as error:
        _refuse(folder, f"cannot be read ({path}: {error.strerror})")
    if checksum(content) != record.checksums.get(path.name):
        _refuse(folder, f"is damaged ({path} is not what was built)")
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        _refuse(folder, f"cannot be loaded ({error})")
    if library.bd_sources() != int(record.sources, 16):
        _refuse(folder, f"is damaged ({path} is made of other sources than its record says)")
    return library


def _refuse(folder: Path, reason: str) -> NoReturn:
    in_checkout = (HERE / "src").is_dir() and folder == HERE
    command = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"
    raise LibraryError(
        f"the C library of bigdata {reason}",
        hint="Build it: make native, or pip install --editable ."
        if in_checkout
        else f"Install {DISTRIBUTION} again: {command}",
    )
