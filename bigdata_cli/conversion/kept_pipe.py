"""A pipe copied to the disk, for steps that take a pass over all rows before the conversion."""

from __future__ import annotations

import errno
import hashlib
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.io.origin import Origin
from bigdata_cli.io.scratch import ScratchFile, scratch_folder
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.source import Source
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.transforms.options import ShapeOptions, needs_all_rows
from bigdata_cli.transforms.scratch_room import HINT, ScratchRoom

_READ_BYTES = 1 << 20


def with_pipe_kept(
    rows: RowSource,
    options: ConvertOptions,
    reopen: Callable[[Sequence[str | Path], ConvertOptions], RowSource],
) -> RowSource:
    """The source; a copy of it where it is a pipe and steps take passes over it.

    The copy is text in UTF-8 as it came, decompressed, in the temporary folder. It is removed when
    the source is no longer used.

    Args:
        rows: What was opened.
        options: Of the conversion.
        reopen: Opens files under other options.

    Raises:
        UsageError: With `--no-spool` nothing is kept.
        BudgetError: The copy does not fit on the disk.
        DataError: The pipe cannot be read or decoded.
    """
    wanted = _why(options.shape, options.splits)
    is_one_pipe = isinstance(rows, Source) and rows.comes_once and len(rows.files) == 1
    if wanted is None or not is_one_pipe:
        return rows
    assert isinstance(rows, Source)
    if not options.spool:
        raise UsageError(
            f"{wanted} takes a pass over all rows before, and with --no-spool nothing of a pipe "
            "is kept",
            hint="leave out --no-spool, and the pipe is copied to the disk; or convert a file",
        )
    origin = rows.files[0].origin
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        path = folder / _name(origin)
        digest = _copy(origin, path, options)
        # What was detected before the copy holds for it: it begins with the same bytes.
        source = reopen([path], replace(options, source=replace(options.source, encoding="utf-8")))
        assert isinstance(source, Source)
        (file,) = source.files
        kept = replace(file.origin, name=origin.name, is_copy=True)
        made = replace(
            source,
            files=(replace(file, name=origin.name, origin=kept, mtime_ns=0, digest=digest),),
            dialect=replace(source.dialect, encoding=origin.encoding),
            notes=tuple(note.replace(str(path), origin.name) for note in source.notes),
        )
        weakref.finalize(made.files[0].origin, stack.pop_all().close)
        return made


def _why(shape: ShapeOptions, splits: SplitOptions) -> str | None:
    """The option that takes a pass over all rows; None where there is none."""
    if splits.split is not None and splits.split_order:
        return "--split-order"
    if splits.split is not None and splits.split_time is not None:
        return "--split-time"
    if splits.split is not None and shape.stratify is not None:
        return "--stratify"
    return needs_all_rows(shape)


def _name(origin: Origin) -> str:
    """That of the copy, from which the name of the dataset follows as from that of the pipe."""
    is_named = isinstance(origin.path, Path) and origin.stem != "stdin"
    return origin.path.name if is_named and origin.path is not None else "stdin"


def _copy(origin: Origin, path: Path, options: ConvertOptions) -> str:
    """Copy a pipe; returns the SHA-256 of all that came."""
    room = ScratchRoom(path.parent, options.disk_limit_bytes, "copies of a pipe")
    digest, done = hashlib.sha256(), 0
    stream = origin.open(strict=options.on_bad_row != "skip")
    try:
        with ScratchFile(path) as file:
            while data := stream.read(_READ_BYTES):
                room.check(done + len(data))
                file.write(done, memoryview(data))
                digest.update(data)
                done += len(data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BudgetError(f"the temporary disk is full ({error})", hint=HINT) from error
    finally:
        stream.close()
    return digest.hexdigest()
