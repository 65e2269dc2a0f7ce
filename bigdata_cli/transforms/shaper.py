"""Steps on a unit of a source: rows without a value are located, and are its error or rejects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bigdata_cli.sources.bad_values import InvalidValue, RecordError
from bigdata_cli.sources.csv.lines import first_line_of
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, Reject
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.transforms.chunks import OtherKindError, Shaping, shape_chunk, source_plan
from bigdata_cli.transforms.evaluate import StepError
from bigdata_cli.transforms.noted import NOTHING, Noted
from bigdata_cli.transforms.rows import select_rows

_SHOWN_BYTES = 60
_SKIPS = "--on-bad-row skip sets such rows aside"


@dataclass(frozen=True)
class Shaper:
    """Applies the steps of a source to its units.

    Attributes:
        shaping: The steps.
        plan: Of the dataset.
        again: Parses the unit again under another plan of the source; None for a sample, whose rows
            need no places.
        record: The bytes of the record at a position.
        line: The line of a position; None where lines are counted later.
        noted: What passes over the source have noted, where steps ask for it.
    """

    shaping: Shaping
    plan: ParsePlan
    again: Callable[[ParsePlan], Unit] | None = None
    record: Callable[[int], bytes] | None = None
    line: Callable[[int], int] | None = None
    noted: Noted = NOTHING

    def shaped(self, unit: Unit) -> Unit:
        """The unit after the steps."""
        if unit.chunk is None:
            return unit
        parsed = source_plan(self.shaping, self.plan)
        chunk, rejects = unit.chunk, list(unit.chunk.rejects)
        while True:
            try:
                file = unit.piece.file
                found = shape_chunk(self.shaping, chunk, file, self.plan, self.noted)
                break
            except OtherKindError as error:
                return unit._replace(chunk=None, error=self._other_kind(error, unit, parsed))
            except StepError as error:
                problem = f"{error.option}: {_shortened(error.problem)}"
                invalid = InvalidValue(error.rows, problem, reason=problem, hint=_SKIPS)
            except InvalidValue as error:
                invalid = error
            chunk = self._placed(chunk, unit, parsed)
            if invalid.is_of_column or not self.plan.skip_bad_rows:
                row = int(invalid.rows[0]) if len(invalid.rows) else 0
                return unit._replace(chunk=None, error=self._error(chunk, row, invalid))
            rejects += self._rejects(chunk, invalid)
            kept = np.ones(chunk.rows, bool)
            kept[invalid.rows] = False
            chunk = select_rows(chunk, kept)
        ordered = tuple(sorted(rejects, key=lambda reject: reject.offset))
        return unit._replace(chunk=replace(found, rejects=ordered))

    def _placed(self, chunk: Chunk, unit: Unit, parsed: ParsePlan) -> Chunk:
        """The chunk with the places of its rows."""
        if chunk.places is not None:
            return chunk
        if self.again is None:
            return replace(chunk, places=np.full(chunk.rows, unit.start, np.int64))
        again = self.again(replace(parsed, wants_places=True)).chunk
        assert again is not None
        return again

    def _error(self, chunk: Chunk, row: int, invalid: InvalidValue) -> RecordError:
        assert chunk.places is not None
        position = int(chunk.places[row]) if chunk.rows else chunk.position
        return self._located(RecordError(position, invalid.problem, hint=invalid.hint))

    def _located(self, error: RecordError) -> RecordError:
        """The error with its line and the beginning of its record, where they are at hand."""
        if self.line is not None and self.record is not None:
            error.line = self.line(error.offset)
            error.beginning = first_line_of(self.record(error.offset)[:_SHOWN_BYTES])
        return error

    def _rejects(self, chunk: Chunk, invalid: InvalidValue) -> list[Reject]:
        assert chunk.places is not None
        return [
            Reject(
                offset=position,
                reason=invalid.reason,
                raw=b"" if self.record is None else self.record(position),
                line=None if self.line is None else self.line(position),
            )
            for position in chunk.places[invalid.rows].tolist()
        ]

    def _other_kind(self, other: OtherKindError, unit: Unit, parsed: ParsePlan) -> RecordError:
        """The error for a column that is of another kind than the steps go by: its first value."""
        name, known, found = other.known.name, other.known.dtype, other.found.dtype
        hint = f"--type '{name}={found}' says so from the start"
        problem = (
            f'column "{name}" is {found} here; by the sample it is {known}, and the steps that '
            "read it go by that"
        )
        if self.again is not None and known != "null":
            columns = tuple(
                replace(state, dtype=known, fixed=True, distinct=None)
                if state.name == name
                else state
                for state in parsed.columns
            )
            again = self.again(replace(parsed, columns=columns, skip_bad_rows=False))
            if again.error is not None:
                again.error.problem = f"{problem}: {again.error.problem.partition(' (--type')[0]}"
                again.error.hint = hint
                return again.error
        return self._located(RecordError(unit.start, problem, hint=hint))


def _shortened(problem: str) -> str:
    line = problem.partition("\n")[0]
    return line if len(line) <= 200 else line[:200] + "…"
