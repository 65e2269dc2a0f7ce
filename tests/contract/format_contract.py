"""What every format must do, whatever its layout. A format's test class is two lines:

    class TestParquet(FormatContract):
        format_name = "parquet"

and overrides what differs: which layouts hold no text, what a layout rounds, whether bytes repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.formats.base import (
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
)
from bigdata_cli.formats.registry import get_format, get_traits
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import PARTIAL_SUFFIX, partial_name
from bigdata_cli.types.dtype import FLOAT_DTYPES, Column, Kind, Schema, arrow_type
from tests.contract.example_tables import (
    LABEL,
    VOCABULARY,
    assert_same_rows,
    cut_chunks,
    example_schema,
    example_values,
    matrix_number,
)
from tests.datasets import entry_of_file


def commit(folder: Path, files: Sequence[FileEntry]) -> tuple[str, ...]:
    """Give the files their final names, as a conversion does at its end; returns these."""
    for file in files:
        (folder / partial_name(file.name)).rename(folder / file.name)
        assert file == entry_of_file(folder / file.name, file.name)
    return tuple(file.name for file in files)


class FormatContract:
    """The behaviour of a format; each test runs for each of its layouts."""

    format_name: str
    layouts_without_text: tuple[str, ...] = ("matrix", "packed")
    layouts_with_label: tuple[str, ...] = ("matrix", "packed")
    repeatable_bytes = True
    """The same rows give the same bytes."""
    shards_have_files_of_rows = True
    """A shard may be several files, each with some of its rows."""
    has_checksums = False
    """A flipped byte is found by `count_rows` or `read`, wherever in the files it is."""

    # What a subclass may override.

    def options(self, layout: str, **changes: Any) -> StorageOptions:
        label = "label" if layout in self.layouts_with_label else None
        return StorageOptions(layout=layout, **{"label": label, **changes})

    def schema(self, layout: str) -> Schema:
        """A column of each dtype that the layout holds, and the label."""
        return example_schema(text=layout not in self.layouts_without_text)

    def values(self, column: Column, layout: str) -> pa.Array:
        """The values that the column's rows are drawn from, without null."""
        return example_values(column.dtype)

    def expected(self, table: pa.Table, schema: Schema, options: StorageOptions) -> pa.Table:
        """What must come back for `table`: itself, or for a matrix its numbers."""
        if options.layout != "matrix":
            return table
        return pa.table(
            {
                column.name: matrix_number(table.column(column.name), column, options)
                for column in schema
            }
        )

    # What the tests are built from.

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "layout" in metafunc.fixturenames:
            metafunc.parametrize("layout", get_traits(self.format_name).layout_names)

    @property
    def form(self) -> Format:
        return get_format(self.format_name)

    def table(
        self, schema: Schema, layout: str, n_rows: int, *, nulls: float = 0.2, seed: int = 0
    ) -> pa.Table:
        """Rows drawn from `values`; `nulls` of them null, of every column but the label."""
        random = np.random.default_rng(seed)
        columns = {}
        for column in schema:
            pool = self.values(column, layout)
            picks = random.integers(len(pool), size=n_rows)
            share = 0.0 if column.name == "label" else nulls
            mask = random.random(n_rows) < share
            array = pool.take(pa.array(picks, mask=mask))
            if column.kind is Kind.CATEGORY:
                array = array.dictionary_encode()
            columns[column.name] = array.cast(arrow_type(column.dtype))
        return pa.table(columns, schema=schema.arrow())

    def batch_rows(self, writer: ShardWriter) -> int:
        """The rows of a table that the writer must be given, or may be."""
        exact = writer.batch_rows is not None and writer.batch_bytes is None
        return min(writer.batch_rows or 1000, 20_000) if exact else 1000

    def batches(self, writer: ShardWriter, table: pa.Table) -> Iterator[pa.Table]:
        """The table in pieces as the writer wants them, uneven where it allows that."""
        exact = writer.batch_rows is not None and writer.batch_bytes is None
        sizes = [writer.batch_rows] if exact else [100, 1, 37, 500]
        start = turn = 0
        while start < table.num_rows:
            rows = sizes[turn % len(sizes)]
            assert rows is not None
            yield table.slice(start, rows)
            start, turn = start + rows, turn + 1

    def write(
        self,
        folder: Path,
        table: pa.Table,
        schema: Schema,
        options: StorageOptions,
        *,
        name: ShardName | None = None,
    ) -> tuple[str, ...]:
        """Write one shard and give its files their final names, which are returned."""
        self.form.check(schema, options)
        name = name or ShardName(stem="data", index=0, count=3)
        writer = self.form.writer(LocalStore(folder), name, schema, options)
        for batch in self.batches(writer, table):
            writer.append(writer.encode(batch))
        return commit(folder, writer.close())

    def read(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        **reading: Any,
    ) -> pa.Table:
        batches = list(self.form.read(LocalStore(folder), files, schema, options, **reading))
        if batches:
            return pa.Table.from_batches(batches)
        empty = self.expected(schema.arrow().empty_table(), schema, options)
        return empty.select(list(reading.get("columns") or schema.names))

    def assert_round_trip(
        self, folder: Path, table: pa.Table, schema: Schema, options: StorageOptions
    ) -> None:
        files = self.write(folder, table, schema, options)
        expected = self.expected(table, schema, options)
        assert_same_rows(self.read(folder, files, schema, options), expected)
        assert self.form.count_rows(LocalStore(folder), files, options) == table.num_rows

    # The contract.

    def test_round_trip_without_nulls(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 700, nulls=0)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_round_trip_with_nulls(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 700)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_every_column_all_null(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 150, nulls=1)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    @pytest.mark.parametrize("where", ["first", "last"])
    def test_a_single_null(self, layout: str, where: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        with_null = self.table(schema, layout, 1, nulls=1)
        without = self.table(schema, layout, 300, nulls=0)
        pieces = [with_null, without] if where == "first" else [without, with_null]
        table = pa.concat_tables([cut_chunks(piece, 1000) for piece in pieces])
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_no_rows(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = schema.arrow().empty_table()
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_a_table_without_rows_is_written(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        writer = self.form.writer(
            LocalStore(tmp_path), ShardName(stem="d", index=0, count=1), schema, options
        )
        writer.append(writer.encode(schema.arrow().empty_table()))
        files = commit(tmp_path, writer.close())
        assert self.form.count_rows(LocalStore(tmp_path), files, options) == 0
        assert self.read(tmp_path, files, schema, options).num_rows == 0

    @pytest.mark.parametrize("nulls", [0.0, 1.0])
    def test_one_row(self, layout: str, nulls: float, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 1, nulls=nulls)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_several_full_batches(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        options = self.options(layout)
        probe = self.form.writer(
            LocalStore(tmp_path), ShardName(stem="p", index=0, count=1), schema, options
        )
        probe.abort()
        table = self.table(schema, layout, 2 * self.batch_rows(probe) + 17)
        self.assert_round_trip(tmp_path, table, schema, options)

    def test_chunks_with_dictionaries_of_their_own(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = cut_chunks(self.table(schema, layout, 700), 61)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_sliced_tables(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 700).slice(333, 203)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_empty_text_is_not_null(self, layout: str, tmp_path: Path) -> None:
        if layout in self.layouts_without_text:
            schema = Schema((Column(name="c", dtype="category", vocabulary=("", "a")), LABEL))
        else:
            schema = Schema((Column(name="c", dtype="text"), LABEL))
        strings = pa.array(["", None, "a", None, ""])
        table = pa.table(
            {"c": strings.cast(schema.arrow().field("c").type), "label": pa.array([0] * 5, "int8")}
        )
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    def test_only_text(self, layout: str, tmp_path: Path) -> None:
        if layout in self.layouts_without_text:
            pytest.skip(f"layout {layout} holds no text")
        schema = Schema((Column(name="text", dtype="text"),))
        table = self.table(schema, layout, 300)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout, label=None))

    def test_text_is_refused_by_layouts_of_numbers(self, layout: str) -> None:
        if layout not in self.layouts_without_text:
            pytest.skip(f"layout {layout} holds text")
        schema = Schema((Column(name="text", dtype="text"),))
        with pytest.raises(UsageError, match="text"):
            self.form.check(schema, self.options(layout, label=None))

    def test_a_text_label_is_refused_by_layouts_of_numbers(self, layout: str) -> None:
        if layout not in self.layouts_without_text:
            pytest.skip(f"layout {layout} holds text")
        schema = Schema((Column(name="a", dtype="int8"), Column(name="label", dtype="text")))
        with pytest.raises(UsageError, match="label"):
            self.form.check(schema, self.options(layout))

    def test_awkward_column_names(self, layout: str, tmp_path: Path) -> None:
        names = ["fare/total", "a b", "ü", "a.b", "100%", ".", "..", "-x", '"q"', "日本", "label"]
        schema = Schema(tuple(Column(name=name, dtype="int16") for name in names))
        table = self.table(schema, layout, 120)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout))

    @pytest.mark.parametrize("dtype", FLOAT_DTYPES)
    def test_matrix_dtype(self, layout: str, dtype: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 150)
        self.assert_round_trip(tmp_path, table, schema, self.options(layout, matrix_dtype=dtype))

    def test_every_compression(self, layout: str, tmp_path: Path) -> None:
        schema = self.schema(layout)
        table = self.table(schema, layout, 150)
        for compression in self.form.traits.compressions:
            options = self.options(layout, compression=compression)
            folder = tmp_path / compression
            folder.mkdir()
            self.assert_round_trip(folder, table, schema, options)

    def test_unknown_compression_and_layout_are_refused(self, layout: str) -> None:
        schema = self.schema(layout)
        with pytest.raises(UsageError, match="compression"):
            self.form.check(schema, self.options(layout, compression="lzma9"))
        with pytest.raises(UsageError, match="layout"):
            self.form.check(schema, StorageOptions(layout="diagonal"))

    def test_some_columns_in_the_order_asked_for(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        table = self.table(schema, layout, 300)
        files = self.write(tmp_path, table, schema, options)
        expected = self.expected(table, schema, options)
        for names in (["c date", "c category", "c int8"], ["label"], ["c float32"], ["c null"]):
            actual = self.read(tmp_path, files, schema, options, columns=names)
            assert_same_rows(actual, expected.select(names))

    def test_batches_hold_at_most_max_rows(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        table = self.table(schema, layout, 700)
        files = self.write(tmp_path, table, schema, options)
        batches = list(self.form.read(LocalStore(tmp_path), files, schema, options, max_rows=64))
        assert {batch.num_rows for batch in batches} <= set(range(1, 65))
        expected = self.expected(table, schema, options)
        assert_same_rows(pa.Table.from_batches(batches), expected)

    @pytest.mark.parametrize("compression", [None, "gzip"])
    def test_a_range_of_rows(self, layout: str, compression: str | None, tmp_path: Path) -> None:
        if compression not in (None, *self.form.traits.compressions):
            pytest.skip(f"{self.format_name} has no compression {compression}")
        schema, options = self.schema(layout), self.options(layout, compression=compression)
        probe = self.form.writer(
            LocalStore(tmp_path), ShardName(stem="p", index=0, count=1), schema, options
        )
        probe.abort()
        # Several row groups, chunks, blocks, and steps of records.
        n_rows = max(2500, 2 * self.batch_rows(probe) + 17)
        table = self.table(schema, layout, n_rows)
        files = self.write(tmp_path, table, schema, options)
        expected = self.expected(table, schema, options)
        ends = [0, 1, 99, 100, 101, 1023, 1024, 1025, n_rows // 2, n_rows - 1, n_rows]
        for start, stop in [*pairwise(ends), (0, n_rows), (3, n_rows - 3), (90, 1100), (7, 7)]:
            actual = self.read(
                tmp_path, files, schema, options, rows=range(start, stop), max_rows=500
            )
            assert_same_rows(actual, expected.slice(start, stop - start))

    @pytest.mark.parametrize("compression", [None, "gzip"])
    def test_ranges_and_single_rows_of_open_files(
        self, layout: str, compression: str | None, tmp_path: Path
    ) -> None:
        if not self.form.traits.has_row_access:
            pytest.skip(f"{self.format_name} gives no single rows")
        if compression not in (None, *self.form.traits.compressions):
            pytest.skip(f"{self.format_name} has no compression {compression}")
        schema, options = self.schema(layout), self.options(layout, compression=compression)
        table = self.table(schema, layout, 2500)
        files = self.write(tmp_path, table, schema, options)
        expected = self.expected(table, schema, options)
        names = schema.names
        access = self.form.open_rows(LocalStore(tmp_path), files, schema, options, columns=names)
        assert access.rows == expected.num_rows
        for start, stop in [(0, expected.num_rows), (0, 1), (99, 1100), (7, 7), (1030, 10**9)]:
            batches = list(access.read(range(start, stop), 400))
            assert all(0 < batch.num_rows <= 400 for batch in batches)
            actual = pa.Table.from_batches(batches, schema=expected.slice(0, 0).schema)
            assert_same_rows(actual, expected.slice(start, stop - start))
        ranges = [range(3, 200), range(700, 701), range(1000, 2100)]
        gathered = pa.Table.from_batches([access.gather(ranges)])
        parts = [expected.slice(rows.start, len(rows)) for rows in ranges]
        assert_same_rows(gathered, pa.concat_tables(parts))
        rows = np.array([0, 5, 99, 1024, expected.num_rows - 1])
        assert_same_rows(pa.Table.from_batches([access.take(rows)]), expected.take(rows))

    def test_threads_share_an_open_shard(self, layout: str, tmp_path: Path) -> None:
        if not self.form.traits.has_row_access:
            pytest.skip(f"{self.format_name} gives no single rows")
        schema, options = self.schema(layout), self.options(layout)
        files = self.write(tmp_path, self.table(schema, layout, 2500), schema, options)
        expected = self.expected(self.table(schema, layout, 2500), schema, options)
        parts = [range(start, start + 250) for start in range(0, 2500, 250)]
        with ThreadPoolExecutor(8) as pool:
            for _ in range(4):  # what is read at the first access is read anew in each
                access = self.form.open_rows(
                    LocalStore(tmp_path), files, schema, options, columns=schema.names
                )
                read = [pool.submit(list, access.read(rows, 400)) for rows in parts]
                table = pa.Table.from_batches([b for future in read for b in future.result()])
                assert_same_rows(table, expected)

    def test_rows_beyond_the_end_are_left_out(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        table = self.table(schema, layout, 300)
        files = self.write(tmp_path, table, schema, options)
        expected = self.expected(table, schema, options)
        for rows, kept in [(range(290, 400), 10), (range(300, 310), 0), (range(999, 1000), 0)]:
            actual = self.read(tmp_path, files, schema, options, rows=rows)
            assert_same_rows(actual, expected.slice(rows.start, kept))

    def test_a_range_over_the_files_of_a_shard(self, layout: str, tmp_path: Path) -> None:
        if not self.shards_have_files_of_rows:
            pytest.skip(f"a shard of {self.format_name} has a file per column, with all its rows")
        schema, options = self.schema(layout), self.options(layout)
        table = self.table(schema, layout, 300)
        files = []
        for index, start in enumerate((0, 120)):
            name = ShardName(stem="data", index=index, count=2)
            part = table.slice(start, 120 if index == 0 else 180)
            files += self.write(tmp_path, part, schema, options, name=name)
        expected = self.expected(table, schema, options)
        for rows in (range(50, 60), range(110, 130), range(120, 300), range(299, 300)):
            actual = self.read(tmp_path, files, schema, options, rows=rows)
            assert_same_rows(actual, expected.slice(rows.start, len(rows)))

    def test_a_matrix_as_it_is_stored(self, layout: str, tmp_path: Path) -> None:
        if layout != "matrix":
            pytest.skip(f"layout {layout} is no matrix")
        schema, options = self.schema(layout), self.options(layout)
        table = self.table(schema, layout, 300)
        files = self.write(tmp_path, table, schema, options)
        access = self.form.open_rows(
            LocalStore(tmp_path), files, schema, options, columns=schema.names
        )
        slices = list(access.read_matrix(range(20, 290), 50))
        assert max(len(X) for X, _ in slices) <= 50
        X = np.concatenate([X for X, _ in slices])
        y = np.concatenate([y for _, y in slices if y is not None])
        assert (X.dtype, y.dtype) == (options.matrix_dtype, np.int8)
        expected = self.expected(table, schema, options).slice(20, 270)
        names = [name for name in schema.names if name != "label"]
        for place, name in enumerate(names):
            if schema[name].kind is not Kind.CATEGORY:
                column = expected.column(name).to_numpy()
                np.testing.assert_array_equal(X[:, place], column, err_msg=name)
        np.testing.assert_array_equal(y, expected.column("label").to_numpy())

    def test_categories_come_back_with_the_vocabulary(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        files = self.write(tmp_path, self.table(schema, layout, 90), schema, options)
        for batch in self.form.read(LocalStore(tmp_path), files, schema, options, max_rows=50):
            array = batch.column(schema.names.index("c category"))
            assert array.type == arrow_type("category")
            assert array.dictionary.to_pylist() == list(VOCABULARY)

    def test_encoding_in_threads(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        writer = self.form.writer(
            LocalStore(tmp_path), ShardName(stem="d", index=0, count=1), schema, options
        )
        table = self.table(schema, layout, 3 * self.batch_rows(writer))
        with ThreadPoolExecutor(4) as pool:
            for encoded in pool.map(writer.encode, self.batches(writer, table)):
                writer.append(encoded)
        files = commit(tmp_path, writer.close())
        expected = self.expected(table, schema, options)
        assert_same_rows(self.read(tmp_path, files, schema, options), expected)

    def test_files_are_partial_until_renamed(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        writer = self.form.writer(
            LocalStore(tmp_path), ShardName(stem="trips", index=1, count=2), schema, options
        )
        for batch in self.batches(writer, self.table(schema, layout, 300)):
            writer.append(writer.encode(batch))
            assert all(path.name.endswith(PARTIAL_SUFFIX) for path in tmp_path.iterdir())
        files = [file.name for file in writer.close()]
        assert {path.name for path in tmp_path.iterdir()} == {partial_name(f) for f in files}
        assert len(set(files)) == len(files)
        assert all("-00001-of-00002." in name and name.startswith("trips") for name in files)

    @pytest.mark.parametrize("stage", ["opened", "appended", "closed"])
    def test_abort_removes_the_files(self, layout: str, stage: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        (tmp_path / "other.txt").write_text("not ours")
        writer = self.form.writer(
            LocalStore(tmp_path), ShardName(stem="d", index=0, count=1), schema, options
        )
        if stage != "opened":
            for batch in self.batches(writer, self.table(schema, layout, 300)):
                writer.append(writer.encode(batch))
        if stage == "closed":
            writer.close()
        writer.abort()
        writer.abort()
        assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]

    def test_leftovers_of_a_crash_are_overwritten(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        name = ShardName(stem="data", index=0, count=3)
        writer = self.form.writer(LocalStore(tmp_path), name, schema, options)
        for batch in self.batches(writer, self.table(schema, layout, 900, seed=1)):
            writer.append(writer.encode(batch))
        writer.close()
        again = self.table(schema, layout, 90, nulls=0)
        self.assert_round_trip(tmp_path, again, schema, options)
        assert not list(tmp_path.glob(f"*{PARTIAL_SUFFIX}"))

    def test_same_rows_give_the_same_bytes(self, layout: str, tmp_path: Path) -> None:
        if not self.repeatable_bytes:
            pytest.skip(f"{self.format_name} promises equal values, not equal bytes")
        schema, options = self.schema(layout), self.options(layout)
        table = self.table(schema, layout, 900)
        contents = []
        for chunk_rows in (900, 7, 250):
            folder = tmp_path / str(chunk_rows)
            folder.mkdir()
            files = self.write(folder, cut_chunks(table, chunk_rows), schema, options)
            contents.append({name: (folder / name).read_bytes() for name in files})
        assert contents[0] == contents[1] == contents[2]

    def test_what_lies_beneath_nulls_does_not_matter(self, layout: str, tmp_path: Path) -> None:
        if not self.repeatable_bytes:
            pytest.skip(f"{self.format_name} promises equal values, not equal bytes")
        schema = Schema((Column(name="a", dtype="int32"), Column(name="f", dtype="float32"), LABEL))
        contents = []
        for garbage in (7, 99):
            mask = np.arange(300) % 3 == 0
            table = pa.table(
                {
                    "a": pa.array(np.where(mask, garbage, 5).astype("i4"), mask=mask),
                    "f": pa.array(np.where(mask, garbage, 5).astype("f4"), mask=mask),
                    "label": pa.array(np.zeros(300, "i1")),
                }
            )
            folder = tmp_path / str(garbage)
            folder.mkdir()
            files = self.write(folder, table, schema, self.options(layout))
            contents.append([(folder / name).read_bytes() for name in files])
        assert contents[0] == contents[1]

    # Damage.

    def assert_damaged(
        self, folder: Path, files: Sequence[str], schema: Schema, options: StorageOptions, rows: int
    ) -> None:
        """Counting the rows or reading them says that something is wrong, and nothing else."""
        with pytest.raises(VerificationError) as caught:
            found = self.form.count_rows(LocalStore(folder), files, options)
            for _ in self.form.read(LocalStore(folder), files, schema, options):
                pass
            assert found == rows, "the damage went unnoticed"
        assert caught.value.message

    def each_file(self, folder: Path, files: Sequence[str]) -> Iterator[Path]:
        """Each file of the shard, which may be damaged until the next is asked for."""
        for name in files:
            content = (folder / name).read_bytes()
            yield folder / name
            (folder / name).write_bytes(content)

    @pytest.mark.parametrize("damage", ["missing", "empty", "half", "last byte"])
    def test_truncation_is_found(self, layout: str, damage: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        files = self.write(tmp_path, self.table(schema, layout, 300), schema, options)
        for path in self.each_file(tmp_path, files):
            n_bytes = path.stat().st_size
            if damage == "missing":
                path.unlink()
            else:
                keep = {"empty": 0, "half": n_bytes // 2, "last byte": n_bytes - 1}[damage]
                with open(path, "r+b") as file:
                    file.truncate(keep)
            self.assert_damaged(tmp_path, files, schema, options, 300)

    def test_flipped_bytes_are_found(self, layout: str, tmp_path: Path) -> None:
        if not self.has_checksums:
            pytest.skip(f"{self.format_name} has no checksums of its own")
        schema, options = self.schema(layout), self.options(layout)
        files = self.write(tmp_path, self.table(schema, layout, 300), schema, options)
        random = np.random.default_rng(0)
        for path in self.each_file(tmp_path, files):
            content = path.read_bytes()
            for place in random.integers(len(content), size=40):
                damaged = bytearray(content)
                damaged[place] ^= 0xFF
                path.write_bytes(damaged)
                self.assert_damaged(tmp_path, files, schema, options, 300)

    def test_flipped_bytes_raise_nothing_but_verification_errors(
        self, layout: str, tmp_path: Path
    ) -> None:
        schema, options = self.schema(layout), self.options(layout)
        files = self.write(tmp_path, self.table(schema, layout, 300), schema, options)
        random = np.random.default_rng(1)
        n_found = 0
        for path in self.each_file(tmp_path, files):
            content = path.read_bytes()
            for place in random.integers(len(content), size=max(2, 60 // len(files))):
                damaged = bytearray(content)
                damaged[place] ^= 1 << int(random.integers(8))
                path.write_bytes(damaged)
                for look in (
                    lambda: self.form.count_rows(LocalStore(tmp_path), files, options),
                    lambda: list(self.form.read(LocalStore(tmp_path), files, schema, options)),
                ):
                    try:
                        look()
                    except VerificationError:
                        n_found += 1
        assert n_found > 0
