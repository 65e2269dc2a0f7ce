"""Every kind of source under the same suite."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq

from bigdata_cli import convert
from tests.sources.source_contract import SourceContract, table_of


def write_csv(path: Path, rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()}
            )
    return path


def write_json_lines(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def compressed(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


class TestCsv(SourceContract):
    def write(self, folder, rows):
        return [write_csv(folder / "a.csv", rows)]


class TestCompressedCsv(SourceContract):
    def write(self, folder, rows):
        return [compressed(write_csv(folder / "a.csv", rows))]


class TestText(SourceContract):
    names, dtypes, has_wrong_values = ("text",), ("text",), False

    def write(self, folder, rows):
        path = folder / "a.txt"
        path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        return [path]

    def expected(self, rows):
        return [{"text": str(row)} for row in rows]


class TestJsonLines(SourceContract):
    def write(self, folder, rows):
        return [write_json_lines(folder / "a.jsonl", rows)]

    def place(self, row):
        return f"line {row + 1}"


class TestCompressedJsonLines(TestJsonLines):
    def write(self, folder, rows):
        return [compressed(write_json_lines(folder / "a.jsonl", rows))]


class TestTwoFilesOfJsonLines(TestJsonLines):
    def write(self, folder, rows):
        files = (("a.jsonl", rows[:40]), ("b.ndjson", rows[40:]))
        return [write_json_lines(folder / name, part) for name, part in files]

    def place(self, row):
        return f"line {row + 1 - 40}"


class TestParquet(SourceContract):
    def write(self, folder, rows):
        path = folder / "a.parquet"
        pq.write_table(table_of(rows), path, row_group_size=25)
        return [path]

    def place(self, row):
        return f"row {row + 1}"


class TestDataset(SourceContract):
    def write(self, folder, rows):
        [path] = TestCsv().write(folder, rows)
        types = {"name": "text"}
        convert(path, to="npy", output=folder / "own", shards=3, types=types)
        return [folder / "own"]

    def place(self, row):
        return f"row {row + 1}"
