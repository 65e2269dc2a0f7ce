"""A chunk of the source as a chunk of the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import local

import numpy as np
import pyarrow as pa

from bigdata_cli.native.parser import RESULT, TEXT, DistinctTexts
from bigdata_cli.sources.bad_values import InvalidValue, check_float32
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.tables.row_hashes import add_hashes
from bigdata_cli.sources.tables.rows import parse_column
from bigdata_cli.sources.tally import Tally
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.computed import PLACE, REPEATED, Computed
from bigdata_cli.transforms.evaluate import Evaluation
from bigdata_cli.transforms.noted import NOTHING, Noted
from bigdata_cli.transforms.program import Outline, Ref, compiled, outline
from bigdata_cli.transforms.rows import select_rows
from bigdata_cli.transforms.steps import Steps
from bigdata_cli.types.buffers import array_of, numbers_of
from bigdata_cli.types.dtype import Kind, arrow_type, kind_of
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.summary import Summary, modes_of

_PLACE_BITS = 48


@lru_cache(64)
def shaping_of(
    steps: Steps,
    names: tuple[str, ...],
    keep: tuple[str, ...],
    inputs: tuple[tuple[str, str], ...],
) -> Shaping:
    """The steps of a source with these columns, for some columns of the dataset.

    inputs: the dtypes of the columns that steps read. Raises UsageError for wrong types.
    """
    resolved = outline(steps, names)
    columns = [dict(resolved.columns)[name] for name in keep]
    passed = tuple((place, ref) for place, ref in enumerate(columns) if isinstance(ref, str))
    made = tuple((place, ref) for place, ref in enumerate(columns) if isinstance(ref, int))
    read = resolved.inputs(keep)
    return Shaping(
        steps=steps,
        names=names,
        outline=resolved,
        computed=compiled(steps, names, resolved.needed(keep), inputs),
        passed=passed,
        made=made,
        source_names=tuple(dict.fromkeys([*(name for _, name in passed), *read])),
        inputs=read,
    )


class OtherKindError(Exception):
    """A column that steps read is of another kind in a chunk than they go by."""

    def __init__(self, known: ColumnState, found: ColumnState) -> None:
        super().__init__(known.name)
        self.known = known
        self.found = found


@dataclass(frozen=True)
class Shaping:
    """The steps of a source, for some columns of the dataset.

    Attributes:
        steps, names: Themselves, and the columns of the source.
        outline: The steps, resolved.
        computed: What is computed.
        passed: The columns of the dataset that are columns of the source: place in the dataset, and
            name in the source.
        made: Those that are made: place, and number.
        source_names: The columns of the source that are parsed, in order.
        inputs: Those of them that steps read.
    """

    steps: Steps
    names: tuple[str, ...]
    outline: Outline
    computed: Mapping[int, Computed]
    passed: tuple[tuple[int, str], ...]
    made: tuple[tuple[int, int], ...]
    source_names: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def wants_places(self) -> bool:
        return any(made.step.reads_places for made in self.outline.made)

    def values_split_by(self, split: HashSplit) -> Mapping[str, Ref]:
        """What the columns are that rows are split by, by name."""
        if split.n_steps is None:
            columns = (*self.passed, *self.made)
            every = dict(self.outline.columns)
            refs = {ref for _, ref in columns}
            return {name: ref for name, ref in every.items() if ref in refs}
        return dict(outline(self.steps[: split.n_steps], self.names).columns)


class _Recent(local):
    """The plans that the thread used last, with what they are for the source."""

    def __init__(self) -> None:
        self.plans: list[tuple[Shaping, ParsePlan, ParsePlan]] = []


_recent = _Recent()
_KEPT_PLANS = 4


def source_plan(shaping: Shaping, plan: ParsePlan) -> ParsePlan:
    """How the source is parsed for a plan of the dataset.

    Decimals are float64 until all steps are done. The same columns give the same tuple, by which
    the parser knows what it has looked at.
    """
    for own, known, found in _recent.plans:
        if own is shaping and known.columns is plan.columns and known.inputs is plan.inputs:
            return replace(
                found,
                wants_places=plan.wants_places or shaping.wants_places,
                skip_bad_rows=plan.skip_bad_rows,
                split=_source_split(shaping, plan),
            )
    found = _source_plan(shaping, plan)
    _recent.plans = [(shaping, plan, found), *_recent.plans[: _KEPT_PLANS - 1]]
    return found


def _source_plan(shaping: Shaping, plan: ParsePlan) -> ParsePlan:
    states = {state.name: state for state in plan.inputs}
    states |= {name: replace(plan.columns[place], name=name) for place, name in shaping.passed}
    columns = tuple(_in_float64(states[name]) for name in shaping.source_names)
    return replace(
        plan,
        columns=columns,
        inputs=(),
        float_mode="64",
        wants_places=plan.wants_places or shaping.wants_places,
        split=_source_split(shaping, plan),
        divides=False,
    )


def _source_split(shaping: Shaping, plan: ParsePlan) -> HashSplit | None:
    """By which columns of the source rows are split; those that are made are added later."""
    if plan.hash_split is None:
        return None
    refs = shaping.values_split_by(plan.hash_split)
    return plan.hash_split.of_columns(
        {ref: name for name, ref in refs.items() if isinstance(ref, str)}
    )


def _in_float64(state: ColumnState) -> ColumnState:
    return replace(state, dtype="float64") if state.dtype == "float32" else state


def shape_chunk(
    shaping: Shaping, chunk: Chunk, file: int, plan: ParsePlan, noted: Noted = NOTHING
) -> Chunk:
    """The rows of a chunk after all steps, as the plan of the dataset has them.

    Args:
        shaping: The steps.
        chunk: Of the source, parsed with the `source_plan` of the plan.
        file: The index of its file.
        plan: Of the dataset.
        noted: What passes over the source have noted, where steps ask for it.

    Raises:
        StepError: A step has no value for some rows.
        OtherKindError: A column is not what the steps go by.
        InvalidValue: A value that was made is not of the dtype that the user fixed.
    """
    _check_kinds(shaping, chunk, plan)
    arrays = {name: chunk.batch.column(shaping.source_names.index(name)) for name in shaping.inputs}
    if shaping.wants_places:
        places = places_of(chunk, file)
        arrays[PLACE] = array_of(places)
        if noted.repeated is not None:
            arrays[REPEATED] = array_of(noted.repeated.among(places))
    evaluation = Evaluation(shaping.outline, shaping.computed, arrays, chunk.rows, noted)
    evaluation.filter()
    evaluation.count_unmatched()
    made = {place: evaluation.column(number) for place, number in shaping.made}
    to_hash = _made_to_split_by(shaping, plan, evaluation)
    kept = select_rows(_passed(shaping, chunk, plan), evaluation.mask)
    try:
        joined = _joined(shaping, kept, made, plan)
        if plan.hash_split is not None and joined.hashes is not None and to_hash:
            joined = replace(joined, hashes=_hashed(joined.hashes, to_hash, plan.hash_split))
    except InvalidValue as error:
        error.rows = np.flatnonzero(evaluation.mask)[error.rows]
        raise
    counted = Tally(
        filtered=chunk.rows - kept.rows,
        unmatched=evaluation.unmatched,
        unknown=+evaluation.unknown,
    )
    return replace(joined, tally=chunk.tally + counted)


def _made_to_split_by(
    shaping: Shaping, plan: ParsePlan, evaluation: Evaluation
) -> dict[str, pa.Array]:
    """The columns that steps make, and that rows are split by."""
    if plan.hash_split is None:
        return {}
    keys = dict(plan.hash_split.keys)
    refs = shaping.values_split_by(plan.hash_split)
    return {
        name: evaluation.column(ref)
        for name, ref in refs.items()
        if isinstance(ref, int) and name in keys
    }


def _hashed(hashes: np.ndarray, columns: Mapping[str, pa.Array], split: HashSplit) -> np.ndarray:
    """The hashes of rows with those of more columns: uint64 (rows,)."""
    hashes = hashes.copy()
    for (name, array), salt in zip(
        columns.items(), split.salts(list(columns)).tolist(), strict=True
    ):
        add_hashes(hashes, array, name, salt)
    return hashes


def places_of(chunk: Chunk, file: int) -> np.ndarray:
    """Where in the source the rows of a chunk stand, int64 (rows,); file: the index of its file."""
    assert chunk.places is not None
    return chunk.places + (np.int64(file) << _PLACE_BITS)


def _check_kinds(shaping: Shaping, chunk: Chunk, plan: ParsePlan) -> None:
    known = {state.name: state for state in plan.inputs}
    for name in shaping.inputs:
        found = chunk.columns[shaping.source_names.index(name)]
        if _family(found.dtype) != _family(known[name].dtype):
            raise OtherKindError(known[name], found)


def _family(dtype: str) -> tuple[Kind, bool]:
    kind = kind_of(dtype)
    return (Kind.TEXT if kind is Kind.CATEGORY else kind), "UTC" in dtype


def _passed(shaping: Shaping, chunk: Chunk, plan: ParsePlan) -> Chunk:
    """The columns of a chunk that are passed on, with their texts counted where the plan does."""
    places = [shaping.source_names.index(name) for _, name in shaping.passed]
    parts = {} if chunk.texts is None else chunk.texts.parts
    columns = []
    for (place, _), own in zip(shaping.passed, places, strict=True):
        state, before = chunk.columns[own], plan.columns[place]
        if before.dtype == "category" and state.dtype == "text" and before.distinct is not None:
            # Too many texts in all rows of the chunk; the rows that are kept may have few.
            state = replace(state, distinct=before.distinct)
        columns.append(state)
    counted = {new: parts[own] for new, own in enumerate(places) if own in parts}
    return replace(
        chunk,
        batch=chunk.batch.select(places),
        columns=tuple(columns),
        summary=Summary(
            chunk.summary.results[places], chunk.summary.modes[places], chunk.summary.rows
        ),
        texts=DistinctTexts(counted, chunk.texts) if counted else None,
    )


def _joined(shaping: Shaping, kept: Chunk, made: Mapping[int, pa.Array], plan: ParsePlan) -> Chunk:
    """The columns that were passed on and those that were made, in the order of the plan."""
    n = len(plan.columns)
    states, arrays = list(plan.columns), [pa.nulls(0)] * n
    results = np.zeros(n, RESULT)
    parts: dict[int, tuple[int, int, int, int]] = {}
    known = {} if kept.texts is None else kept.texts.parts
    for own, (place, _) in enumerate(shaping.passed):
        array, result = kept.batch.column(own), kept.summary.results[own]
        states[place] = state = _state(plan.columns[place], kept, own, plan.float_mode)
        if state.dtype == "category" and not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        elif array.type != arrow_type(state.dtype):
            array = _cast(array, state)
        arrays[place], results[place] = array, result
        if own in known:
            parts[place] = known[own]
    texts: list[pa.Array | None] = [None] * n
    for place, values in made.items():
        values = _truth_as_numbers(values, plan.columns[place])
        column = parse_column(values, plan.columns[place], plan.float_mode)
        states[place], arrays[place] = column.state, column.array
        results[place], texts[place] = column.result, column.distinct
    of_made = DistinctTexts.of(texts)
    parts |= of_made.parts
    is_same = all(a is b for a, b in zip(states, plan.columns, strict=True))
    columns = plan.columns if is_same else tuple(states)
    return replace(
        kept,
        batch=pa.RecordBatch.from_arrays(arrays, names=[state.name for state in columns]),
        columns=columns,
        summary=Summary(results, modes_of([state.dtype for state in columns]), kept.rows),
        texts=DistinctTexts(parts, (kept.texts, of_made)) if parts else None,
    )


def _truth_as_numbers(values: pa.Array, state: ColumnState) -> pa.Array:
    """Truth that a step has made as 1 and 0, where the user asks for a number."""
    is_number = state.fixed and kind_of(state.dtype) in (Kind.INT, Kind.FLOAT)
    return values.cast(pa.int8()) if is_number and pa.types.is_boolean(values.type) else values


def _cast(array: pa.Array, state: ColumnState) -> pa.Array:
    """An array in the dtype of its column; raises InvalidValue for what that does not hold."""
    found = array.cast(arrow_type(state.dtype), safe=False)
    if state.fixed and state.dtype == "float32":
        before, after = (numbers_of(one.fill_null(0.0)) for one in (array, found))
        check_float32(after, np.isinf(before), state)
    return found


def _state(before: ColumnState, kept: Chunk, own: int, float_mode: str) -> ColumnState:
    """The state of a column of the dataset after the values of a chunk."""
    state = kept.columns[own]
    if before.fixed:
        return before
    widened = before.widened(kept.observed[own], float_mode)
    if widened.dtype not in ("text", "category"):
        return widened
    counted = kept.texts is not None and own in kept.texts.parts
    if before.distinct is not None and not counted and kept.summary.modes[own] == TEXT:
        return replace(widened, dtype="text", distinct=None)
    if state.dtype == "text" and before.dtype not in ("text", "category"):
        return replace(widened, dtype="text")
    return widened


def dataset_states(
    shaping: Shaping, names: Sequence[str], source: Mapping[str, ColumnState]
) -> tuple[ColumnState, ...]:
    """The columns of the dataset before any row, from what a sample of the source showed.

    What is passed on keeps its types, and counts its texts anew, as filters may leave few of them.
    """
    passed = dict(shaping.passed)
    states = []
    for place, name in enumerate(names):
        if place not in passed:
            states.append(ColumnState(name=name))
            continue
        state = source[passed[place]]
        distinct = state.distinct if state.fixed else frozenset[str]()
        states.append(replace(state, name=name, distinct=distinct))
    return tuple(states)
