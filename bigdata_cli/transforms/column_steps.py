"""The steps on columns that options ask for, with the statistics that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, Sample
from bigdata_cli.transforms.columns.bin import Bin
from bigdata_cli.transforms.columns.clip import Clip
from bigdata_cli.transforms.columns.fill import FROM_ALL, Fill
from bigdata_cli.transforms.columns.flag_null import FlagNull
from bigdata_cli.transforms.columns.hash_buckets import Hash
from bigdata_cli.transforms.columns.log1p import Log1p
from bigdata_cli.transforms.columns.numbers import is_number
from bigdata_cli.transforms.columns.one_hot import MAX_VALUES, OneHot
from bigdata_cli.transforms.columns.registry import AnyColumnStep
from bigdata_cli.transforms.columns.scale import Minmax, Standardize
from bigdata_cli.transforms.fit import Fitted, fit, is_finite
from bigdata_cli.transforms.options import ShapeOptions, bin_edges, clip_bounds
from bigdata_cli.transforms.program import outline
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.transforms.steps import AnyStep, Steps
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import TypeOptions

ALL = "*"


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
    ) -> None:
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
        return ShapedSource.of(self._source, steps) if steps else self._source

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
        return fit(
            self._so_far,
            self._types,
            columns,
            counts=counts,
            quantiles=quantiles,
            skip_bad_rows=self._skip_bad_rows,
        )

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
        found = self._fit(
            [name for name, value in fills.items() if value in FROM_ALL],
            counts=[name for name, value in fills.items() if value == "mode"],
            quantiles=[name for name, value in fills.items() if value == "median"],
        )
        sampled = self._sample(list(fills)).schema
        self._add(
            Fill(
                column=name,
                value=_filling(name, value, found.get(name), sampled[name].kind),
            )
            for name, value in fills.items()
        )

    def _bin(self, bins: Mapping[str, tuple[float, ...] | int]) -> None:
        for name in bins:
            self._known("--bin", name)
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
            self._add([Bin(column=name, edges=edges)])

    def _scale(self, standardize: Sequence[str], minmax: Sequence[str]) -> None:
        standardize = self._numbers("--standardize", standardize)
        minmax = self._numbers("--minmax", minmax)
        both = set(standardize) & set(minmax)
        if both:
            raise UsageError(f'--standardize and --minmax both name "{min(both)}"')
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
        for name, one in self._fit(names, counts=names).items():
            values = None if one.counts is None else sorted(map(_text, one.counts))
            if values is None or len(values) > MAX_VALUES:
                raise DataError(
                    f'--one-hot: column "{name}" has more than {MAX_VALUES:,} values',
                    hint=f"--hash '{name}=1000' makes them numbers",
                )
            if not values:
                raise DataError(f'--one-hot: column "{name}" has no values')
            self._add([OneHot(column=name, values=tuple(values))])

    def _known(self, option: str, name: str) -> None:
        if name not in self._so_far.names:
            raise UsageError(
                f'{option}: there is no column "{name}"',
                hint=did_you_mean(name, self._so_far.names),
            )


def _text(value: object) -> str:
    """A value as Arrow writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _filling(name: str, asked: str, found: Fitted | None, kind: Kind) -> bool | int | float | str:
    """The value that nulls get."""
    numbers = (Kind.INT, Kind.FLOAT)
    if found is not None:
        kind = kind_of(found.dtype)
    if asked in ("mean", "median", "zero") and kind not in numbers:
        raise UsageError(f'--fill {name}={asked}: column "{name}" is {kind}, and not a number')
    if asked == "zero":
        return 0
    if found is None:
        return _parsed(name, asked, kind)
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
    return value


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
