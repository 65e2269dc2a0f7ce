"""A pass over the rows of a source before the conversion, of just the columns that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from bigdata_cli.engines.ordered import ordered_map
from bigdata_cli.errors import UsageError
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.sources.base import FedRows, RowSource, all_in_one
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES, UNIT_BYTES
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.lattice import TypeOptions

Result = TypeVar("Result")


@dataclass(frozen=True)
class FirstPass:
    """Reads some columns of a source in order, as often as it is asked to.

    Attributes:
        source: Its rows as they are before the steps that follow from the pass.
        plan: How they are parsed.
        estimated_rows: How many there are, by the sample.
    """

    source: RowSource
    plan: ParsePlan
    estimated_rows: int

    @classmethod
    def of(
        cls,
        source: RowSource,
        types: TypeOptions,
        columns: Sequence[str],
        *,
        why: str,
        hint: str,
        skip_bad_rows: bool = False,
        wants_places: bool = False,
        split: HashSplit | None = None,
        from_sample: bool = False,
    ) -> FirstPass:
        """The pass over some columns, at least one of them.

        Args:
            source: Any that can be read again.
            types: The dtypes that the user fixed; all other decimals are float64.
            columns: Those to read.
            why: What takes the pass, for the error where the source comes once.
            hint: And what to do then.
            skip_bad_rows: Whether records that cannot be kept are left out.
            wants_places: Whether the places of the rows are read.
            split: By which rule rows are hashed; None for no hashes.
            from_sample: Whether a sample of the rows is enough.

        Raises:
            UsageError: The source comes once.
            DataError: The sample cannot be parsed.
        """
        if source.comes_once and not from_sample:
            raise UsageError(
                f"{why} a pass over the source before, and a pipe is read once", hint=hint
            )
        sample = source.sample(
            TypeOptions(float_mode="64", fixed=types.fixed),
            keep=columns,
            max_bytes=SAMPLE_BYTES,
            skip_bad_rows=skip_bad_rows,
            max_record_bytes=MAX_RECORD_BYTES,
        )
        plan = replace(sample.plan, wants_places=wants_places, split=split)
        return cls(source, plan, sample.estimated_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(state.name for state in self.plan.columns)

    def chunks(self) -> Iterator[tuple[FedRows, Chunk]]:
        """What was read and parsed, in the order of the source; it may be ended early.

        Raises DataError for a record that cannot be kept.
        """
        return self.each(lambda fed, chunk: (fed, chunk))

    def each(self, work: Callable[[FedRows, Chunk], Result]) -> Iterator[Result]:
        """What a function makes of each chunk, in the order of the source.

        work: is called by several threads. Raises what `chunks` does.
        """
        fields = self.source.fields_of(self.columns)

        def parse(fed: FedRows) -> tuple[Unit, Result | None]:
            unit = fed.parse(fields[fed.file], self.plan)
            return unit, None if unit.chunk is None else work(fed, unit.chunk)

        feed = self.source.feed(
            all_in_one,
            keep=self.columns,
            unit_bytes=UNIT_BYTES,
            max_record_bytes=MAX_RECORD_BYTES,
            strict=not self.plan.skip_bad_rows,
        )
        jobs = available_cpus()
        with feed, ThreadPoolExecutor(jobs, thread_name_prefix="fit") as pool:
            for fed, (unit, found) in ordered_map(pool, parse, feed, max_in_flight=jobs + 1):
                if unit.error is not None or found is None:
                    assert unit.error is not None
                    raise self.source.located(fed.file, unit.error) from unit.error
                yield found

    def sampled(self) -> Iterator[Unit]:
        """Rows from all over the source; of those that cannot be kept the conversion will tell."""
        for unit in self.source.sample_units(self.plan, self.columns, SAMPLE_BYTES):
            if unit.chunk is not None:
                yield unit
