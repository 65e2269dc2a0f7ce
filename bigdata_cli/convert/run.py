"""A conversion from beginning to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bigdata_cli.convert.commit import OutputFolder, disk_error
from bigdata_cli.convert.ledger import Ledger
from bigdata_cli.convert.options import (
    ConvertOptions,
    ConvertReport,
    Plan,
    Progress,
    ProgressListener,
)
from bigdata_cli.convert.plan import Prepared, prepare
from bigdata_cli.convert.rejects import REJECTS_NAME, merge_rejects, pieces_path
from bigdata_cli.convert.report import build_report
from bigdata_cli.convert.shard import ShardResult, ShardTask
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import ShardName
from bigdata_cli.manifest import Manifest, ShardEntry
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.resources.sizes import parse_size
from bigdata_cli.schema.dtype import Schema
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.sources import SourceOptions
from bigdata_cli.sources.blocks import MAX_RECORD_BYTES, UNIT_BYTES, split_source
from bigdata_cli.sources.sample import SAMPLE_BYTES
from bigdata_cli.sources.units import located

_UNIT_BYTES_PER_COLUMN = 4096
_MOST_UNIT_BYTES = 8 * UNIT_BYTES


def convert(
    sources: str | Path | Sequence[str | Path],
    *,
    to: str,
    output: str | Path | None = None,
    shards: int | None = None,
    shard_size: str | int | None = None,
    label: str | None = None,
    layout: str | None = None,
    float_mode: str = "auto",
    types: Mapping[str, str] | None = None,
    schema: str | Path | None = None,
    drop: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    compression: str | None = None,
    jobs: int | None = None,
    force: bool = False,
    on_bad_row: str = "error",
    max_bad_rows: int | None = None,
    max_line_size: str | int = MAX_RECORD_BYTES,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    progress: ProgressListener | None = None,
) -> ConvertReport:
    """Convert CSV or text files into a dataset: `to` parquet, hdf5, npy or tfrecord.

    The options are those of `bigdata convert`. Raises UsageError, DataError or BudgetError; no
    output folder is left behind then.
    """
    options = ConvertOptions(
        to=to,
        output=None if output is None else Path(output),
        shards=shards,
        shard_bytes=parse_size(shard_size) if isinstance(shard_size, str) else shard_size,
        label=label,
        layout=layout,
        float_mode=float_mode,
        types=dict(types or {}),
        schema_file=None if schema is None else Path(schema),
        drop=tuple(drop),
        columns=None if columns is None else tuple(columns),
        compression=compression,
        jobs=jobs,
        force=force,
        on_bad_row=on_bad_row,
        max_bad_rows=max_bad_rows,
        max_line_bytes=(
            parse_size(max_line_size) if isinstance(max_line_size, str) else max_line_size
        ),
        source=SourceOptions(
            delimiter=delimiter,
            quote=quote,
            escape=escape,
            header=header,
            names=None if names is None else tuple(names),
            skip_rows=skip_rows,
            comment=comment,
            trim=trim,
            decimal=decimal,
            thousands=thousands,
            null_tokens=None if null is None else tuple(null),
            text=text,
            keep_blank_lines=keep_blank_lines,
        ),
    )
    return run(_paths(sources), options, progress=progress)


def plan(sources: str | Path | Sequence[str | Path], options: ConvertOptions) -> Plan:
    """What `run` would do with these options; nothing is written."""
    return prepare(_paths(sources), options).plan()


def _paths(sources: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [sources] if isinstance(sources, str | Path) else list(sources)


def run(
    paths: Sequence[str | Path],
    options: ConvertOptions,
    *,
    progress: ProgressListener | None = None,
    unit_bytes: int | None = None,
    sample_bytes: int = SAMPLE_BYTES,
) -> ConvertReport:
    """Convert with options as one value.

    unit_bytes: of source parsed at a time; sample_bytes: looked at beforehand. Neither changes the
    dataset.
    """
    started = time.monotonic()
    prepared = prepare(paths, options, sample_bytes=sample_bytes)
    folder = OutputFolder(prepared.output)
    folder.open()
    try:
        conversion = Conversion(prepared, unit_bytes, progress)
        conversion.run()
        manifest = conversion.manifest()
        sidecars = prepared.form.sidecars(manifest.to_json())
        names = tuple(sidecars)
        if manifest.rejected_rows:
            merge_rejects(prepared.source, prepared.output, conversion.reject_pieces())
            names = (*names, REJECTS_NAME)
        manifest = replace(manifest, sidecars=names)
        folder.commit(manifest, sidecars)
    except OSError as error:
        folder.abandon()
        raise disk_error(error, prepared.output) from error
    except BaseException:
        folder.abandon()
        raise
    return build_report(
        prepared, manifest, conversion.redone, conversion.ledger, time.monotonic() - started
    )


class Conversion:
    """The shards of a conversion, mapped to an engine and reconciled."""

    def __init__(
        self, prepared: Prepared, unit_bytes: int | None, progress: ProgressListener | None
    ) -> None:
        self.prepared = prepared
        # A unit costs time per column, so those of wide tables are larger.
        wide = min(len(prepared.keep) * _UNIT_BYTES_PER_COLUMN, _MOST_UNIT_BYTES)
        self.unit_bytes = unit_bytes or max(UNIT_BYTES, wide)
        self.ranges = split_source(prepared.source, prepared.n_shards)
        self.ledger = Ledger(prepared.sample.plan, self.ranges)
        self.redone: set[int] = set()
        self._meter = _Meter(prepared.source.data_bytes, progress)

    def run(self) -> None:
        """Convert all shards, then those again that a wrong guess touched."""
        jobs = self.prepared.options.jobs or available_cpus()
        with LocalEngine(jobs, self._meter.advance) as engine:
            for result in engine.map(range(self.prepared.n_shards), self._first_task):
                self._take(result, engine)
            self._reconcile(engine)
        self._meter.end()

    def _take(self, result: ShardResult, engine: LocalEngine) -> None:
        """Enter a result; shards that started at a wrong guess are done again at once."""
        again, failed = self.ledger.add(result)
        while again:
            self.redone.update(again)
            for index in again:
                (result,) = engine.map([index], self._first_task)
                again, failed = self.ledger.add(result)
        if failed is not None and failed.error is not None:
            file, error = failed.error
            raise located(self.prepared.source.files[file], error) from error
        most = self.prepared.options.max_bad_rows
        if most is not None and self.ledger.rejected > most:
            raise DataError(
                f"{self.ledger.rejected:,} records cannot be kept: more than --max-bad-rows {most}",
                hint="--on-bad-row error shows the first of them",
            )

    def _reconcile(self, engine: LocalEngine) -> None:
        """Do the shards again whose bytes would differ under the types that all rows ask for."""
        columns = self.ledger.final_columns()
        schema = Schema(tuple(state.column() for state in columns))
        self.prepared.form.check(schema, self.prepared.storage)
        redo = self.ledger.to_redo(schema, self.prepared.form, self.prepared.storage)
        self.redone.update(redo)
        if not redo:
            return
        self._meter.begin("reconcile", sum(self._range_bytes(index) for index in redo))
        for result in engine.map(redo, lambda index: self._task(index, columns)):
            if result.spoiled or result.error is not None:
                raise AssertionError(f"shard {result.index} does not fit the types it asked for")
            self.ledger.replace_result(result)

    def _range_bytes(self, index: int) -> int:
        return sum(piece.stop - piece.start for piece in self.ranges[index])

    def _first_task(self, index: int) -> ShardTask:
        return self._task(index, self.ledger.columns)

    def _task(self, index: int, columns: tuple[ColumnState, ...]) -> ShardTask:
        prepared = self.prepared
        return ShardTask(
            source=prepared.source,
            ranges=self.ranges[index],
            start=self.ledger.expected_start(index),
            fields=prepared.fields,
            plan=replace(prepared.sample.plan, columns=columns),
            schema=Schema(tuple(state.column() for state in columns)),
            format=prepared.form.name,
            storage=prepared.storage,
            folder=prepared.output,
            name=self._name(index),
            unit_bytes=self.unit_bytes,
        )

    def reject_pieces(self) -> list[Path]:
        """The files with the rejected records of each shard, in order."""
        return [
            pieces_path(self.prepared.output, self._name(index))
            for index in range(self.prepared.n_shards)
        ]

    def _name(self, index: int) -> ShardName:
        return ShardName(stem=self.prepared.stem, index=index, count=self.prepared.n_shards)

    def manifest(self) -> Manifest:
        """The manifest of what was converted."""
        from bigdata_cli import __version__

        prepared = self.prepared
        columns = self.ledger.final_columns()
        schema = Schema(tuple(state.column() for state in columns))
        return Manifest(
            tool_version=__version__,
            name=prepared.stem,
            format=prepared.form.name,
            storage=prepared.storage,
            sources=tuple(file.entry() for file in prepared.source.files),
            dialect=prepared.source.dialect.to_json(),
            options={
                "shards": prepared.options.shards,
                "shard_bytes": prepared.options.shard_bytes,
                "float": prepared.options.float_mode,
                "types": dict(prepared.options.types),
                "drop": list(prepared.options.drop),
                "columns": list(prepared.keep),
            },
            schema=schema,
            statistics=_settled(self.ledger.statistics(schema), schema),
            shards=tuple(self._shards()),
            rejected_rows=self.ledger.rejected,
        )

    def _shards(self) -> Iterator[ShardEntry]:
        for index, result in sorted(self.ledger.results.items()):
            yield ShardEntry(
                files=result.files,
                rows=result.rows,
                source_ranges=tuple(
                    (piece.file, start, stop)
                    for piece, start, stop in zip(
                        self.ranges[index], result.starts, result.stops, strict=True
                    )
                ),
            )


def _settled(
    statistics: dict[str, ColumnStatistics], schema: Schema
) -> dict[str, ColumnStatistics]:
    """Minima and maxima as the final dtype holds them: integers of a float column are floats."""
    settled = dict(statistics)
    for column in schema:
        known = settled[column.name]
        if column.kind == "float" and known.minimum is not None:
            settled[column.name] = replace(
                known, minimum=float(known.minimum), maximum=float(known.maximum)
            )
    return settled


class _Meter:
    """Adds up what the threads report, for one listener."""

    def __init__(self, total: int, listener: ProgressListener | None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._phase = "convert"
        self._total = total
        self._done = 0
        self._rows = 0

    def begin(self, phase: str, total: int) -> None:
        self._phase, self._total, self._done, self._rows = phase, total, 0, 0
        self._tell()

    def advance(self, n_bytes: int, n_rows: int) -> None:
        with self._lock:
            self._done = min(self._total, self._done + n_bytes)
            self._rows += n_rows
            self._tell()

    def end(self) -> None:
        self._done = self._total
        self._tell()

    def _tell(self) -> None:
        if self._listener is not None:
            self._listener(
                Progress(
                    phase=self._phase,
                    bytes_done=self._done,
                    bytes_total=self._total,
                    rows=self._rows,
                )
            )
