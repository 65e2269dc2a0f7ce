"""A source whose rows go through steps before anybody sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.errors import DataError
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import (
    FedRows,
    PieceReader,
    RowFeed,
    RowsInPieces,
    RowSource,
    ShardLocator,
    SourcePart,
)
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample, SampleTaker
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.wrapped import WrappedSource
from bigdata_cli.transforms.chunks import Shaping, dataset_states, shaping_of, source_plan
from bigdata_cli.transforms.entry import transforms_entry
from bigdata_cli.transforms.noted import NOTHING, Noted
from bigdata_cli.transforms.program import Outline, outline
from bigdata_cli.transforms.selections.limit import Limit
from bigdata_cli.transforms.shaper import Shaper
from bigdata_cli.transforms.step import Step
from bigdata_cli.transforms.steps import Sample as DrawShare
from bigdata_cli.transforms.steps import Steps
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.state import ColumnState

_FEW_ROWS = 1_000
"""Of a sample: fewer show little of the values of a dataset."""


@dataclass(frozen=True, kw_only=True)
class ShapedSource(WrappedSource):
    """The rows of a source after steps; a `RowSource`, whose columns are those after all steps.

    Positions, files and shards are those of the source itself.
    """

    steps: Steps
    noted: Noted = NOTHING
    """What passes over it have noted, where steps ask for it."""
    columns: tuple[str, ...] | None = None
    """The columns of the other source that there are for the steps; None for all."""
    pass_seconds: float = 0.0
    """Processor seconds for a byte of it that passes for statistics are expected to take."""

    @classmethod
    def of(cls, inner: RowSource, steps: Steps, noted: Noted = NOTHING) -> Self:
        """The rows of a source after steps; read as far as these say."""
        for step in steps:
            if isinstance(step, Limit) and step.file is not None and step.end is not None:
                inner = inner.until(step.file, step.end)
        return cls(inner=inner, steps=steps, noted=noted)

    @cached_property
    def outline(self) -> Outline:
        return outline(self.steps, self._inner_names)

    @property
    def _inner_names(self) -> tuple[str, ...]:
        return self.inner.names if self.columns is None else self.columns

    @property
    def names(self) -> tuple[str, ...]:
        return self.outline.names

    @property
    def is_shaped(self) -> bool:
        return True

    @property
    def files(self) -> Sequence[SourcePart]:
        return self.inner.files

    @property
    def bytes(self) -> int:
        return self.inner.bytes

    @property
    def is_stream(self) -> bool:
        return self.inner.is_stream

    @property
    def in_pieces(self) -> RowsInPieces | None:
        pieces = self.inner.in_pieces
        return None if pieces is None else _ShapedPieces(self, pieces)

    @property
    def comes_once(self) -> bool:
        return self.inner.comes_once

    @property
    def total_rows(self) -> int | None:
        return self.inner.total_rows

    @property
    def layers(self) -> frozenset[str]:
        return self.inner.layers

    def read_seconds(self) -> float:
        return self.inner.read_seconds()

    def arrow_batches(self, max_bytes: int) -> None:
        """What is stored in the source is not what the steps make of it."""

    def fields_of(self, keep: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        return self.inner.fields_of(self._source_names(keep))

    def inner_types(self, keep: Sequence[str], types: TypeOptions) -> TypeOptions:
        """The dtypes that the user fixed, of the columns of the source that are parsed."""
        passed = {ref: name for name, ref in self.outline.columns if name in keep}
        fixed = {}
        for name in self._source_names(keep):
            dtype = types.fixed.get(passed.get(name, name))
            if name not in passed:
                dtype = types.inputs.get(name, dtype)
            if dtype is not None:
                fixed[name] = dtype
        return TypeOptions(float_mode=types.float_mode, fixed=fixed)

    def sample(
        self,
        types: TypeOptions,
        *,
        keep: Sequence[str],
        max_bytes: int,
        skip_bad_rows: bool,
        max_record_bytes: int,
    ) -> Sample:
        inner = self.inner.sample(
            self.inner_types(keep, types),
            keep=self._source_names(keep),
            max_bytes=max_bytes,
            skip_bad_rows=skip_bad_rows,
            max_record_bytes=max_record_bytes,
        )
        states = {state.name: state for state in inner.plan.columns}
        inputs = tuple(_input(states[name]) for name in self.outline.inputs(keep))
        shaping = self._shaping(keep, inputs)
        columns = tuple(
            replace(state, dtype=types.fixed[state.name], fixed=True, distinct=_fixed(types, state))
            if state.name in types.fixed and not state.fixed
            else state
            for state in dataset_states(shaping, keep, states)
        )
        plan = replace(inner.plan, columns=columns, inputs=inputs, float_mode=types.float_mode)
        taker = SampleTaker(plan)
        n_read = 0
        for unit in self._shaped_units(plan, keep, max_bytes):
            # What is wrong with one that cannot be taken the conversion will say, and where.
            if taker.take(unit) and unit.chunk is not None:
                n_read += unit.chunk.rows + unit.chunk.tally.filtered
        exact = inner.exact and n_read == inner.rows
        if not exact and taker.rows < _FEW_ROWS and self._unselected is not self:
            every = self._unselected.sample(
                types,
                keep=keep,
                max_bytes=max_bytes,
                skip_bad_rows=skip_bad_rows,
                max_record_bytes=max_record_bytes,
            )
            shown = replace(every.plan, inputs=inputs)
            return replace(every, plan=shown, estimated_rows=self._selected(every.estimated_rows))
        share = taker.rows / n_read if n_read else 1.0
        estimated = taker.rows if exact else round(inner.estimated_rows * share)
        if not exact:
            # A share of the rows is one of the sample too; a number of rows is not.
            estimated = self._selected(estimated, but=DrawShare)
        found = taker.summarise(exact, estimated, size_known=inner.size_known)
        return replace(found, bytes=inner.bytes, ranges=inner.ranges)

    @cached_property
    def _unselected(self) -> ShapedSource:
        """The source without selections of rows that do not look at their values.

        What these leave of a sample may be too few rows to show anything.
        """
        steps = tuple(
            step
            for step in self.steps
            if step.keeps_all or not (step.filters and step.is_of_source)
        )
        return self if steps == self.steps else replace(self, steps=steps)

    def _selected(self, n_rows: int, *, but: type[Step] | None = None) -> int:
        """How many rows the selections leave of so many; `but`: those that are left out."""
        for step in self.steps:
            if but is None or not isinstance(step, but):
                n_rows = step.rows_left(n_rows)
        return n_rows

    def sample_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        n_rows = 0
        for unit in self._shaped_units(plan, keep, max_bytes):
            n_rows += 0 if unit.chunk is None else unit.chunk.rows
            yield unit
        if n_rows < _FEW_ROWS and self._unselected is not self:
            yield from self._unselected.sample_units(plan, keep, max_bytes)

    def _shaped_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        shaping = self._shaping(keep, plan.inputs)
        parsed = source_plan(shaping, plan)
        for unit in self.inner.sample_units(parsed, self._source_names(keep), max_bytes):
            yield Shaper(shaping, plan, noted=self.noted).shaped(unit)

    def feed(
        self,
        locate: ShardLocator,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> RowFeed:
        inner = self.inner.feed(
            locate,
            keep=self._source_names(keep),
            unit_bytes=unit_bytes,
            max_record_bytes=max_record_bytes,
            strict=strict,
        )
        return _ShapedFeed(self, inner)

    def hints(self, plan: ParsePlan) -> Mapping[str, str]:
        keep = tuple(state.name for state in plan.columns)
        inner = source_plan(self._shaping(keep, plan.inputs), plan)
        after = {ref: name for name, ref in self.outline.columns}
        found = self.inner.hints(inner)
        return {str(after.get(name, name)): hint for name, hint in found.items()}

    def steps_entry(self, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
        return transforms_entry(self.steps, plan)

    def located(self, file: int, error: RecordError) -> DataError:
        return self.inner.located(file, error)

    def only_read(self, keep: Sequence[str]) -> tuple[str, ...]:
        """The columns of the source that steps read for these columns, and that are not kept."""
        passed = {ref for name, ref in self.outline.columns if name in keep}
        return tuple(name for name in self.outline.inputs(keep) if name not in passed)

    def _source_names(self, keep: Sequence[str]) -> tuple[str, ...]:
        """The columns of the source that are parsed for these columns of the dataset."""
        columns = dict(self.outline.columns)
        passed = [ref for name in keep if isinstance(ref := columns[name], str)]
        return tuple(dict.fromkeys([*passed, *self.outline.inputs(keep)]))

    def _shaping(self, keep: Sequence[str], inputs: tuple[ColumnState, ...]) -> Shaping:
        return shaping_of(
            self.steps,
            self._inner_names,
            tuple(keep),
            tuple((state.name, state.dtype) for state in inputs),
        )

    def shaping(self, plan: ParsePlan) -> Shaping:
        """The steps for the columns of a plan."""
        return self._shaping([state.name for state in plan.columns], plan.inputs)


@dataclass(frozen=True)
class _ShapedPieces:
    """A `RowsInPieces`."""

    source: ShapedSource
    inner: RowsInPieces

    def split(self, n_shards: int) -> tuple[tuple[ByteRange, ...], ...]:
        return self.inner.split(n_shards)

    def reader(self) -> _ShapedReader:
        return _ShapedReader(self.source, self.inner.reader())


class _ShapedReader:
    """A `PieceReader`."""

    def __init__(self, source: ShapedSource, inner: PieceReader) -> None:
        self._source = source
        self._inner = inner

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)

    def start_of(self, piece: ByteRange) -> int | None:
        return self._inner.start_of(piece)

    def parse(
        self, piece: ByteRange, start: int | None, fields: Sequence[int], plan: ParsePlan
    ) -> Unit:
        shaping = self._source.shaping(plan)
        unit = self._inner.parse(piece, start, fields, source_plan(shaping, plan))
        shaper = Shaper(
            shaping,
            plan,
            again=lambda again: self._inner.parse(piece, unit.start, fields, again),
            record=lambda position: self._inner.record(piece.file, position, plan),
            noted=self._source.noted,
        )
        return shaper.shaped(unit)

    def expect(self, piece: ByteRange) -> None:
        self._inner.expect(piece)

    def record(self, file: int, position: int, plan: ParsePlan) -> bytes:
        return self._inner.record(file, position, plan)


class _ShapedFeed:
    """A `RowFeed`."""

    def __init__(self, source: ShapedSource, inner: RowFeed) -> None:
        self._source = source
        self._inner = inner

    def __iter__(self) -> Iterator[FedRows]:
        return (ShapedRows(self._source, fed) for fed in self._inner)

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)

    def entries(self) -> tuple[SourceEntry, ...]:
        return self._inner.entries()


@dataclass(frozen=True)
class ShapedRows:
    """Rows of a source that were fed, and that go through steps when they are parsed."""

    source: ShapedSource
    inner: FedRows

    @property
    def shard(self) -> int:
        return self.inner.shard

    @property
    def file(self) -> int:
        return self.inner.file

    @property
    def consumed(self) -> int:
        return self.inner.consumed

    def parse(self, fields: Sequence[int], plan: ParsePlan) -> Unit:
        shaping = self.source.shaping(plan)
        shaper = Shaper(
            shaping,
            plan,
            again=lambda again: self.inner.parse(fields, again),
            record=lambda position: self.inner.record(position, plan),
            line=self.inner.line,
            noted=self.source.noted,
        )
        return shaper.shaped(self.inner.parse(fields, source_plan(shaping, plan)))

    def line(self, position: int) -> int:
        return self.inner.line(position)

    def record(self, position: int, plan: ParsePlan) -> bytes:
        return self.inner.record(position, plan)

    def end_of(self, position: int, plan: ParsePlan) -> int:
        return self.inner.end_of(position, plan)


def _fixed(types: TypeOptions, state: ColumnState) -> frozenset[str] | None:
    if types.fixed[state.name] != "category":
        return None
    return frozenset(types.vocabularies.get(state.name, ()))


def _input(state: ColumnState) -> ColumnState:
    """A column as steps read it: whether its texts are categories does not matter to them."""
    return replace(state, distinct=None if state.distinct is None else frozenset())
