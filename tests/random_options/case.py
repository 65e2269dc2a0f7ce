"""A case: rows, the file they stand in, options, and what the conversion makes of them."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bigdata_cli import convert, open_dataset, verify
from tests.random_options.reference import (
    CONDITIONS,
    DERIVED,
    ID,
    TABLE,
    DifferenceError,
    Row,
    expected_rows,
    in_order,
)
from tests.random_options.splits import SHARES, check_splits

_RELATIVE_ERROR = 1e-6
"""Of float32, which some formats and options store."""
_FORMATS = (
    ("parquet", None), ("parquet", None), ("arrow", None), ("hdf5", None), ("hdf5", "matrix"),
    ("npy", None), ("npy", "matrix"), ("tfrecord", None), ("tfrecord", "block"),
    ("tfrecord", "packed"),
)  # fmt: skip
_NUMBERS_ALONE = ("matrix", "packed", "block")
_WORDS = ("plain", 'with "quotes"', "a,b;c|d", "two\nlines", "grüße", "数据", "tab\there", "x" * 40)
_FITTED = ("standardize", "minmax", "one_hot")
"""They go with splits by a hash only."""
_MIN_ROWS = 8


@dataclass(frozen=True)
class Case:
    """A conversion that the reference can do too.

    Attributes:
        rows: In the order of the source.
        n_bad: Records of the file that are no rows.
        kind: Of the file: csv, csv.gz, jsonl, parquet.
        content: Of the file; None for one that is written from the rows.
        options: Of `convert`.
    """

    rows: list[Row]
    n_bad: int
    kind: str
    content: bytes
    options: dict[str, Any]

    @classmethod
    def drawn(cls, numbers: random.Random) -> Case:
        """A case as the numbers have it."""
        rows = [_row(i, numbers) for i in range(numbers.choice((60, 200, 700)))]
        kind = numbers.choice(("csv", "csv", "csv", "csv.gz", "jsonl", "parquet"))
        n_bad = numbers.choice((0, 0, 3)) if kind.startswith("csv") else 0
        options = _options(numbers)
        if n_bad:
            options["on_bad_row"] = "skip"
        return cls(rows, n_bad, kind, _content(kind, rows, n_bad, numbers), options)

    def check(self, folder: Path) -> None:
        """Convert, and compare with the reference.

        Raises:
            DifferenceError: The dataset is another one.
        """
        if self._is_too_small():
            return
        source, output = folder / f"source.{self.kind}", folder / "out"
        source.write_bytes(self.content)
        options = dict(self.options)
        if "join" in options:
            options["join"] = [table := folder / "table.csv"]
            lines = [f"{kind},{weight}\n" for kind, weight in TABLE.items()]
            table.write_text("kind,weight\n" + "".join(lines))
        report = convert(source, output=output, **options)
        dataset = open_dataset(output)
        found = list(_rows_of(dataset))
        training = [row[ID] for row in _rows_of(dataset["train"])] if dataset.splits else None
        self._compare(found, training)
        if self.options.get("split"):
            parts = {name: [row[ID] for row in _rows_of(dataset[name])] for name in SHARES}
            in_parts = [one for ids in parts.values() for one in ids]
            _same([row[ID] for row in found], in_parts, "the rows of the splits")
            known = {row[ID]: row for row in self.rows}
            of_source = {name: [known[one] for one in ids] for name, ids in parts.items()}
            check_splits(of_source, self.options)
        if "limit" not in self.options:
            _same(self.n_bad, report.rejected_rows, "rejected rows")
            _same(len(self.rows), report.rows + report.filtered_rows, "rows")
        findings = verify(output, source=source).findings
        _same([], [str(finding) for finding in findings], "what verify finds")

    def _is_too_small(self) -> bool:
        """Whether steps would have too few rows, or a column no value, to be fitted with."""
        fewer = ("join", "how", "where", "derive", "dedup", "keep")
        plain = {name: value for name, value in self.options.items() if name in fewer}
        rows = expected_rows(self.rows, plain, ())
        return len(rows) < _MIN_ROWS or any(
            all(row[name] is None for row in rows[:_MIN_ROWS])
            for name in ("count", "price", "kind")
        )

    def _compare(self, found: list[Row], training: list[int] | None) -> None:
        drawn = {row[ID] for row in found}
        expected = expected_rows(self.rows, self.options, drawn, training)
        renamed = self.options.get("rename", {})
        expected = [{renamed.get(name, name): row[name] for name in row} for row in expected]
        if self.options.get("sort_by"):
            folders = list(dict.fromkeys(row.get("kind") for row in found))
            expected = in_order(expected, self.options, folders)
        elif any(self.options.get(name) for name in ("shuffle", "split", "partition_by")):
            found = sorted(found, key=lambda row: row[ID])
        _same([row[ID] for row in expected], [row[ID] for row in found], "the rows and their order")
        for one, other in zip(expected, found, strict=True):
            _same(one.keys(), other.keys(), "columns")
            for name, value in one.items():
                if not _is_equal(value, other[name]):
                    raise DifferenceError(f"{name} of row {one[ID]}: {value!r}, {other[name]!r}")


def _same(expected: Any, found: Any, what: str) -> None:
    if expected != found:
        raise DifferenceError(f"{what}: {str(expected)[:200]}, found {str(found)[:200]}")


def _is_equal(expected: Any, found: Any) -> bool:
    if expected is None or found is None:
        return expected is None and (found is None or found != found)
    if isinstance(expected, dt.date):
        return str(expected) == str(found)[:10]
    if isinstance(expected, str):
        return bool(expected == found)
    return math.isclose(expected, found, rel_tol=_RELATIVE_ERROR, abs_tol=_RELATIVE_ERROR)


def _rows_of(dataset: Any) -> Iterable[Row]:
    for batch in dataset.read():
        yield from batch.to_pylist()


def _row(i: int, numbers: random.Random) -> Row:
    def often(value: Any) -> Any:
        return None if numbers.random() < 0.1 else value

    day = dt.date(2024, 1, 1) + dt.timedelta(days=numbers.randrange(180))
    return {
        ID: i,
        "count": often(numbers.randrange(100)),
        "price": often(round(numbers.uniform(0, 100), 2)),
        "kind": often(numbers.choice("abc")),
        "word": often(numbers.choice(_WORDS) + str(numbers.randrange(40)) + "."),
        "flag": often(numbers.random() < 0.4),
        "day": often(day),
    }


def _content(kind: str, rows: list[Row], n_bad: int, numbers: random.Random) -> bytes:
    if kind == "parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=len(rows) // 3)
        return bytes(sink.getvalue())
    if kind == "jsonl":
        lines = (json.dumps({k: _json(v) for k, v in row.items()}) for row in rows)
        return "".join(line + "\n" for line in lines).encode()
    delimiter, end = numbers.choice(",;|\t"), numbers.choice(("\n", "\r\n"))
    quotes_all = numbers.random() < 0.5
    bad = set(numbers.sample(range(len(rows)), n_bad))
    lines = [delimiter.join(rows[0])]
    for i, row in enumerate(rows):
        lines.append(delimiter.join(_field(value, delimiter, quotes_all) for value in row.values()))
        lines += [f"1{delimiter}2"] if i in bad else []
    data = "".join(line + end for line in lines).encode()
    return gzip.compress(data, mtime=0) if kind == "csv.gz" else data


def _json(value: Any) -> Any:
    return str(value) if isinstance(value, dt.date) else value


def _field(value: Any, delimiter: str, is_quoted: bool) -> str:
    """A field of CSV; in quotes an empty one would be a text, and no null."""
    if value is None:
        return ""
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    if is_quoted or any(char in text for char in (delimiter, '"', "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _options(numbers: random.Random) -> dict[str, Any]:
    """Options that may stand together."""

    def some(share: float = 0.25) -> bool:
        return numbers.random() < share

    to, layout = numbers.choice(_FORMATS)
    options: dict[str, Any] = {"to": to, "jobs": numbers.choice((1, 2)), "seed": 3}
    if layout:
        options["layout"] = layout
    _draw_rows(options, numbers)
    _draw_columns(options, numbers, layout)
    if to == "parquet" and some() and "kind" in _stored(options):
        options["partition_by"] = ["kind"]
    elif some():
        options["shards"] = numbers.randint(1, 4)
    elif some():
        options["shard_size"] = "4KB"
    if "partition_by" not in options and some(0.2):
        options["shuffle"] = True
    elif some(0.3):
        names = sorted(
            _stored(options) & {"count", "kind", "price", ID} - {*options.get("partition_by", ())}
        )
        keys = numbers.sample(names, min(len(names), numbers.randint(1, 2)))
        options["sort_by"] = [key + numbers.choice(("", ":desc")) for key in keys]
    elif "partition_by" not in options and some():
        options["split"] = SHARES
        _draw_splits(options, numbers)
    return options


def _draw_splits(options: dict[str, Any], numbers: random.Random) -> None:
    """By what rows are assigned to splits; a hash of all values where nothing is drawn."""
    ways: list[dict[str, Any]] = [{}, {"split_by": ["count"]}]
    stored = _stored(options)
    if any(name in options for name in _FITTED) or "mean" in options.get("fill", {}).values():
        options |= numbers.choice(ways)
        return
    ways.append({"split_order": True})
    has_few_rows = any(name in options for name in ("limit", "sample", "balance", "dedup"))
    if "day" in stored and "day >= date '2024-03-01'" in options.get("where", ()):
        ways.append({"split_time": "day"})
    if "kind" in stored and not has_few_rows and "where" not in options:
        ways.append({"stratify": "kind"})
    options |= numbers.choice(ways)


def _draw_rows(options: dict[str, Any], numbers: random.Random) -> None:
    """Options that say which rows are kept, and columns that are made of others."""
    if numbers.random() < 0.15:
        options["join"], options["on"] = [], [["kind"]]
        options["how"] = [numbers.choice(("left", "inner"))]
    if numbers.random() < 0.4:
        options["where"] = numbers.sample(sorted(CONDITIONS), numbers.randint(1, 2))
    if numbers.random() < 0.4:
        chosen = numbers.sample(sorted(DERIVED), numbers.randint(1, 2))
        options["derive"] = {f"made{i}": one for i, one in enumerate(chosen)}
    if numbers.random() < 0.2:
        options["dedup"] = numbers.choice((["count"], ["kind", "flag"], ["word"], ["day", "kind"]))
        options["keep"] = numbers.choice(("first", "last"))
    draw = numbers.random()
    if draw < 0.1:
        options["balance"] = numbers.choice(("kind", "flag"))
    elif draw < 0.2:
        options["sample"] = numbers.choice((0.5, "20rows", "1000rows"))
    if numbers.random() < 0.15:
        options["limit"] = numbers.choice((10, 25, 5_000))


def _draw_columns(options: dict[str, Any], numbers: random.Random, layout: str | None) -> None:
    """Options that say what becomes of columns, and which are kept."""
    steps: dict[str, Mapping[str, Any] | list[str]] = {
        "flag_null": [numbers.choice(("count", "day"))],
        "fill": numbers.choice(
            ({"count": "mean"}, {"count": "7"}, {"price": "zero"}, {"kind": "ffill"})
        ),
        "clip": {"count": "10:80"},
        "log1p": ["price"],
        "bin": {"count": "18,65"},
        "standardize": ["price"],
        "minmax": ["count"],
        "one_hot": ["kind"],
        "hash": {"word": 50},
    }
    options |= {name: value for name, value in steps.items() if numbers.random() < 0.15}
    if numbers.random() < 0.2:
        options["float"] = numbers.choice(("32", "64"))
    drop = {name for name in ("word", "flag", "day", "price") if numbers.random() < 0.1}
    if layout in _NUMBERS_ALONE:
        drop |= {"day"} | ({"word"} - options.get("hash", {}).keys())
        drop |= {"kind"} - set(options.get("one_hot", ()))
        made = options.get("derive", {})
        drop |= {name for name, one in made.items() if "none" in one}
    if drop:
        options["drop"] = sorted(drop)


def _stored(options: Mapping[str, Any]) -> set[str]:
    names = {ID, "count", "price", "kind", "word", "flag", "day"}
    return names - set(options.get("drop", ())) - set(options.get("one_hot", ()))
