"""The selections of rows that options ask for, decided by exact passes over the source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.transforms.chunks import places_of
from bigdata_cli.transforms.deduplicate import find_repeated
from bigdata_cli.transforms.first_pass import FirstPass
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.noted import NOTHING, Noted
from bigdata_cli.transforms.options import ALL, ShapeOptions
from bigdata_cli.transforms.repeated.row_keys import new_secret, row_keys
from bigdata_cli.transforms.sample_option import sample_rows
from bigdata_cli.transforms.sampling import balance_seed, class_codes, mixed
from bigdata_cli.transforms.selections.keys import ClassKeys, Keys, apportioned
from bigdata_cli.transforms.selections.limit import Limit
from bigdata_cli.transforms.selections.sample_rows import (
    MAX_CLASSES,
    Balance,
    ClassCut,
    SampleRows,
    Stratify,
)
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.transforms.steps import Sample, Steps
from bigdata_cli.types.lattice import TypeOptions


class RowSelections:
    """Adds selections to the steps on rows, each over the rows that those before it leave.

    noted: the places of the rows that `--dedup` leaves out. pass_seconds: of a processor for a
    byte of the source that its pass is to take, from a sample.
    """

    def __init__(
        self,
        source: RowSource,
        steps: Steps,
        types: TypeOptions,
        *,
        skip_bad_rows: bool,
        is_kept: Callable[[str], bool] = lambda name: True,
        limits: Limits = DEFAULT_LIMITS,
        from_sample: bool = False,
    ) -> None:
        """is_kept: of a column, whether `*` means it; limits: of what the passes take.

        from_sample: Steps that leave about as many rows are enough: there is no pass.
        """
        self._from_sample = from_sample
        self._is_kept = is_kept
        self._limits = limits
        self._source = source
        self._steps: list[Any] = list(steps)
        # Decimals are compared before they are narrowed.
        fixed = {n: "float64" if one == "float32" else one for n, one in types.fixed.items()}
        self._types = TypeOptions(float_mode="64", fixed=fixed)
        self._skip_bad_rows = skip_bad_rows
        self.noted = NOTHING
        self.pass_seconds = 0.0

    def steps_of(self, options: ShapeOptions) -> Steps:
        """All steps; raises UsageError where one does not fit the columns."""
        if self._from_sample:
            return self._estimated(options)
        n_rows = sample_rows(options.sample)
        if options.dedup:
            self._deduplicate(options)
        if options.balance is not None:
            self._steps.append(self._balanced(options.balance, options.seed))
        if options.stratify is not None and options.sample is not None:
            self._steps.append(self._stratified(options.stratify, options.sample, options.seed))
        elif n_rows is not None:
            self._steps.append(self._sampled(n_rows, options.seed))
        elif options.sample is not None:
            self._steps.append(Sample(share=float(options.sample), seed=options.seed))
        if options.limit is not None:
            self._steps.append(self._limited(options.limit))
        return tuple(self._steps)

    def _estimated(self, options: ShapeOptions) -> Steps:
        """Steps that leave about as many rows as those that the options ask for.

        How many rows repeat others a sample does not tell: none are left out.
        """
        n_rows = sample_rows(options.sample)
        if options.dedup:
            self.pass_seconds += self._dedup_seconds(self._compared(options))
        if options.balance is not None:
            keys = self._by_class("--balance", options.balance).keys(options.seed)
            counts = keys.counts or [1]
            share = min(counts) * len(counts) / max(sum(counts), 1)
            self._steps.append(Sample(share=share, seed=balance_seed(options.seed)))
        if n_rows is not None:
            read = self._pass("--sample", (), "")
            share = min(1.0, n_rows / max(read.estimated_rows, 1))
            self._steps.append(Sample(share=share, seed=options.seed))
        elif options.sample is not None:
            self._steps.append(Sample(share=float(options.sample), seed=options.seed))
        if options.limit is not None:
            read = self._pass("--limit", (), "")
            rows = min(options.limit, read.estimated_rows)
            self._steps.append(Limit(rows=rows, file=None, end=None))
        return tuple(self._steps)

    def _dedup_seconds(self, columns: Sequence[str]) -> float:
        """Processor seconds for a byte of the source that the pass of `--dedup` is to take."""
        first_pass = self._pass("--dedup", columns, "")
        places = [first_pass.columns.index(name) for name in columns]
        started, n_bytes = time.thread_time(), 0
        for unit in first_pass.sampled():
            assert unit.chunk is not None
            arrays = [unit.chunk.batch.column(place) for place in places]
            row_keys(arrays, unit.chunk.rows, new_secret())
            n_bytes += unit.chunk.position - unit.start
        return (time.thread_time() - started) / max(n_bytes, 1)

    def _compared(self, options: ShapeOptions) -> tuple[str, ...]:
        """The columns that `--dedup` compares."""
        names = tuple(options.dedup)
        if ALL in names:
            names = tuple(filter(self._is_kept, self._so_far.names))
            if not names:
                raise UsageError("--dedup: no column is left to compare")
        return names

    @property
    def _so_far(self) -> RowSource:
        steps = tuple(self._steps)
        return ShapedSource.of(self._source, steps, self.noted) if steps else self._source

    def _pass(
        self, option: str, columns: Sequence[str], hint: str, *, skip_bad_rows: bool = False
    ) -> FirstPass:
        """A pass over the rows so far, with their places.

        Where bad rows are set aside, all columns are read: each of them may have some.

        skip_bad_rows: The pass leaves bad rows out, though they are an error.
        """
        source = self._so_far
        for name in columns:
            if name not in source.names:
                raise UsageError(
                    f'{option}: there is no column "{name}"', hint=did_you_mean(name, source.names)
                )
        wanted = source.names if self._skip_bad_rows else (*columns, *source.names[:1])
        return FirstPass.of(
            source,
            self._types,
            tuple(dict.fromkeys(wanted)),
            why=f"{option} takes",
            hint=hint,
            skip_bad_rows=skip_bad_rows or self._skip_bad_rows,
            wants_places=True,
            from_sample=self._from_sample,
        )

    def _deduplicate(self, options: ShapeOptions) -> None:
        names = self._compared(options)
        hint = "convert a file, or a dataset that the pipe was converted to"
        found = find_repeated(
            self._pass("--dedup", names, hint),
            names,
            keep="last" if options.keep == "last" else "first",
            limits=self._limits,
        )
        self.noted = Noted(repeated=found.places)
        self._steps.append(found.step)

    def _sampled(self, n_rows: int, seed: int) -> SampleRows:
        rows = _KeyedRows(
            self._pass("--sample", (), "--sample 0.05 keeps a share of the rows of a pipe"), None
        )
        keys = rows.keys(seed, max_rows=n_rows)
        found = sum(keys.counts)
        wanted = [min(n_rows, found)] if found else []
        (last,) = keys.last_keys(wanted, rows.again(seed)) or (None,)
        return SampleRows(rows=sum(wanted), seed=seed, last=last)

    def _balanced(self, column: str, seed: int) -> Balance:
        seed = balance_seed(seed)
        rows = self._by_class("--balance", column)
        keys = rows.keys(seed)
        wanted = [min(keys.counts)] * len(keys.counts) if keys.counts else []
        return Balance(column=column, seed=seed, classes=rows.cuts(keys, wanted, seed))

    def _stratified(self, column: str, sample: float | str | None, seed: int) -> Stratify:
        rows = self._by_class("--stratify", column)
        n_rows = sample_rows(sample)
        keys = rows.keys(seed)
        found = sum(keys.counts)
        if n_rows is None:
            n_rows = round(float(sample or 1) * found)
        wanted = apportioned(min(n_rows, found), keys.counts)
        return Stratify(column=column, seed=seed, classes=rows.cuts(keys, wanted, seed))

    def _by_class(self, option: str, column: str) -> _KeyedRows:
        hint = "convert a file, or a dataset that the pipe was converted to"
        return _KeyedRows(
            self._pass(option, (column,), hint),
            column,
            option=option,
            from_sample=self._from_sample,
        )

    def _limited(self, n_rows: int) -> Limit:
        hint = f"head -n {n_rows} FILE | bigdata convert - …"
        # A bad row before the end is an error of the conversion; one after it is none.
        first_pass = self._pass("--limit", (), hint, skip_bad_rows=True)
        n_left = n_rows
        for fed, chunk in first_pass.chunks():
            if chunk.rows >= n_left:
                assert chunk.places is not None
                end = fed.end_of(int(chunk.places[n_left - 1]), first_pass.plan)
                return Limit(rows=n_rows, file=fed.file, end=end)
            n_left -= chunk.rows
        return Limit(rows=n_rows - n_left, file=None, end=None)


class _KeyedRows:
    """The rows of a pass with their keys, and the classes of a column; None: all are of one."""

    def __init__(
        self,
        first_pass: FirstPass,
        column: str | None,
        *,
        option: str = "",
        from_sample: bool = False,
    ) -> None:
        self._from_sample = from_sample
        self._pass = first_pass
        self._column = column
        self._option = option
        self._classes: dict[str | None, int] = {}

    def keys(self, seed: int, *, max_rows: int | None = None) -> ClassKeys:
        """Read the rows, and count them by their keys."""
        found = ClassKeys(max_rows=max_rows)
        for rows in self.again(seed):
            found.add(max(len(self._classes), 1), rows)
        return found

    def again(self, seed: int) -> Iterator[Keys]:
        """The rows, in the order of the source."""
        for file, chunk in self._chunks():
            if not chunk.rows:
                continue
            keys = mixed(places_of(chunk, file).view(np.uint64), seed)
            if self._column is None:
                yield np.zeros(chunk.rows, np.int64), keys
                continue
            found = class_codes(chunk.batch.column(self._pass.columns.index(self._column)))
            yield self._codes_of(found.values)[found.codes], keys

    def _chunks(self) -> Iterator[tuple[int, Chunk]]:
        """With the file of each: of all rows, or of a sample."""
        if self._from_sample:
            for unit in self._pass.sampled():
                if unit.chunk is not None:
                    yield unit.piece.file, unit.chunk
            return
        for fed, chunk in self._pass.chunks():
            yield fed.file, chunk

    def _codes_of(self, values: Sequence[str | None]) -> np.ndarray:
        codes = [self._classes.setdefault(value, len(self._classes)) for value in values]
        if len(self._classes) > MAX_CLASSES:
            raise DataError(
                f'{self._option}: column "{self._column}" has more than {MAX_CLASSES:,} values',
                hint=f"{self._option} takes a column of classes",
            )
        return np.array(codes, np.int64)

    def cuts(self, keys: ClassKeys, wanted: Sequence[int], seed: int) -> tuple[ClassCut, ...]:
        """Each class with the last of its keys that are wanted."""
        last = keys.last_keys(wanted, self.again(seed))
        return tuple(
            ClassCut(value=value, rows=n, last=key)
            for value, n, key in zip(self._classes, wanted, last, strict=True)
        )
