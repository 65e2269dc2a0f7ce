"""The parts of one shard while they are made: one for each split, or one where there are none."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from bigdata_cli.conversion.builder import ShardBuilder
from bigdata_cli.conversion.shard_spec import ShardResult, ShardSpec, SharedSpec
from bigdata_cli.conversion.split_rows import split_rows
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.engines.base import Worker
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.evidence import TextEvidence
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.state import ColumnState, as_categories

_FEW_IN_FLIGHT = 2
"""Tables of a small split: many splits must not take the memory of many tables."""


class ShardParts:
    """Takes the chunks of a shard in order and writes the files of its parts; not thread-safe.

    `finish`, `fail` or `abort` ends it. columns: the types to parse the next records with, those of
    all parts.
    """

    def __init__(self, spec: ShardSpec, shared: SharedSpec, worker: Worker) -> None:
        self.spec = spec
        self.shared = shared
        self.columns = shared.plan.columns
        self._is_split = shared.plan.split is not None
        self._parts: dict[int, ShardBuilder] = {}
        texts = TextEvidence(self.columns)
        try:
            for split, name in enumerate(spec.names):
                if name is not None:
                    is_large = shared.plan.split is None or split == shared.plan.split.largest
                    in_flight = None if is_large else _FEW_IN_FLIGHT
                    part = ShardBuilder(name, shared, worker, in_flight=in_flight, texts=texts)
                    self._parts[split] = part
        except BaseException:
            self.abort()
            raise

    def divided(self, unit: Unit) -> Unit:
        """The unit as `take` wants it; called in any thread."""
        rule = self.shared.plan.split
        if unit.chunk is None or rule is None:
            return unit
        mode = self.shared.plan.float_mode
        chunk = split_rows(unit.chunk, unit.piece.file, rule, float_mode=mode)
        return unit._replace(chunk=chunk)

    def can_take(self, chunk: Chunk) -> bool:
        """`ShardBuilder.can_take`, for all parts."""
        return all(part.can_take(rows) for part, rows in self._rows(chunk))

    def take(self, file: int, start: int, chunk: Chunk) -> None:
        """`ShardBuilder.take`: each part takes its rows."""
        before = self.columns
        for part, rows in self._rows(chunk):
            part.take(file, start, rows)
        if any(part.columns is not before for part in self._parts.values()):
            self._agree()

    def _rows(self, chunk: Chunk) -> list[tuple[ShardBuilder, Chunk]]:
        return [
            (part, chunk.parts[split] if self._is_split else chunk)
            for split, part in self._parts.items()
        ]

    def _agree(self) -> None:
        """Have all parts parse with the types that one of them asks for."""
        first, *others = (part.columns for part in self._parts.values())
        mode = self.shared.plan.float_mode
        for columns in others:
            first = tuple(
                mine if mine is theirs else mine.joined(theirs.observed, theirs.distinct, mode)
                for mine, theirs in zip(first, columns, strict=True)
            )
        self.columns = first if self.shared.holds_text or not others else as_categories(first)
        for part in self._parts.values():
            part.columns = self.columns

    def finish(
        self, starts: tuple[int, ...] = (), stops: tuple[int, ...] = ()
    ) -> tuple[ShardResult, ...]:
        """Close the files of all parts; starts, stops: see `ShardResult`."""
        results = tuple(part.finish(starts, stops) for part in self._parts.values())
        return _with_loss_of_all(_with_texts_once(results)) if self._is_split else results

    def fail(
        self, file: int, error: RecordError, starts: tuple[int, ...], stops: tuple[int, ...]
    ) -> ShardResult:
        """The result of a shard with a record that cannot be kept."""
        self.abort()
        first = next(iter(self._parts.values()))
        return first.fail(file, error, starts, stops)

    def abort(self) -> None:
        """Leave no files; safe to call twice."""
        for part in self._parts.values():
            part.abort()

    def stored(self, column: int) -> tuple[Stored, ...]:
        """The values of a column, as they are stored so far."""
        return tuple(one for part in self._parts.values() for one in part.stored(column))

    def widened(self, columns: tuple[ColumnState, ...]) -> tuple[ColumnState, ...]:
        """Columns that hold what this shard showed too: all parts know it of all rows."""
        return next(iter(self._parts.values())).widened(columns)

    def adopt(self, columns: tuple[ColumnState, ...]) -> None:
        """Parse the next records with dtypes that other shards ask for."""
        for part in self._parts.values():
            part.adopt(columns)
        self.columns = next(iter(self._parts.values())).columns
        for part in self._parts.values():
            part.columns = self.columns

    @property
    def storage_schemas(self) -> tuple[Schema, ...]:
        """How rows are stored now, where they are not kept as they were parsed."""
        return tuple(one for part in self._parts.values() for one in part.storage_schemas)


def _with_texts_once(results: tuple[ShardResult, ...]) -> tuple[ShardResult, ...]:
    """The results, with the distinct texts, which are those of all parts, in the first one."""
    nothing = tuple(texts and frozenset() for texts in results[0].distinct)
    return (results[0], *(replace(result, distinct=nothing) for result in results[1:]))


def _with_loss_of_all(results: tuple[ShardResult, ...]) -> tuple[ShardResult, ...]:
    """The results, with the loss of float32 that the rows of all splits have in a column.

    That of a split is known only for the chunks it has rows in: it depends on how rows are cut.
    """
    losses = [
        max(one.float32_error for one in column)
        for column in zip(*(result.statistics for result in results), strict=True)
    ]
    return tuple(
        replace(
            result,
            statistics=tuple(
                structs.replace(known, float32_error=loss) if known.finite else known
                for known, loss in zip(result.statistics, losses, strict=True)
            ),
        )
        for result in results
    )
