"""JSON lines as CSV records, which the parser types by the rules that hold for every source."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from msgspec import structs

from bigdata_cli.native import json_lines as native
from bigdata_cli.native.json_lines import JsonKeys, JsonRecords, transcribe_lines
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.bad_values import NeedMore, RecordError
from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, Reject, parse_block
from bigdata_cli.sources.csv.select_fields import without
from bigdata_cli.sources.jsonl.problems import describe, shown_key
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.lattice import Form, Observed

CSV_OF_LINES = Dialect(delimiter=",", quote='"', header=False, null_tokens=("",))
_TEXT = Observed(Form.TEXT)
_ROW_BYTES = 18
"""Of a row: where its line and its record begin, and the first field."""


class JsonTranscriber:
    """Reads lines of JSON; a `Transcriber`.

    lines: the dialect, whose names are the keys. keeps_nested: whether an object or array in a line
    is its JSON text, and not an error.
    """

    dialect = CSV_OF_LINES

    def __init__(self, lines: Dialect, *, keeps_nested: bool) -> None:
        self._lines = lines
        self._keeps_nested = keeps_nested
        self._keys = json_keys(lines.names or ())

    def scratch_bytes(self, line_bytes: float, n_columns: int) -> float:
        return line_bytes + n_columns + _ROW_BYTES

    def parse_block(
        self, block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
    ) -> Chunk:
        begin, stop = start - block.offset, limit - block.offset
        columns = _keys_of(fields)
        rejects: list[Reject] = []
        original, n_blank = block, None
        while True:
            with stage("parse"):
                records = self._transcribe(block, begin, stop, columns, plan.skip_bad_rows)
            self._check(records, block, plan)
            rejects += self._rejects(records, original)
            n_blank = records.n_blank if n_blank is None else n_blank
            chunk = self._parse_records(records, block.offset, plan)
            if not chunk.rejects:
                break
            # What a line that is set aside showed of types must leave no trace.
            found = [_reject_of(one, records, original) for one in chunk.rejects]
            rejects += found
            block = block._replace(data=without(block, found))
        places = None
        if chunk.places is not None:  # of the records in the CSV
            rows = np.searchsorted(records.record_starts, chunk.places, side="right") - 1
            places = block.offset + records.starts[rows]
        return replace(
            chunk,
            places=places,
            position=block.offset + records.position,
            tally=Tally(blank_lines=n_blank),
            rejects=tuple(sorted(rejects, key=lambda reject: reject.offset)),
        )

    def select_fields(
        self,
        block: Block,
        rejects: Sequence[Reject],
        fields: Sequence[int],
        columns: Collection[int],
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        order = tuple(column for column in fields if column in columns)
        keys = [key for key, column in enumerate(fields) if column in columns]
        kept = block._replace(data=without(block, rejects))
        records = self._transcribe(kept, 0, kept.size, keys, False)
        return records.data[: records.size], order

    def _transcribe(
        self, block: Block, begin: int, stop: int, columns: Sequence[int], collects: bool
    ) -> JsonRecords:
        comment = self._lines.comment
        try:
            return transcribe_lines(
                block.data,
                (begin, stop, block.size),
                self._keys,
                columns,
                at_eof=block.at_eof,
                comment=-1 if comment is None else ord(comment),
                keeps_nested=self._keeps_nested,
                collects=collects,
            )
        except MemoryError:
            raise RecordError(
                block.offset + begin,
                f"from here on {len(columns):,} columns of short lines take more than 2 GB",
                hint="a smaller --memory-limit reads less at a time; --columns, --drop",
            ) from None

    def _check(self, records: JsonRecords, block: Block, plan: ParsePlan) -> None:
        """Raise NeedMore where the block is too short, RecordError for a line that is wrong."""
        if records.status == native.MORE:
            raise NeedMore(block.offset + records.position)
        if records.status != native.DONE:
            start, _, status, at, key = records.bad[-1].tolist()
            problem, hint = describe(
                status,
                block.data[start : block.size],
                at - start,
                shown_key(self._keys.names, key, block.data, at),
            )
            where = f", at byte {at - start + 1:,} of the line"
            raise RecordError(block.offset + start, problem + where, hint=hint)

    def _rejects(self, records: JsonRecords, block: Block) -> list[Reject]:
        rejects = []
        for start, stop, status, at, key in records.bad.tolist():
            line = block.data[start:stop]
            key_name = shown_key(self._keys.names, key, block.data, at)
            reason, _ = describe(status, line, at - start, key_name)
            rejects.append(Reject(offset=block.offset + start, reason=reason, raw=line.tobytes()))
        return rejects

    def _parse_records(self, records: JsonRecords, offset: int, plan: ParsePlan) -> Chunk:
        """The CSV records as a chunk: strings that are no dates make their columns text."""
        has_text = [
            bool(has) and not state.fixed
            for has, state in zip(records.has_text, plan.columns, strict=True)
        ]
        columns = plan.columns
        widened = {
            index: state.widened(_TEXT, plan.float_mode)
            for index, (state, has) in enumerate(zip(columns, has_text, strict=True))
            if has
        }
        if any(widened[index] is not columns[index] for index in widened):
            columns = tuple(widened.get(index, state) for index, state in enumerate(columns))
        block = Block(records.data, 0, records.size, True)
        csv_plan = replace(plan, dialect=CSV_OF_LINES, columns=columns)
        fields = range(-1, len(columns))
        try:
            chunk = parse_block(block, 0, records.size, fields, csv_plan)
        except RecordError as error:
            row = _row_at(error.offset, records)
            raise RecordError(
                offset + int(records.starts[row]), error.problem, hint=error.hint
            ) from error
        chunk.summary.results["forms"][has_text] |= Form.TEXT
        return chunk


@lru_cache(maxsize=8)
def json_keys(names: tuple[str, ...]) -> JsonKeys:
    """The keys of these names, made once."""
    return JsonKeys(names)


def _keys_of(fields: Sequence[int]) -> list[int]:
    """Per column the number of its key; fields: per key the number of its column, or -1."""
    columns = [-1] * (max(fields, default=-1) + 1)
    for key, column in enumerate(fields):
        if column >= 0:
            columns[column] = key
    return columns


def _row_at(position: int, records: JsonRecords) -> int:
    """The row whose record holds a byte of the CSV."""
    return max(0, int(np.searchsorted(records.record_starts, position, side="right")) - 1)


def _reject_of(one: Reject, records: JsonRecords, block: Block) -> Reject:
    """The line of a record that was set aside, in place of the record."""
    start = int(records.starts[_row_at(one.offset, records)])
    line = block.data[start : block.size]
    ends = np.flatnonzero((line == 10) | (line == 13))
    raw = line[: ends[0]] if len(ends) else line
    return structs.replace(one, offset=block.offset + start, raw=raw.tobytes())
