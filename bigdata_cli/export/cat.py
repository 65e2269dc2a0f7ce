"""`cat`: the rows of a dataset, or of a source, as a stream of bytes."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.export.options import CatOptions
from bigdata_cli.export.rejected import rejected_of, write_rejected
from bigdata_cli.export.select import columns_read, selected_rows
from bigdata_cli.export.writers import open_writer, with_whole_dictionaries
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.io.whole_file import open_whole_file
from bigdata_cli.printable import ShortRepr
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.sources.typed_rows import TypedRows, open_typed_rows

BATCH_BYTES = 4 << 20
_BATCHES_AHEAD = 2
_BINARY = ("arrow", "parquet")


@dataclass(frozen=True, kw_only=True, repr=False)
class CatReport(ShortRepr):
    """What was written.

    Attributes:
        rows: Rows.
        rejected_rows: Records of a source that could not be kept and were left out.
        lost_values: Values that the format does not carry: NaN of CSV, which is read as null, and
            NaN and infinities of JSON lines, which are null there.
    """

    shown = ("rows", "rejected_rows", "lost_values")

    rows: int
    rejected_rows: int
    lost_values: int

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return dict(vars(self))


def run(path: str | Path, options: CatOptions, sink: IO[bytes] | None = None) -> CatReport:
    """Write the rows of what `path` names to the output of the options, or to `sink`."""
    if options.output is None and sink is None:
        sink = sys.stdout.buffer
        if options.format in _BINARY and sys.stdout.isatty():
            raise UsageError(
                f"--format {options.format} is binary, and standard output is a terminal",
                hint="-o FILE, or a pipe",
            )
    if options.rejected:
        dataset = rejected_of(options.cached.place(path), options)
        with _output(options.output) if sink is None else nullcontext(sink) as stream:
            n_records = write_rejected(dataset, stream)
            stream.flush()
        return CatReport(rows=n_records, rejected_rows=0, lost_values=0)
    rejected: list[int] = []
    chosen = options.selection
    rows = open_typed_rows(
        options.cached.place(path),
        options.source,
        columns=lambda names: columns_read(names, chosen.columns, chosen.where),
        split=chosen.split,
        skip_bad_rows=options.on_bad_row == "skip",
        on_chunk=lambda chunk: rejected.append(len(chunk.rejects)),
    )
    begin_phase("writing")
    with _output(options.output) if sink is None else nullcontext(sink) as stream:
        n_rows, lost = _write(rows, options, stream)
        stream.flush()
    return CatReport(rows=n_rows, rejected_rows=sum(rejected), lost_values=lost)


def _write(rows: TypedRows, options: CatOptions, sink: IO[bytes]) -> tuple[int, int]:
    """Write rows; (their number, values that were lost)."""
    schema, selected = selected_rows(
        rows,
        columns=options.selection.columns,
        where=options.selection.where,
        n_rows=options.n_rows,
        batch_bytes=BATCH_BYTES,
    )
    columns = f"{len(schema):,} of {len(rows.schema):,} columns"
    report_decision(
        f"rows: {columns}, as {options.format}, read in pieces of {BATCH_BYTES:,} bytes"
    )
    writer = open_writer(options.format, sink, schema.arrow())
    n_rows = 0
    for batch in _ahead(selected):
        if options.format in _BINARY:
            batch = with_whole_dictionaries(batch, schema)
        writer.write(batch)
        n_rows += batch.num_rows
    writer.close()
    report_decision(f"written: {n_rows:,} rows")
    return n_rows, writer.lost


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, read in a thread of their own while the ones before are written."""

    def generate() -> Generator[pa.RecordBatch]:
        yield from batches

    prefetch = Prefetch(generate(), depth=_BATCHES_AHEAD, name="read")
    try:
        yield from prefetch
    finally:
        prefetch.close()


@contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    assert path is not None
    try:
        with open_whole_file(path) as file:
            yield file
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="-o FILE in another folder"
        ) from error
