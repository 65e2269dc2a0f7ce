"""Samples, written to a file or a stream block after block."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import IO

from bigdata_cli.errors import UsageError
from bigdata_cli.io.whole_file import open_whole_file
from bigdata_cli.resources.progress import RowsProgress
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.samples.options import BLOCK_ROWS, SampleOptions
from bigdata_cli.samples.render import Sketch, render

ProgressListener = Callable[[RowsProgress], None]


def run(options: SampleOptions, *, progress: ProgressListener | None = None) -> int:
    """Write a sample to its file, or to standard output; return the bytes written."""
    begin_phase("writing")
    if options.output is None:
        return write_sample(options, sys.stdout.buffer, progress)
    try:
        with open_whole_file(options.output) as stream:
            return write_sample(options, stream, progress)
    except OSError as error:
        raise UsageError(
            f"{options.output} cannot be written: {error.strerror}",
            hint="-o FILE in another folder",
        ) from error


def write_sample(
    options: SampleOptions, stream: IO[bytes], progress: ProgressListener | None = None
) -> int:
    """Write a sample with its header to a binary stream; return the bytes written."""
    n_rows = options.n_rows
    if n_rows is None:
        n_rows = rows_of_size(options.kind, options.n_bytes or 0, seed=options.seed)
        options = replace(options, n_rows=n_rows, n_bytes=None)
    report_decision(f"sample: {n_rows:,} rows of {options.kind}, seed {options.seed}")
    sketch = _sketch(options)
    written = stream.write(sketch.header)
    for block, start in enumerate(range(0, n_rows, BLOCK_ROWS)):
        rows = min(BLOCK_ROWS, n_rows - start)
        cells = sketch.cells(block)[:, :rows]
        for piece in render(sketch, cells):
            written += stream.write(piece)
        if progress is not None:
            progress(RowsProgress("writing", start + rows, n_rows))
    return written


def rows_of_size(kind: str, n_bytes: int, *, seed: int = 0) -> int:
    """Return the rows of a sample of about `n_bytes`, from the length of the rows of one block."""
    sketch = _sketch(SampleOptions(kind=kind, n_rows=BLOCK_ROWS, seed=seed))
    block_bytes = sum(len(piece) for piece in render(sketch, sketch.cells(0)))
    return max(1, round((n_bytes - len(sketch.header)) * BLOCK_ROWS / block_bytes))


def _sketch(options: SampleOptions) -> Sketch:
    module = import_module(f"bigdata_cli.samples.{options.kind}")
    return module.sketch(options)
