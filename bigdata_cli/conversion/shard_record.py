"""The result of a shard as its line in the journal has it; read back it is the same result.

Of the distinct texts of a column a line has those that no line before it had, and of a vocabulary
how it differs from the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.strict_json import convert
from bigdata_cli.types.dtype import Column, Schema

Change = tuple[tuple[str, ...], tuple[str, ...]] | None
"""The texts that a vocabulary has now and had not before, and those that it has no more; None for
no vocabulary, or the same."""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """A result, whose columns are without their vocabularies, and how these changed."""

    result: ShardResult
    vocabularies: tuple[Change, ...]


class Vocabularies:
    """The vocabularies of the lines of a journal, one after the other."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        self._schema: Schema | None = None

    def changes(self, schema: Schema) -> tuple[Change, ...]:
        """How the vocabulary of each column differs from that of the line before."""
        return tuple(self._change(column) for column in schema)

    def _change(self, column: Column) -> Change:
        before = self._known.get(column.name, ())
        if column.vocabulary is None or column.vocabulary is before:
            return None
        self._known[column.name] = column.vocabulary
        old, new = set(before), set(column.vocabulary)
        return None if old == new else (tuple(sorted(new - old)), tuple(sorted(old - new)))

    def restored(self, schema: Schema, changes: Sequence[Change]) -> Schema:
        """The columns of a line with their vocabularies."""
        columns = []
        for column, change in zip(schema, changes, strict=True):
            if change is not None:
                words = {*self._known.get(column.name, ()), *change[0]}.difference(change[1])
                self._known[column.name] = tuple(sorted(words))
            if column.dtype == "category":
                column = replace(column, vocabulary=self._known.get(column.name, ()))
            columns.append(column)
        restored = Schema(tuple(columns))
        if restored != self._schema:  # 100,000 lines say the same
            self._schema = restored
        assert self._schema is not None
        return self._schema


def to_json(result: ShardResult, vocabularies: tuple[Change, ...]) -> dict[str, Any]:
    """A result without an error as plain JSON values. vocabularies: `Vocabularies.changes`."""
    rest = result.rest
    if rest is not None:
        columns = tuple(_bare(stored) for stored in rest.columns)
        rest = replace(rest, before=_bare(rest.before), columns=columns)
    schema = Schema(tuple(replace(column, vocabulary=None) for column in result.schema))
    record = _Record(result=replace(result, schema=schema, rest=rest), vocabularies=vocabularies)
    return msgspec.to_builtins(record, order="deterministic")


def _bare(stored: Iterable[Stored]) -> tuple[Stored, ...]:
    return tuple(replace(one, column=replace(one.column, vocabulary=None)) for one in stored)


def from_json(data: Any, names: Sequence[str], vocabularies: Vocabularies) -> ShardResult:
    """The result of a line; raises ValueError where it is none.

    Args:
        data: The value of the line.
        names: Those of the columns.
        vocabularies: Those of the lines before.
    """
    record = convert(data, _Record)
    result, rest = record.result, record.result.rest
    if result.schema.names != tuple(names):
        raise ValueError("it is of a shard with other columns")
    schema = vocabularies.restored(result.schema, record.vocabularies)
    lengths = {len(result.observed), len(result.statistics)}
    if rest is not None:
        pairs = zip(rest.before, schema, strict=True)
        rest = replace(rest, before=tuple(replace(one, column=column) for one, column in pairs))
        lengths.add(len(rest.columns))
    if lengths != {len(names)}:
        raise ValueError("it does not have an entry for each column")
    return replace(result, schema=schema, rest=rest)
