"""Files in folders that are called KEY=VALUE: the keys become columns."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.hive import NO_VALUE
from bigdata_cli.sources.csv.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.sources.tables.source import TableSource

Keys = Mapping[str, tuple[tuple[str, str], ...]]
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def with_partition_keys(source: Source | TableSource, keys: Keys) -> Source | TableSource:
    """The source with a column for each key, after its own. keys: of each file, by its name.

    Raises UsageError where the files have a column that is called as a key, and for a value with
    control characters.
    """
    pairs = [_checked(keys[file.name], file.name) for file in source.files]
    added = tuple(name for name, _ in pairs[0])
    for name in added:
        if name in source.names or added.count(name) > 1:
            raise UsageError(
                f'"{name}" is a column of {source.files[0].name}, and a key in the name of its '
                "folder",
                hint="a pattern names the files without the keys, such as "
                "'FOLDER/**/*.csv' or 'FOLDER/**/*.parquet'",
            )
    names = (*source.names, *added)
    first = len(source.names)
    if isinstance(source, Source):
        files = tuple(
            replace(file, constants=tuple((first + i, text) for i, (_, text) in enumerate(own)))
            for file, own in zip(source.files, pairs, strict=True)
        )
        return replace(source, files=files, names=names)
    return _tables_with_keys(source, pairs, names)


def _checked(pairs: Sequence[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    for key, value in pairs:
        if not (key + value).isprintable():
            raise UsageError(f"{name}: a folder in its path has control characters in its name")
    return [(key, "" if value == NO_VALUE else value) for key, value in pairs]


def _tables_with_keys(
    source: TableSource, pairs: list[list[tuple[str, str]]], names: tuple[str, ...]
) -> TableSource:
    import pyarrow as pa

    from bigdata_cli.sources.tables.table import Table

    @dataclass(frozen=True, kw_only=True)
    class PartitionedTable(Table):
        """A table with columns of one value each."""

        inner: Table
        constants: Mapping[str, Any]

        def read(
            self, columns: Sequence[str], *, batch_bytes: int, part: int | None = None
        ) -> Iterator[pa.RecordBatch]:
            own = [name for name in columns if name not in self.constants]
            # Where only keys are wanted, a column is read for the number of rows.
            read = own or list(self.inner.types)[:1]
            for batch in self.inner.read(read, batch_bytes=batch_bytes, part=part):
                arrays = {name: batch.column(name) for name in own}
                for name in columns:
                    if name in self.constants:
                        value = pa.scalar(self.constants[name], self.types[name])
                        arrays[name] = pa.repeat(value, batch.num_rows)
                yield pa.RecordBatch.from_arrays([arrays[n] for n in columns], list(columns))

        def entry(self) -> SourceEntry:
            return self.inner.entry()

        def check_unchanged(self) -> None:
            self.inner.check_unchanged()

        def integer_bounds(self, columns: Sequence[str]) -> Mapping[str, tuple[int, int]]:
            return self.inner.integer_bounds([n for n in columns if n not in self.constants])

    typed = {}
    for place, name in enumerate(names[len(source.names) :]):
        typed[name] = _typed([own[place][1] for own in pairs])
    files = []
    for index, table in enumerate(source.files):
        constants = {name: values[index] for name, (values, _) in typed.items()}
        types = {**table.types, **{name: kind for name, (_, kind) in typed.items()}}
        shared = {name: getattr(table, name) for name in Table.__dataclass_fields__}
        files.append(
            PartitionedTable(**{**shared, "types": types}, inner=table, constants=constants)
        )
    return replace(source, files=tuple(files), names=names)


def _typed(texts: list[str]) -> tuple[list[Any], pa.DataType]:
    """The values of a key as what all of them are: integers, dates, or text."""
    import pyarrow as pa

    given = [text for text in texts if text]
    if given and all(_is_integer(text) for text in given):
        return [int(text) if text else None for text in texts], pa.int64()
    try:
        dates = [dt.date.fromisoformat(text) if text else None for text in texts]
    except ValueError:
        return [text or None for text in texts], pa.string()
    # Other forms of ISO 8601, such as 2024-W01-1, stay as they are.
    if given and all(map(_DATE.fullmatch, given)):
        return dates, pa.date32()
    return [text or None for text in texts], pa.string()


def _is_integer(text: str) -> bool:
    """Whether a text is what its integer prints; `01` is not."""
    try:
        return str(int(text)) == text and -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
