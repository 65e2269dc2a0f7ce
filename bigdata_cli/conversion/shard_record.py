"""What became of a shard, as its line in the journal has it; read back it is the same result.

Floats are written so that they read back exactly. Of the distinct texts of a column a line has
those that no line before it had, and of a vocabulary how it differs from the one before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from bigdata_cli.checksum import FileEntry, checked
from bigdata_cli.conversion.rest import Rest
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.formats.base import ShardName
from bigdata_cli.manifest import plain_name
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.statistics import ColumnStatistics

_STATISTICS = tuple(field.name for field in fields(ColumnStatistics))
_OBSERVED = tuple(field.name for field in fields(Observed))


class Vocabularies:
    """The vocabularies of the lines of a journal, one after the other."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def changes(self, schema: Schema) -> list[list[list[str]] | None]:
        """Per column the texts that its vocabulary has now and the line before had not, and those
        that it has no more; None where it has none, or the same."""
        return [self._change(column) for column in schema]

    def _change(self, column: Column) -> list[list[str]] | None:
        before = self._known.get(column.name, ())
        if column.vocabulary is None or column.vocabulary is before:
            return None
        self._known[column.name] = column.vocabulary
        old, new = set(before), set(column.vocabulary)
        return None if old == new else [sorted(new - old), sorted(old - new)]

    def schema(self, names: Sequence[str], dtypes: Sequence[str], changes: Sequence[Any]) -> Schema:
        """The columns of a line, whose `changes` these are."""
        columns = []
        for name, dtype, change in zip(names, dtypes, changes, strict=True):
            if change is not None:
                added, removed = (set(map(str, texts)) for texts in change)
                words = (set(self._known.get(name, ())) | added) - removed
                self._known[name] = tuple(sorted(words))
            is_category = dtype == "category"
            vocabulary = self._known.get(name, ()) if is_category else None
            columns.append(Column(name=name, dtype=dtype, vocabulary=vocabulary))
        return Schema(tuple(columns))


def to_json(result: ShardResult, vocabularies: Sequence[Any]) -> dict[str, Any]:
    """A result without an error as plain JSON values. vocabularies: `Vocabularies.changes`."""
    return {
        "index": result.index,
        "name": [result.name.stem, result.name.index, result.name.count],
        "spoiled": result.spoiled,
        "rows": result.rows,
        "rejected": result.rejected,
        "blank_lines": result.blank_lines,
        "files": [_file_to_json(file) for file in result.files],
        "rejects": None if result.rejects is None else _file_to_json(result.rejects),
        "starts": list(result.starts),
        "stops": list(result.stops),
        "pieces": [list(piece) for piece in result.pieces],
        "dtypes": [column.dtype for column in result.schema],
        "vocabularies": list(vocabularies),
        "room": None if math.isinf(result.room) else result.room,
        "is_mixed": result.room == -math.inf,
        "recounted": sorted(result.recounted),
        "rest": None if result.rest is None else _rest_to_json(result.rest),
        "observed": [[getattr(seen, name) for name in _OBSERVED] for seen in result.observed],
        "statistics": [[getattr(one, name) for name in _STATISTICS] for one in result.statistics],
        "distinct": [None if texts is None else sorted(texts) for texts in result.distinct],
    }


def from_json(
    data: dict[str, Any], names: Sequence[str], vocabularies: Vocabularies
) -> ShardResult:
    """The result of a line; names: of the columns. Raises ValueError for what is none.

    vocabularies: those of the lines before.
    """
    try:
        stem, number, count = data["name"]
        schema = vocabularies.schema(names, data["dtypes"], data["vocabularies"])
        room = -math.inf if data["is_mixed"] else math.inf
        result = ShardResult(
            index=int(data["index"]),
            name=ShardName(stem=str(stem), index=int(number), count=int(count)),
            files=tuple(_file_from_json(file) for file in data["files"]),
            spoiled=bool(data["spoiled"]),
            schema=schema,
            rows=int(data["rows"]),
            rejected=int(data["rejected"]),
            rejects=None if data["rejects"] is None else _file_from_json(data["rejects"]),
            blank_lines=int(data["blank_lines"]),
            starts=tuple(data["starts"]),
            stops=tuple(data["stops"]),
            pieces=tuple(ByteRange(*piece) for piece in data["pieces"]),
            observed=tuple(Observed(*seen) for seen in data["observed"]),
            distinct=tuple(
                None if texts is None else frozenset(texts) for texts in data["distinct"]
            ),
            statistics=tuple(
                ColumnStatistics(**dict(zip(_STATISTICS, one, strict=True)))
                for one in data["statistics"]
            ),
            room=room if data["room"] is None else float(data["room"]),
            recounted=frozenset(map(int, data["recounted"])),
            rest=None if data["rest"] is None else _rest_from_json(data["rest"], schema),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the result of a shard: {error!r}") from error
    per_column = (result.observed, result.statistics)
    if any(len(one) != len(names) for one in per_column):
        raise ValueError("not the result of a shard with these columns")
    return result


def _file_to_json(file: FileEntry) -> list[Any]:
    return [file.name, file.bytes, file.checksum]


def _file_from_json(data: list[Any]) -> FileEntry:
    name, n_bytes, checksum = data
    if ":" not in checksum:  # before there were several algorithms
        checksum = f"sha256:{checksum}"
    return FileEntry(name=plain_name(name), bytes=int(n_bytes), checksum=checked(checksum))


def _rest_to_json(rest: Rest) -> dict[str, Any]:
    return {
        "file": _file_to_json(rest.file),
        "rows_before": rest.rows_before,
        "before": [_stored_to_json(one) for one in rest.before],
        "columns": [[_stored_to_json(one) for one in column] for column in rest.columns],
    }


def _rest_from_json(data: dict[str, Any], schema: Schema) -> Rest:
    names = schema.names
    before = [_stored_from_json(*pair) for pair in zip(names, data["before"], strict=True)]
    return Rest(
        file=_file_from_json(data["file"]),
        rows_before=int(data["rows_before"]),
        before=tuple(
            replace(one, column=column) for one, column in zip(before, schema, strict=True)
        ),
        columns=tuple(
            tuple(_stored_from_json(name, one) for one in column)
            for name, column in zip(names, data["columns"], strict=True)
        ),
    )


def _stored_to_json(stored: Stored) -> list[Any]:
    observed = [getattr(stored.observed, name) for name in _OBSERVED]
    return [stored.column.dtype, observed, stored.has_values, stored.is_parsed]


def _stored_from_json(name: str, data: list[Any]) -> Stored:
    dtype, observed, has_values, is_parsed = data
    return Stored(
        Column(name=name, dtype=dtype),
        Observed(*observed),
        has_values=bool(has_values),
        is_parsed=bool(is_parsed),
    )
