"""Parquet files as tables: any that pyarrow reads, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat

from bigdata_cli.errors import DataError, lost
from bigdata_cli.io.origin import Origin, with_snapshot
from bigdata_cli.io.paths import ENCRYPTED_PARQUET_MAGIC, PARQUET_MAGIC
from bigdata_cli.io.places import open_file
from bigdata_cli.sources.tables.table import Table
from bigdata_cli.types.lattice import NANOSECOND_RANGE_US
from bigdata_cli.url import Place, Url

_BUFFER_BYTES = 1 << 18
"""Of a column read at a time: without it a column of a whole row group is held compressed."""
_PROBED_ROWS = 1024
_MIN_ROWS, _MAX_ROWS = 64, 1 << 18


@dataclass(frozen=True, kw_only=True)
class ParquetTable(Table):
    """A Parquet file; its parts are its row groups.

    old_timestamps: columns of the deprecated type INT96, whose unit is not known.
    """

    old_timestamps: tuple[str, ...] = ()

    def read(
        self, columns: Sequence[str], *, batch_bytes: int, part: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        parts = range(len(self.parts)) if part is None else (part,)
        groups = [index for index in parts if self.parts[index]]
        expected, rows = sum(self.parts[index] for index in groups), 0
        with self._damage_at(0), self._open() as file:
            size = self._batch_rows(file, columns, groups, batch_bytes)
            batches = self._batches(file, columns, groups, size)
            while (batch := next(batches, None)) is not None:
                yield from _pieces(batch, batch_bytes)
                rows += batch.num_rows
        if rows != expected:
            raise DataError(
                f"{self.name} is damaged: it says that it has {expected:,} rows, "
                f"and there are {rows:,}"
            )

    def _open(self, **options: str) -> pq.ParquetFile:
        return pq.ParquetFile(
            _opened(self.path),
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
            **options,
        )

    def _batch_rows(
        self, file: pq.ParquetFile, columns: Sequence[str], groups: list[int], batch_bytes: int
    ) -> int:
        """Rows of a batch of about so many bytes, going by the first ones."""
        probe = next(file.iter_batches(_PROBED_ROWS, groups[:1], list(columns)), None)
        if probe is None or not probe.num_rows:
            return _MIN_ROWS
        row_bytes = max(1.0, probe.nbytes / probe.num_rows)
        return int(min(_MAX_ROWS, max(_MIN_ROWS, batch_bytes / row_bytes)))

    def _batches(
        self, file: pq.ParquetFile, columns: Sequence[str], groups: list[int], size: int
    ) -> Iterator[pa.RecordBatch]:
        batches = self._located(file.iter_batches(size, groups, list(columns)))
        old = [name for name in columns if name in self.old_timestamps]
        if not old:
            yield from batches
            return
        with self._open(coerce_int96_timestamp_unit="us") as coarse:
            coarse_batches = self._located(coarse.iter_batches(size, groups, old))
            for batch, rounded in zip(batches, coarse_batches, strict=True):
                yield self._with_old_timestamps(batch, rounded, old)

    def _located(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches; what pyarrow says of damage is raised as DataError."""
        rows = 0
        while True:
            with self._damage_at(rows):
                batch = next(batches, None)
            if batch is None:
                return
            rows += batch.num_rows
            yield batch

    @contextmanager
    def _damage_at(self, rows: int) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            where = f"row {rows + 1:,} or later"
            raise lost(self.name, error) or damaged(self.name, f"{where}: {error}") from error

    def _with_old_timestamps(
        self, batch: pa.RecordBatch, rounded: pa.RecordBatch, names: list[str]
    ) -> pa.RecordBatch:
        """INT96 in nanoseconds where they fit, in microseconds where these hold all of them."""
        for name in names:
            fine, coarse = batch.column(name), rounded.column(name)
            micros = coarse.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
            inside = np.abs(micros) < NANOSECOND_RANGE_US
            if inside.all():
                continue
            nanos = fine.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
            if (nanos[inside] % 1000).any():
                raise DataError(
                    f'{self.name}, column "{name}": some timestamps have nanoseconds, and others '
                    "lie beyond those that 64 bits hold",
                    hint=f"--drop '{name}'",
                )
            batch = batch.set_column(batch.schema.get_field_index(name), name, coarse)
        return batch

    def integer_bounds(self, columns: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        bounds: dict[str, tuple[int, int]] = {}
        wanted = {name for name in columns if pat.is_integer(self.types[name])}
        try:
            with self._open() as file:
                metadata = file.metadata
                places = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
                for name in wanted & places.keys():
                    for group in range(metadata.num_row_groups):
                        known = metadata.row_group(group).column(places[name]).statistics
                        if known is not None and known.has_min_max:
                            ends = bounds.get(name, (known.min, known.max))
                            bounds[name] = min(ends[0], known.min), max(ends[1], known.max)
        except _DAMAGE as error:
            raise lost(self.name, error) or damaged(self.name, str(error)) from error
        return bounds


_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def damaged(name: str, problem: str) -> DataError:
    """The error for a Parquet file that cannot be read."""
    return DataError(
        f"{name} is damaged, or of a kind of Parquet that pyarrow does not read: {problem}",
        hint="write it again with the program that made it",
    )


def open_parquet(name: str) -> ParquetTable:
    """Look at a Parquet file; raises DataError where it is none, damaged, or encrypted."""
    place = name if isinstance(name, Url) else Path(name).absolute()
    path = with_snapshot(place)
    name = str(name)
    _check_magic(path, name)
    origin = Origin(name=name, path=path)
    file_bytes, mtime_ns, digest = origin.fingerprint()
    try:
        with pq.ParquetFile(_opened(path)) as file:
            schema, metadata = file.schema_arrow, file.metadata
            parts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            physical = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    except _DAMAGE as error:
        raise lost(name, error) or damaged(name, str(error)) from error
    if sum(parts) != metadata.num_rows or any(rows < 0 for rows in parts):
        raise damaged(name, f"its row groups have not the {metadata.num_rows:,} rows it says")
    twice = sorted({one for one in schema.names if schema.names.count(one) > 1})
    if twice:
        raise DataError(
            f'{name} has several columns that are called "{twice[0]}"',
            hint="name them apart where the file is written",
        )
    if not schema.names:
        raise DataError(f"{name} has no columns")
    return ParquetTable(
        name=name,
        stem=origin.stem,
        path=path,
        types=dict(zip(schema.names, schema.types, strict=True)),
        parts=tuple(parts),
        bytes=file_bytes,
        mtime_ns=mtime_ns,
        digest=digest,
        old_timestamps=tuple(column.path for column in physical if column.physical_type == "INT96"),
    )


def _opened(path: Place) -> Any:
    """What pyarrow reads: a path, or the file at an address, which it then closes."""
    return path if isinstance(path, Path) else open_file(path)


def _check_magic(path: Place, name: str) -> None:
    with open_file(path) as file:
        magic = file.read(4)
    if magic == ENCRYPTED_PARQUET_MAGIC:
        raise DataError(f"{name} is an encrypted Parquet file", hint="decrypt it first")
    if not magic:
        raise DataError(f"{name} is empty")
    if magic != PARQUET_MAGIC:
        raise DataError(
            f"{name} is no Parquet file: it begins with {magic!r}",
            hint="a text file is read as such where its name does not end in .parquet",
        )


def _pieces(batch: pa.RecordBatch, batch_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batch in pieces, where its rows are much larger than the first ones were."""
    n_pieces = batch.nbytes // (2 * batch_bytes) + 1
    step = max(1, -(-batch.num_rows // n_pieces))
    for start in range(0, batch.num_rows, step):
        yield batch.slice(start, step)
