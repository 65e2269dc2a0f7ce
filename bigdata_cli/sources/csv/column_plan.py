"""How the columns of a block are parsed, and what was parsed of them."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from bigdata_cli.native import parser as native
from bigdata_cli.native.parser import Parser
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import TYPE_FORMS, Observed
from bigdata_cli.types.state import ColumnState, arrow_schema
from bigdata_cli.types.summary import Summary, mode_of

_TIMES = (native.DATE, native.TIMESTAMP_US, native.TIMESTAMP_NS)


class ColumnPlan:
    """How columns of these states are parsed: arrays with one element for each column.

    formats: of the dates of columns of fixed dtype, None for ISO 8601; empty where all are that.
    """

    def __init__(
        self,
        columns: tuple[ColumnState, ...],
        *,
        is_text: bool,
        float_mode: str,
        formats: tuple[str | None, ...] = (),
    ) -> None:
        self.columns = columns
        self.formats = formats
        self.is_text = is_text
        self.float_mode = float_mode
        dtypes = [state.dtype for state in columns]
        self.modes = np.array([mode_of(dtype) for dtype in dtypes], np.int32)
        self.storage = np.array([storage_of(dtype) for dtype in dtypes], np.int32)
        self.fixed = np.array([state.fixed for state in columns], bool)
        is_texts = self.modes == native.TEXT
        self.plan = np.zeros(len(columns), native.COLUMN_PLAN)
        self.plan["mode"] = self.modes
        self.plan["zoned"] = ["UTC" in dtype for dtype in dtypes]
        self.plan["storage"] = self.storage
        self.plan["fixed"] = self.fixed
        self.plan["observes"] = is_texts & ~self.fixed & (not is_text)
        self.plan["wants_codes"] = [
            mode == native.TEXT and state.distinct is not None
            for mode, state in zip(self.modes.tolist(), columns, strict=True)
        ]
        # A category whose texts are no longer counted, as they are too many, turns out to be text.
        is_coded = (self.storage == native.STORAGES["category"]) & (self.plan["wants_codes"] != 0)
        self.plan["wants_text"] = is_texts & ~is_coded
        self._texts = [(one or "").encode() for one in formats]  # which the plan points into
        for index, text in enumerate(self._texts):
            if text and self.modes[index] in _TIMES:
                place = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p).value
                self.plan["format"][index] = place

    @cached_property
    def known(self) -> np.ndarray:
        """What the states know: values that show no more leave their columns as they are."""
        known = np.zeros(len(self.columns), native.RESULT)
        for name in ("forms", "negative", "positive"):
            known[name] = [getattr(state.observed, name) for state in self.columns]
        # A dtype that does not follow from what is known is always looked at.
        settled = [s.widened(s.observed, self.float_mode) is s for s in self.columns]
        known["forms"][~np.array(settled, bool)] = 0
        return known

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the columns."""
        return arrow_schema(self.columns)

    def widened(self, results: np.ndarray) -> tuple[ColumnState, ...]:
        """The states after what the values showed; the same tuple where they hold all of them."""
        known = self.known
        more = (
            ((results["forms"] & ~known["forms"] & TYPE_FORMS) != 0)
            | (results["negative"] > known["negative"])
            | (results["positive"] > known["positive"])
        )
        more &= ~self.fixed
        columns: list[ColumnState] | None = None
        for index in np.flatnonzero(more).tolist():
            state = self.columns[index]
            seen = results[index]
            observed = Observed(int(seen["forms"]), int(seen["negative"]), int(seen["positive"]))
            widened = state.widened(observed, self.float_mode)
            if widened is not state:
                columns = columns or list(self.columns)
                columns[index] = widened
        return self.columns if columns is None else tuple(columns)


class _Recent(threading.local):
    """The plans that the thread used last: its blocks mostly have the same columns."""

    def __init__(self) -> None:
        self.plans: list[ColumnPlan] = []


_recent = _Recent()
_KEPT_PLANS = 4


def column_plan(
    columns: tuple[ColumnState, ...],
    *,
    is_text: bool,
    float_mode: str,
    formats: tuple[str | None, ...] = (),
) -> ColumnPlan:
    """The plan of these columns, made once for each tuple of them."""
    for plan in _recent.plans:
        if (
            plan.columns is columns
            and plan.is_text == is_text
            and plan.float_mode == float_mode
            and plan.formats == formats
        ):
            return plan
    plan = ColumnPlan(columns, is_text=is_text, float_mode=float_mode, formats=formats)
    _recent.plans = [plan, *_recent.plans[: _KEPT_PLANS - 1]]
    return plan


def storage_of(dtype: str) -> int:
    """The code of a dtype in `native.STORAGES`."""
    return native.STORAGES["timestamp" if kind_of(dtype) is Kind.TIMESTAMP else dtype]


@dataclass
class Parsed:
    """The records of a block in the arrays of the thread's parser, until it parses another.

    columns: states that hold all values. results: what they showed, native.RESULT (columns,).
    bad: (start, stop, status, fields) of the records that are wrong, int64 (n, 4). starts: of the
    records in the block, int64 (rows,), where they were asked for.
    """

    parser: Parser
    plan: ColumnPlan
    results: np.ndarray
    rows: int
    position: int
    tally: Tally
    bad: np.ndarray
    starts: np.ndarray | None = None
    columns: tuple[ColumnState, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = self.plan.columns

    def summary(self) -> Summary:
        """What the columns showed; of those whose type the user chose no evidence of types."""
        results = self.results
        for name in ("forms", "negative", "positive"):
            results[name][self.plan.fixed] = 0
        return Summary(results, self.plan.modes, self.rows)

    def batch(self) -> pa.RecordBatch:
        """The values under the final states of the columns."""
        storage, schema = self._stored()
        return self.parser.batch(storage, self.rows, schema)

    def divided(
        self, splits: np.ndarray, n_splits: int
    ) -> tuple[tuple[pa.RecordBatch, np.ndarray], ...]:
        """The rows of each split, with their statistics: see `Parser.divided`."""
        storage, schema = self._stored()
        batches, results = self.parser.divided(storage, schema, splits, n_splits=n_splits)
        return tuple(zip(batches, results, strict=True))

    def _stored(self) -> tuple[np.ndarray, pa.Schema]:
        """How the columns are stored, int32 (columns,), and their Arrow schema."""
        if self.columns is self.plan.columns:
            return self.plan.storage, self.plan.schema
        storage = np.array([storage_of(state.dtype) for state in self.columns], np.int32)
        return storage, arrow_schema(self.columns)

    def hashes(self) -> np.ndarray:
        """The sums of the hashes of the values of each row, where salts were given: uint64 (n,)."""
        return self.parser.hashes(self.rows)
