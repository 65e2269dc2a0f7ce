"""Rows dealt to splits and rows that repeat others, by what their values are."""

from __future__ import annotations

import math
import random
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.repeated.row_keys import row_keys
from bigdata_cli.transforms.repeated.runs import KeyRuns
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.summary import Summary, modes_of
from tests.fuzz import mutated, target
from tests.fuzz.blocks import parse_by
from tests.fuzz.tables import PIECES, generated_table

DIALECT = Dialect(delimiter=",")
SHARES = ({"a": 0.5, "b": 0.5}, {"a": 0.9, "b": 0.05, "c": 0.05}, {"a": 0.001, "b": 0.999})
TEXTS = ("", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "NA", "1", "é😀" * 9, "x" * 70)
NUMBERS = (0, 1, -1, 2, 127, -128, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1)
FLOATS = (0.0, -0.0, 1.0, 0.5, -1.0, float("nan"), float("inf"), 2.0**53, 2.0**63, 1e300, 5e-324)
DAYS = (0, 1, -1, 19_782, -719_162, 2_932_896)


@target
def split_rows(chance: random.Random) -> int:
    """Rows are dealt alike whatever their columns are taken for, and each split has its own."""
    width = chance.randint(1, 5)
    data = generated_table(chance, width)
    if chance.random() < 0.2:
        data = mutated(data, chance, PIECES)
    names = [f"c{i}" for i in range(width)]
    by = tuple(chance.sample(names, chance.randint(0, width)))
    options = SplitOptions(split=chance.choice(SHARES), split_by=by)
    rule = HashSplit.of(options, names, seed=chance.randrange(5))
    assert rule is not None
    columns = tuple(ColumnState(name=name) for name in names)
    plan = ParsePlan(dialect=DIALECT, columns=columns, skip_bad_rows=True, split=rule)
    whole = parse_by(data, plan)
    texts = tuple(ColumnState(name=name, dtype="text", fixed=True) for name in names)
    as_text = parse_by(data, replace(plan, columns=texts))
    if whole.rows == as_text.rows:  # a value beyond float64 is a bad row only where it is a number
        assert whole.hashes.tolist() == as_text.hashes.tolist(), (data, by)
    divided = parse_by(data, replace(plan, divides=True))
    assert divided.hashes.tolist() == whole.hashes.tolist(), (data, by)
    _check_division(divided, whole, rule, data)
    return whole.rows


def _check_division(divided: Chunk, whole: Chunk, rule: HashSplit, data: bytes) -> None:
    """The rows of each split are those of the whole batch, and its statistics are theirs."""
    assert divided.splits.tolist() == rule.assign(whole.hashes).tolist()
    dtypes = [state.dtype for state in divided.columns]
    modes = modes_of(dtypes)
    for place, (batch, results) in enumerate(divided.divided):
        batch.validate(full=True)
        expected = whole.batch.filter(pa.array(divided.splits == place))
        assert batch.num_rows == expected.num_rows, data
        statistics = Summary(results, modes, batch.num_rows).statistics(dtypes)
        for index, column in enumerate(expected):
            assert _plain(batch.column(index)) == _plain(column), (data, place, index)
            _check_statistics(statistics[index], column, (data, place, index))


def _check_statistics(found: ColumnStatistics, column: pa.Array, case: object) -> None:
    """What is known of values is what Python makes of them."""
    values = column.drop_null().to_pylist() if not pa.types.is_temporal(column.type) else []
    assert found.nulls == column.null_count, case
    if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
        sizes = [len(value.encode()) for value in values]
        assert (found.text_bytes, found.max_text_bytes) == (sum(sizes), max(sizes, default=0)), case
        return
    if pa.types.is_integer(column.type) and values:
        assert (found.minimum, found.maximum) == (min(values), max(values)), case
    finite = [Fraction(value) for value in values if math.isfinite(value)]
    assert found.infinite == len(values) - len(finite), case
    if not finite:
        assert found.mean is None, case
        return
    # The statistics of a column of float32 are those of its decimals.
    exactness = 1e-6 if pa.types.is_float32(column.type) else 1e-12
    mean = sum(finite) / len(finite)
    largest = float(max(map(abs, finite)))
    assert math.isclose(found.mean, mean, rel_tol=exactness, abs_tol=exactness * largest), case
    m2 = float(sum((value - mean) ** 2 for value in finite))
    assert math.isclose(
        found.m2, m2, rel_tol=1e3 * exactness, abs_tol=exactness * largest**2 * len(finite)
    ), case


def _plain(array: pa.Array) -> list[str]:
    """Values as texts that tell -0.0 from 0.0, and in which NaN is itself."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int32() if pa.types.is_date(array.type) else pa.int64())
    return [repr(value) for value in array.to_pylist()]


def _column(chance: random.Random, n_rows: int) -> tuple[pa.Array, list[Any]]:
    """Values of a column, of few, and for each what makes it equal to another one."""
    kind = chance.choice(["text", "category", "int", "uint64", "float", "bool", "date", "us", "ns"])
    values: list[Any]
    match kind:
        case "text" | "category":
            values = chance.choices(TEXTS, k=n_rows)
            array = pa.array(values, pa.string())
        case "int" | "uint64":
            type_ = chance.choice([pa.int8(), pa.int32(), pa.int64()])
            type_ = pa.uint64() if kind == "uint64" else type_
            low = 0 if kind == "uint64" else -(2 ** (type_.bit_width - 1))
            high = 2**64 - 1 if kind == "uint64" else 2 ** (type_.bit_width - 1) - 1
            values = chance.choices([n for n in NUMBERS if low <= n <= high], k=n_rows)
            array = pa.array(values, type_)
        case "float":
            values = chance.choices(FLOATS, k=n_rows)
            array = pa.array(values, pa.float64())
            values = ["nan" if value != value else value for value in values]
        case "bool":
            values = chance.choices([True, False], k=n_rows)
            array = pa.array(values)
            values = [("bool", value) for value in values]
        case _:
            days = chance.choices(DAYS, k=n_rows)
            nanos = chance.choices([0, 1, 1000], k=n_rows) if kind == "ns" else [0] * n_rows
            days = [day % 20_000 for day in days] if kind == "ns" else days
            per_day = {"date": 1, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}[kind]
            numbers = [day * per_day + nano for day, nano in zip(days, nanos, strict=True)]
            type_ = pa.date32() if kind == "date" else pa.timestamp(kind)
            array = pa.array(numbers, pa.int32() if kind == "date" else pa.int64()).view(type_)
            values = [("time", *pair) for pair in zip(days, nanos, strict=True)]
    nulls = np.array([chance.random() < 0.1 for _ in range(n_rows)], bool)
    array = pc.if_else(pa.array(nulls), pa.scalar(None, array.type), array)
    if kind == "category":
        array = array.dictionary_encode()
    return array, [None if null else value for null, value in zip(nulls, values, strict=True)]


@target
def repeated_rows(chance: random.Random) -> int:
    """Two rows have the same key if their values are equal, and the repeated ones are found."""
    n_rows = chance.choice([1, 7, 60, 300])
    columns = [_column(chance, n_rows) for _ in range(chance.randint(1, 3))]
    start = chance.randrange(n_rows)
    arrays = [array.slice(start) for array, _ in columns]
    rows = list(zip(*(values[start:] for _, values in columns), strict=True))
    secret = np.array([chance.getrandbits(64), chance.getrandbits(64)], np.uint64)
    keys = row_keys(arrays, len(rows), secret)
    by_row = {}
    for row, key in zip(rows, map(tuple, keys.tolist()), strict=True):
        assert by_row.setdefault(row, key) == key, (row, arrays)
    assert len(set(by_row.values())) == len(by_row), arrays
    if chance.random() < 0.2:
        _check_runs(chance, keys, rows)
    return len(rows)


def _check_runs(chance: random.Random, keys: np.ndarray, rows: list[tuple[Any, ...]]) -> None:
    keep_last = chance.random() < 0.5
    places = np.arange(len(rows), dtype=np.int64) * 3
    found: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        run_rows = chance.choice([1, 16, 1000])
        memory_bytes = chance.choice([0, 400, 1 << 20])
        room: dict[str, Any] = {"run_rows": run_rows, "memory_bytes": memory_bytes}
        with KeyRuns(Path(folder, "runs"), max_slots=64, **room) as runs:
            runs.add(keys, places)
            runs.repeated(keep_last=keep_last, take=lambda some: found.extend(some.tolist()))
    order = list(enumerate(rows))[:: -1 if keep_last else 1]
    seen: set[tuple[Any, ...]] = set()
    expected = []
    for place, row in order:
        if row in seen:
            expected.append(3 * place)
        seen.add(row)
    assert sorted(found) == sorted(expected), (rows, keep_last, run_rows)
