"""Steps resolved: what they read of the source, and what becomes a column of the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bigdata_cli.transforms.computed import OF_ROWS, Computed
from bigdata_cli.transforms.steps import AnyStep, Rename, Steps

Ref = str | int
"""A column of the source by its name, or one that was made by its number."""
_KEPT = 64


@dataclass(frozen=True)
class Made:
    """A column that a step makes, or what a filter says of rows.

    Attributes:
        step: The step; index: which of the columns that it makes.
        reads: What the columns that it reads are, by their names at this step.
    """

    step: AnyStep
    index: int
    reads: tuple[tuple[str, Ref], ...]


@dataclass(frozen=True)
class Outline:
    """Steps, with their columns resolved; it is the same for all types.

    Attributes:
        made: The columns that are made, in order; each reads only those before it.
        filters: Which of them say what rows are kept.
        counted: Which of them say what rows something was found for.
        columns: The columns after all steps, by name, in order.
    """

    made: tuple[Made, ...]
    filters: tuple[int, ...]
    counted: tuple[int, ...]
    columns: tuple[tuple[str, Ref], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    def needed(self, keep: Sequence[str]) -> tuple[int, ...]:
        """What has to be computed for these columns of the dataset, and which rows are kept."""
        return tuple(sorted(ref for ref in self.behind(keep) if isinstance(ref, int)))

    def made_of(self, keep: Sequence[str]) -> frozenset[Ref]:
        """All that these columns of the dataset are made of, themselves included."""
        columns = dict(self.columns)
        return self._with_reads([columns[name] for name in keep])

    def behind(self, keep: Sequence[str]) -> frozenset[Ref]:
        """All that these columns of the dataset follow from, and which rows are kept."""
        return self.made_of(keep) | self._with_reads((*self.filters, *self.counted))

    def _with_reads(self, refs: Sequence[Ref]) -> frozenset[Ref]:
        waiting, found = list(refs), set[Ref]()
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += [ref for _, ref in self.made[one].reads] if isinstance(one, int) else []
        return frozenset(found)

    def inputs(self, keep: Sequence[str]) -> tuple[str, ...]:
        """The columns of the source that are read to compute these columns of the dataset."""
        reads = (ref for number in self.needed(keep) for _, ref in self.made[number].reads)
        return tuple(dict.fromkeys(r for r in reads if isinstance(r, str) and r not in OF_ROWS))


@lru_cache(_KEPT)
def outline(steps: Steps, names: tuple[str, ...]) -> Outline:
    """Resolve steps on a source with these columns; raises UsageError where they do not fit it."""
    scope: dict[str, Ref] = {name: name for name in names}
    made: list[Made] = []
    filters: list[int] = []
    counted: list[int] = []
    for step in steps:
        before = tuple(scope)
        after = step.names_after(before)
        if isinstance(step, Rename):
            scope = dict(zip(after, scope.values(), strict=True))
            continue
        refs: dict[str, Ref] = {**scope, **{name: name for name in OF_ROWS}}
        reads = tuple((name, refs[name]) for name in sorted(step.reads(before)))
        says_which = step.filters or step.counts_unmatched
        if step.filters:
            filters.append(len(made))
        if step.counts_unmatched:
            counted.append(len(made))
        if says_which:
            made.append(Made(step, 0, reads))
        for index, name in enumerate(step.makes(before), start=int(says_which)):
            scope[name] = len(made)
            made.append(Made(step, index, reads))
        scope = {name: scope[name] for name in after}
    return Outline(tuple(made), tuple(filters), tuple(counted), tuple(scope.items()))


@lru_cache(_KEPT)
def compiled(
    steps: Steps,
    names: tuple[str, ...],
    needed: tuple[int, ...],
    inputs: tuple[tuple[str, str], ...],
) -> Mapping[int, Computed]:
    """What is computed for each column that is needed; raises UsageError for wrong types.

    inputs: the dtypes of the columns of the source that are read, as far as their kind goes.
    """
    resolved = outline(steps, names)
    dtypes: dict[Ref, str] = dict(inputs)
    dtypes.update(OF_ROWS)
    found: dict[int, Computed] = {}
    for number in needed:
        made = resolved.made[number]
        types = {name: dtypes[ref] for name, ref in made.reads}
        computed = made.step.computed(types)[made.index]
        found[number] = computed
        dtypes[number] = computed.dtype
    return found
