"""`--verbose`: what a command decided and why, and how long each phase took, on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bigdata_cli.cli.render import dialect_text, sanitize
from bigdata_cli.resources.sizes import format_duration, format_size
from bigdata_cli.resources.stages import PHASES, listen_to_decisions, listen_to_phases

if TYPE_CHECKING:
    from bigdata_cli.conversion.plan import Plan
    from bigdata_cli.types.dtype import Column
    from bigdata_cli.types.statistics import ColumnStatistics

_SHOWN_COLUMNS = 200


@contextmanager
def verbose_log(say: Callable[[str], None], *, is_on: bool) -> Iterator[VerboseLog | None]:
    """Meanwhile each decision and each phase is said; None where it is not asked for.

    say: takes a line.
    """
    if not is_on:
        yield None
        return
    log = VerboseLog(say)
    with listen_to_phases(log.phase), listen_to_decisions(log.decision):
        try:
            yield log
        finally:
            log.end()


class VerboseLog:
    """Says decisions and phases, line by line, with the time since its start.

    say: takes a line. Phases are those of `listen_to_phases`.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._started = clock()
        self._phase: tuple[str, float] | None = None

    def plan(self, plan: Plan) -> None:
        """Say what was decided."""
        for line in decisions(plan):
            self._line(line)

    def decision(self, text: str) -> None:
        """Say what was decided."""
        self._line(text)

    def phase(self, name: str) -> None:
        """Say that a phase begins, and how long the one before took."""
        self.end()
        self._phase = name, self._clock()
        self._line(f"{name}: {PHASES[name]}" if name in PHASES else name)

    def end(self) -> None:
        """Say how long the last phase took."""
        if self._phase is not None:
            name, started = self._phase
            self._line(f"{name} took {format_duration(self._clock() - started)}")
            self._phase = None

    def _line(self, text: str) -> None:
        self._say(f"[{self._clock() - self._started:7.2f} s] {sanitize(text)}")


def decisions(plan: Plan) -> Iterator[str]:
    """What a plan decided, and why, in lines."""
    source, sample, options = plan.source, plan.sample, plan.options
    names = ", ".join(file.name for file in source.files[:5])
    more = f" and {len(source.files) - 5:,} more" if len(source.files) > 5 else ""
    size = format_size(source.bytes) if sample.size_known else "size not known"
    yield f"source: {names}{more} ({size})"
    reasons = f": {'; '.join(source.reasons)}" if source.reasons else ""
    dialect = dialect_text(source.dialect.to_json())
    yield f"dialect: {dialect} ({100 * source.confidence:.0f} % sure{reasons})"
    what = "all rows" if sample.exact else "a sample"
    yield f"types: from {what}, {sample.rows:,} rows in {format_size(sample.bytes)}"
    yield from _columns(plan)
    codec = plan.storage.compression or f"{plan.form.traits.compressions[0]}, the default"
    yield f"format: {plan.form.name}, layout {plan.storage.layout}, compression {codec}"
    yield f"shards: {_shards(plan)}"
    memory = plan.memory
    told = "--memory-limit" if options.memory_limit else "what is free"
    yield (
        f"memory: at most {format_size(memory.limit_bytes)} ({told}), "
        f"{format_size(memory.expected_bytes)} are expected"
    )
    asked = "--jobs" if options.jobs else "the processors that are free, and the memory"
    at_a_time = f"{format_size(memory.unit_bytes)} of source each at a time"
    yield f"jobs: {memory.jobs:,} ({asked}), {at_a_time}"
    yield f"engine: {options.workers.engine}"
    yield from (f"note: {note}" for note in plan.notes)


def _shards(plan: Plan) -> str:
    count = f"{plan.shards.count:,}"
    if plan.options.shards is not None:
        return f"{count} (--shards)"
    why = "--shard-size" if plan.options.shard_bytes is not None else "the predicted size"
    predicted = plan.shards.predicted_bytes
    of = "" if predicted is None else f", of {format_size(predicted)} that are expected"
    return f"{'' if plan.counts_shards else 'about '}{count} ({why}{of})"


def _columns(plan: Plan) -> Iterator[str]:
    fixed = {state.name for state in plan.sample.plan.columns if state.fixed}
    columns = plan.sample.schema.columns
    for column in columns[:_SHOWN_COLUMNS]:
        if column.name in fixed:
            why = "as it was asked for"
        else:
            known = plan.sample.statistics.get(column.name)
            why = "" if known is None else _why(column, known)
        hint = plan.hints.get(column.name, "")
        rest = "; ".join(part for part in (why, hint) if part)
        yield f"  {column.name}: {column.dtype}" + (f" ({rest})" if rest else "")
    if len(columns) > _SHOWN_COLUMNS:
        yield f"  … and {len(columns) - _SHOWN_COLUMNS:,} more columns"


def _why(column: Column, known: ColumnStatistics) -> str:
    parts = []
    if column.vocabulary:
        parts.append(f"{column.n_values:,} different texts")
    elif known.minimum is not None:
        parts.append(f"{known.minimum} to {known.maximum}")
    elif known.max_text_bytes:
        parts.append(f"texts of up to {known.max_text_bytes:,} bytes")
    if known.nulls:
        parts.append(f"{known.nulls:,} nulls")
    return ", ".join(parts)
