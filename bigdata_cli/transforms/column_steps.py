"""The steps on columns that options ask for, with the statistics that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, structs

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, Sample
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.columns.bin import Bin
from bigdata_cli.transforms.columns.categories import Categories
from bigdata_cli.transforms.columns.clip import Clip
from bigdata_cli.transforms.columns.fill import Fill
from bigdata_cli.transforms.columns.fill_forward import FillForward
from bigdata_cli.transforms.columns.flag_null import FlagNull
from bigdata_cli.transforms.columns.hash_buckets import Hash
from bigdata_cli.transforms.columns.log1p import Log1p
from bigdata_cli.transforms.columns.numbers import is_number
from bigdata_cli.transforms.columns.one_hot import MAX_VALUES, OneHot
from bigdata_cli.transforms.columns.registry import AnyColumnStep
from bigdata_cli.transforms.columns.scale import Minmax, Standardize
from bigdata_cli.transforms.fill_forward import find_last_values
from bigdata_cli.transforms.fit import Fitted, TrainingRows, fit, is_finite
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.noted import NOTHING, Noted
from bigdata_cli.transforms.options import (
    ALL,
    FORWARD,
    FROM_ALL,
    ShapeOptions,
    bin_edges,
    clip_bounds,
)
from bigdata_cli.transforms.program import outline
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.transforms.split_values import columns_to_read
from bigdata_cli.transforms.stats_from import KnownStatistics, training_split
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.transforms.steps import AnyStep, Steps
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import TypeOptions


class ColumnSteps:
    """Adds steps on columns to those on rows, in a fixed order."""

    def __init__(
        self,
        source: RowSource,
        steps: Steps,
        types: TypeOptions,
        *,
        label: str | None,
        skip_bad_rows: bool,
        known: KnownStatistics | None = None,
        split: HashSplit | None = None,
        from_sample: bool = False,
        noted: Noted = NOTHING,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Begin with steps on rows.

        Args:
            source: Any source.
            steps: On its rows.
            types: The dtypes that the user fixed.
            label: The column that a model learns.
            skip_bad_rows: Whether records that cannot be kept are left out.
            known: The statistics of another dataset, in place of those of the source.
            split: The rule by which rows are split: those of the split for training alone count.
            from_sample: Statistics are those of a sample.
            noted: What the passes for these steps have noted.
            limits: Of what the passes for steps on columns may note.

        Attributes:
            pass_seconds: Processor seconds of all passes for a byte of the source, from a sample.
            noted: What all passes so far have noted.
        """
        self.pass_seconds = 0.0
        self._from_sample = from_sample
        self._split = split
        self._known_statistics = known
        self.noted = noted
        self._limits = limits
        self._source = source
        self._steps: list[AnyStep] = list(steps)
        self._types = types
        self._label = label
        self._skip_bad_rows = skip_bad_rows

    def steps_of(self, options: ShapeOptions) -> Steps:
        """All steps; raises UsageError where one does not fit its column."""
        self._add(FlagNull(column=name) for name in options.flag_null)
        self._fill(options.fill)
        self._add(
            Clip(column=name, low=low, high=high)
            for name, (low, high) in zip(
                options.clip, map(clip_bounds, options.clip.values()), strict=True
            )
        )
        self._add(Log1p(column=name) for name in options.log1p)
        self._bin({name: bin_edges(text) for name, text in options.bin.items()})
        self._scale(options.standardize, options.minmax)
        self._one_hot(options.one_hot)
        self._add(Hash(column=name, buckets=n) for name, n in options.hash.items())
        return tuple(self._steps)

    @property
    def _so_far(self) -> RowSource:
        steps = tuple(self._steps)
        return ShapedSource.of(self._source, steps, self.noted) if steps else self._source

    def _add(self, steps: Iterable[AnyColumnStep]) -> None:
        for step in steps:
            # It raises UsageError where the column is not there.
            outline((*self._steps, step), self._source.names)
            self._steps.append(step)

    def _fit(
        self, columns: Sequence[str], *, counts: Sequence[str] = (), quantiles: Sequence[str] = ()
    ) -> dict[str, Fitted]:
        for name in columns:
            if name not in self._so_far.names:
                raise UsageError(
                    f'there is no column "{name}"', hint=did_you_mean(name, self._so_far.names)
                )
        if not columns:
            return {}
        found = fit(
            self._so_far,
            self._types,
            columns,
            counts=counts,
            quantiles=quantiles,
            skip_bad_rows=self._skip_bad_rows,
            training=None if self._split is None else self._training(self._split, columns),
            from_sample=self._from_sample,
        )
        self.pass_seconds += max(one.seconds for one in found.values())
        return found

    def _training(self, rule: HashSplit, columns: Sequence[str]) -> TrainingRows:
        names = self._source.names
        before = outline(tuple(self._steps[: rule.n_steps]), names)
        read = columns_to_read(rule, outline(tuple(self._steps), names), before, columns)
        place = rule.names.index(training_split(rule.names))
        return TrainingRows(rule, place, read)

    def _sample(self, columns: Sequence[str]) -> Sample:
        return self._so_far.sample(
            self._types,
            keep=columns,
            max_bytes=SAMPLE_BYTES,
            skip_bad_rows=self._skip_bad_rows,
            max_record_bytes=MAX_RECORD_BYTES,
        )

    def _fill(self, fills: Mapping[str, str]) -> None:
        if not fills:
            return
        for name in fills:
            self._known("--fill", name)
        self._fill_forward([name for name, value in fills.items() if value == FORWARD])
        fills = {name: value for name, value in fills.items() if value != FORWARD}
        if not fills:
            return
        sampled = self._sample(list(fills)).schema
        if self._known_statistics is not None:
            for name, value in fills.items():
                _check_filling(name, value, sampled[name].kind)
                self._add([self._known_filling(name, value, sampled[name].kind)])
            return
        found = self._fit(
            [name for name, value in fills.items() if value in FROM_ALL],
            counts=[name for name, value in fills.items() if value == "mode"],
            quantiles=[name for name, value in fills.items() if value == "median"],
        )
        self._add(
            _filling(name, value, found.get(name), sampled[name].kind)
            for name, value in fills.items()
        )

    def _fill_forward(self, names: Sequence[str]) -> None:
        if not names:
            return
        if self._from_sample:
            for name, one in self._fit(names).items():
                step = FillForward(column=name, dtype=one.dtype, filled=0, leading=0, digest=None)
                self._add([step])
            return
        found = find_last_values(
            self._so_far,
            self._types,
            names,
            skip_bad_rows=self._skip_bad_rows,
            limits=self._limits,
        )
        self._add(one.step for one in found)
        self.noted = self.noted.with_last_values(*(one.values for one in found))

    def _known_filling(self, name: str, value: str, kind: Kind) -> Fill:
        assert self._known_statistics is not None
        if value not in FROM_ALL:
            return _filling(name, value, None, kind)
        return self._known_statistics.fill(name, value, self._before(name))

    def _before(self, column: str) -> list[ColumnStep]:
        """The steps on a column so far."""
        return [
            step for step in self._steps if isinstance(step, ColumnStep) and step.column == column
        ]

    def _bin(self, bins: Mapping[str, tuple[float, ...] | int]) -> None:
        for name in bins:
            self._known("--bin", name)
        if self._known_statistics is not None:
            for name, one in bins.items():
                self._add(
                    [self._known_statistics.bin(name, one, self._before(name))]
                    if isinstance(one, int)
                    else [Bin(column=name, edges=one)]
                )
            return
        by_quantile = [name for name, one in bins.items() if isinstance(one, int)]
        found = self._fit(by_quantile, quantiles=by_quantile)
        for name, one in bins.items():
            edges = one
            if isinstance(one, int):
                if not is_number(found[name].dtype):
                    raise UsageError(
                        f'--bin: column "{name}" is {found[name].dtype}, and not a number'
                    )
                shares = [place / one for place in range(1, one)]
                edges = tuple(sorted(set(found[name].quantiles.quantiles(shares))))
            assert isinstance(edges, tuple)
            quantiles = one if isinstance(one, int) else UNSET
            self._add([Bin(column=name, edges=edges, quantiles=quantiles)])

    def _scale(self, standardize: Sequence[str], minmax: Sequence[str]) -> None:
        standardize = self._numbers("--standardize", standardize)
        minmax = self._numbers("--minmax", minmax)
        both = set(standardize) & set(minmax)
        if both:
            raise UsageError(f'--standardize and --minmax both name "{min(both)}"')
        if self._known_statistics is not None:
            elsewhere = self._known_statistics
            self._add(elsewhere.standardize(name, self._before(name)) for name in standardize)
            self._add(elsewhere.minmax(name, self._before(name)) for name in minmax)
            return
        found = self._fit([*standardize, *minmax])
        for name, one in found.items():
            option = "--standardize" if name in standardize else "--minmax"
            known = one.statistics
            if not is_number(one.dtype):
                raise UsageError(f'{option}: column "{name}" is {one.dtype}, and not a number')
            if not is_finite(known.mean, known.std, known.minimum, known.maximum):
                raise DataError(f'{option}: column "{name}" has no numbers')
            step = (
                Standardize(column=name, mean=float(known.mean or 0), std=float(known.std or 0))
                if name in standardize
                else Minmax(column=name, minimum=float(known.minimum), maximum=float(known.maximum))
            )
            self._add([step])

    def _numbers(self, option: str, names: Sequence[str]) -> list[str]:
        """The columns that are named; `*` means all of numbers, but for the label."""
        if ALL not in names:
            for name in names:
                self._known(option, name)
            return list(names)
        every = [name for name in self._so_far.names if name != self._label]
        schema = self._sample(every).schema
        return [column.name for column in schema if is_number(column.dtype)]

    def _one_hot(self, names: Sequence[str]) -> None:
        for name in names:
            self._known("--one-hot", name)
        if self._known_statistics is not None:
            for name in names:
                step = self._known_statistics.one_hot(name, self._before(name))
                self._add([Categories(column=name, values=step.values), step])
            return
        for name, one in self._fit(names, counts=names).items():
            values = None if one.counts is None else sorted(map(_text, one.counts))
            if values is None or len(values) > MAX_VALUES:
                raise DataError(
                    f'--one-hot: column "{name}" has more than {MAX_VALUES:,} values',
                    hint=f"--hash '{name}=1000' makes them numbers",
                )
            if not values:
                raise DataError(f'--one-hot: column "{name}" has no values')
            step = OneHot(column=name, values=tuple(values))
            # Other splits may have values that the one for training does not have.
            check = Categories(column=name, values=step.values)
            self._add([step] if self._split is None else [check, step])

    def _known(self, option: str, name: str) -> None:
        if name not in self._so_far.names:
            raise UsageError(
                f'{option}: there is no column "{name}"',
                hint=did_you_mean(name, self._so_far.names),
            )


def _text(value: object) -> str:
    """A value as Arrow writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_filling(name: str, asked: str, kind: Kind) -> None:
    """Raise UsageError where a column of that kind cannot be filled with this."""
    if asked in ("mean", "median", "zero") and kind not in (Kind.INT, Kind.FLOAT):
        raise UsageError(f'--fill {name}={asked}: column "{name}" is {kind}, and not a number')


def _filling(name: str, asked: str, found: Fitted | None, kind: Kind) -> Fill:
    """The step that fills the nulls of a column."""
    if found is not None:
        kind = kind_of(found.dtype)
    _check_filling(name, asked, kind)
    if asked == "zero":
        return Fill(column=name, value=0)
    if found is None:
        return Fill(column=name, value=_parsed(name, asked, kind))
    value: bool | int | float | str | None = None
    if asked == "mean":
        value = found.statistics.mean
    elif asked == "median":
        value = next(iter(found.quantiles.quantiles([0.5])), None)
    elif found.counts is None:
        raise DataError(f'--fill {name}=mode: column "{name}" has too many values to count')
    elif found.counts:
        # The smallest of those that are most frequent.
        most = max(found.counts.values())
        best = sorted((v for v, n in found.counts.items() if n == most), key=str)
        value = best[0] if isinstance(best[0], bool | int | float) else str(best[0])
    if value is None:
        raise DataError(f'--fill {name}={asked}: column "{name}" has no values')
    return structs.replace(Fill(column=name, value=value), statistic=asked)


def _parsed(name: str, text: str, kind: Kind) -> bool | int | float | str:
    """A value that the user gave, as one of the column's kind."""
    try:
        if kind is Kind.INT:
            return int(text) if text.lstrip("+-").isdecimal() else float(text)
        if kind is Kind.FLOAT:
            return float(text)
        if kind is Kind.BOOL:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise UsageError(
            f'--fill {name}={text}: column "{name}" is {kind}, and "{text}" is none'
        ) from None
    return text
