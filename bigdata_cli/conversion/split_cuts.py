"""The rule by which rows are assigned to splits, from an exact pass where it takes one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.splits.cuts import CLASS, PLACE, VALUE, CutSplit
from bigdata_cli.splits.options import SplitOptions, fractions_of
from bigdata_cli.splits.order_statistics import RankedValues
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import TypeOptions

if TYPE_CHECKING:
    from bigdata_cli.transforms.first_pass import FirstPass

_PIPE_HINT = (
    "--split without it assigns rows by a hash, in one pass; or convert a dataset that the pipe "
    "was converted to"
)
_TEMPORAL = (Kind.DATE, Kind.TIMESTAMP)
_MAX_CLASSES = 1_000


def split_rule(
    options: SplitOptions,
    source: RowSource,
    keep: Sequence[str],
    types: TypeOptions,
    *,
    stratify: str | None,
    seed: int,
    skip_bad_rows: bool,
) -> HashSplit | CutSplit | None:
    """How the rows of a source are split; None where that is not asked for.

    Args:
        options: Names, shares, and the way.
        source: The rows as they are stored.
        keep: The columns of the dataset.
        types: The dtypes that the user fixed.
        stratify: The column whose classes are split each by itself.
        seed: Of the draw.
        skip_bad_rows: Whether records that cannot be kept are left out.

    Raises:
        UsageError: A column is not there, or the source comes once.
        DataError: The rows cannot be split so.
    """
    columns = [("--split-by", name) for name in options.split_by]
    columns += [("--split-time", options.split_time or ""), ("--stratify", stratify or "")]
    for option, name in columns:
        if options.split is not None and name and name not in keep:
            raise UsageError(
                f'{option}: there is no column "{name}"', hint=did_you_mean(name, keep)
            )
    if options.split is None:
        return None
    if not (options.split_order or options.split_time or stratify):
        return HashSplit.of(options, keep, seed=seed)
    rows = _Rows(source, keep, types, options, skip_bad_rows=skip_bad_rows)
    if options.split_order:
        return rows.by_place()
    if options.split_time is not None:
        return rows.by_value(options.split_time)
    assert stratify is not None
    return rows.by_class(stratify, seed)


class _Rows:
    """The rows of a source, read as often as their cuts need it."""

    def __init__(
        self,
        source: RowSource,
        keep: Sequence[str],
        types: TypeOptions,
        options: SplitOptions,
        *,
        skip_bad_rows: bool,
    ) -> None:
        assert options.split is not None
        self._source = source
        self._keep = keep
        self._types = types
        self._names = tuple(options.split)
        self._shares = fractions_of(options.split)
        self._skip_bad_rows = skip_bad_rows

    def by_place(self) -> CutSplit:
        """In the order of the source."""
        from bigdata_cli.transforms.chunks import places_of

        rows = self._pass("--split-order", self._keep[:1])
        cuts = self._cuts(
            "--split-order", lambda: (places_of(c, fed.file) for fed, c in rows.chunks()), np.int64
        )
        return self._rule(PLACE, None, {None: cuts})

    def by_value(self, column: str) -> CutSplit:
        """In the order of the values of a column."""
        from bigdata_cli.conversion.split_keys import order_keys

        rows = self._pass("--split-time", (column,))
        kinds: set[bool] = set()

        def keys() -> Iterator[np.ndarray]:
            for _, chunk in rows.chunks():
                names = [state.name for state in chunk.columns]
                place = names.index(column)
                state = chunk.columns[place]
                if not chunk.rows or kind_of(state.dtype) is Kind.NULL:
                    self._check_times(column, chunk.rows)
                    continue
                if kind_of(state.dtype) not in (Kind.INT, Kind.FLOAT, *_TEMPORAL):
                    raise DataError(
                        f'--split-time: column "{column}" is {state.dtype}',
                        hint="a column of dates, timestamps or numbers; --split-order takes the "
                        "order of the rows",
                    )
                found, valid = order_keys(chunk.batch.column(place))
                self._check_times(column, 0 if valid is None else int((~valid).sum()))
                if np.isnan(found).any():
                    self._check_times(column, int(np.isnan(found).sum()))
                kinds.add(found.dtype == np.int64)
                yield found

        is_time = kind_of(rows.plan.columns[0].dtype) in _TEMPORAL
        dtype = np.int64 if is_time else np.float64
        cuts = self._cuts("--split-time", keys, dtype)
        if len(kinds) > 1:
            raise DataError(f'--split-time: column "{column}" has dates and numbers')
        return self._rule(VALUE, column, {None: cuts})

    def _check_times(self, column: str, n_nulls: int) -> None:
        if n_nulls:
            raise DataError(
                f'--split-time: column "{column}" has rows without a value',
                hint=f"--where '\"{column}\" is not null' leaves them out",
            )

    def by_class(self, column: str, seed: int) -> CutSplit:
        """At random, each class of a column by itself."""
        from bigdata_cli.transforms.chunks import places_of
        from bigdata_cli.transforms.sampling import balance_seed, class_codes, mixed
        from bigdata_cli.transforms.selections.keys import ClassKeys, Keys

        seed = balance_seed(balance_seed(seed))  # another draw than that of --sample
        rows = self._pass("--stratify", (column,))
        classes: dict[str | None, int] = {}

        def again() -> Iterator[Keys]:
            for fed, chunk in rows.chunks():
                if not chunk.rows:
                    continue
                place = [state.name for state in chunk.columns].index(column)
                found = class_codes(chunk.batch.column(place))
                codes = [classes.setdefault(value, len(classes)) for value in found.values]
                if len(classes) > _MAX_CLASSES:
                    raise DataError(
                        f'--stratify: column "{column}" has more than {_MAX_CLASSES:,} values',
                        hint="--stratify takes a column of classes",
                    )
                keys = mixed(places_of(chunk, fed.file).view(np.uint64), seed)
                yield np.array(codes, np.int64)[found.codes], keys

        known = ClassKeys()
        for some in again():
            known.add(len(classes), some)
        ends = [self._ends(n) for n in known.counts]
        for value, n, own in zip(classes, known.counts, ends, strict=True):
            if any(start == stop for start, stop in itertools.pairwise([0, *own, n])):
                shown = "null" if value is None else f'"{value}"'
                raise DataError(
                    f'--stratify: class {shown} of column "{column}" has {n:,} row'
                    f"{'s' * (n != 1)}, too few for {len(self._names)} splits",
                    hint=f"--where leaves it out, such as --where '\"{column}\" <> …'",
                )
        cuts = (
            zip(
                *(known.last_keys([own[k] for own in ends], again()) for k in range(len(ends[0]))),
                strict=True,
            )
            if ends
            else iter(())
        )
        return self._rule(
            CLASS,
            column,
            {
                value: tuple(0 if last is None else last + 1 for last in own)
                for value, own in zip(classes, cuts, strict=True)
            },
            seed=seed,
        )

    def _ends(self, n_rows: int) -> list[int]:
        """How many rows are in each split but the last and those before it: to the nearest."""
        sums = itertools.accumulate(self._shares[:-1])
        return [math.floor(n_rows * one + Fraction(1, 2)) for one in sums]

    def _cuts(
        self, option: str, keys: Callable[[], Iterator[np.ndarray]], dtype: type[np.generic]
    ) -> tuple[int | float, ...]:
        """The first key of each split but the first one, of rows in the order of their keys."""
        ranked = RankedValues(dtype)
        for some in keys():
            ranked.add(some.astype(dtype, copy=False))
        n_rows = ranked.count
        cuts = [
            _value_of(ranked, rank, keys, dtype) if rank < n_rows else math.inf
            for rank in self._ends(n_rows)
        ]
        lowest = ranked.range_of(0)[0] if n_rows else math.inf
        if lowest in cuts or math.inf in cuts or len(set(cuts)) < len(cuts):
            raise DataError(
                f"{option}: {n_rows:,} rows have too few values for {len(self._names)} splits"
            )
        return tuple(cuts)

    def _rule(
        self,
        by: str,
        column: str | None,
        cuts: dict[str | None, tuple[int | float, ...]],
        *,
        seed: int = 0,
    ) -> CutSplit:
        largest = self._shares.index(max(self._shares))
        return CutSplit(
            names=self._names, by=by, column=column, cuts=cuts, largest=largest, seed=seed
        )

    def _pass(self, option: str, columns: Sequence[str]) -> FirstPass:
        """Reads these columns first; all where bad rows are set aside, as each may have some."""
        from bigdata_cli.transforms.first_pass import FirstPass

        others = self._keep if self._skip_bad_rows else ()
        return FirstPass.of(
            self._source,
            self._types,
            tuple(dict.fromkeys([*columns, *others])),
            why=f"{option} takes",
            hint=_PIPE_HINT,
            skip_bad_rows=self._skip_bad_rows,
            wants_places=True,
        )


def _value_of(
    ranked: RankedValues,
    rank: int,
    keys: Callable[[], Iterator[np.ndarray]],
    dtype: type[np.generic],
) -> int | float:
    """The key of a rank, from 0 on; read again where only its range is known."""
    low, high, before = ranked.range_of(rank)
    while low < high:
        rank -= before
        near = RankedValues(dtype)
        for some in keys():
            near.add(some[(some >= low) & (some <= high)].astype(dtype, copy=False))
        low, high, before = near.range_of(rank)
    return low
