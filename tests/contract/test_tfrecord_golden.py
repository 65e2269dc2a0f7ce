"""The bytes of TFRecord shards, and their rows read back, of generated tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.formats.tfrecord.format import TfrecordFormat
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.native.loading import usable_levels
from bigdata_cli.types.dtype import Kind, Schema
from tests.contract.example_tables import assert_same_rows
from tests.contract.tfrecord_tables import LAYOUTS, SEEDS, case, checksum, encoded

GOLDEN = json.loads(Path(__file__).with_name("tfrecord_golden.json").read_text())
"""Of files that the writer before this one made; real TensorFlow reads them."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_are_what_they_were(layout: str) -> None:
    assert [checksum(seed, layout) for seed in SEEDS] == GOLDEN[layout]


@pytest.mark.parametrize("forced", usable_levels()[:-1])
def test_every_instruction_set_gives_the_same_bytes(forced: str) -> None:
    command = [sys.executable, "-m", "tests.contract.tfrecord_tables"]
    environment = {**os.environ, "BIGDATA_SIMD": forced}
    found = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    assert json.loads(found) == GOLDEN


def stored(table: pa.Table, schema: Schema, layout: str) -> pa.Table:
    """The table as it comes back: floats of float32, nulls of packed floats NaN and back."""
    for k, column in enumerate(schema):
        array = table.column(k).combine_chunks()
        if column.kind is Kind.FLOAT:
            valid = np.asarray(array.is_valid())
            with np.errstate(over="ignore"):
                values = array.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float32)
            if layout == "packed":
                valid = valid & ~np.isnan(values)
            array = pa.array(values.astype(column.dtype), mask=~valid, from_pandas=False)
        table = table.set_column(k, column.name, array)
    return table


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_come_back(layout: str, tmp_path: Path) -> None:
    form = TfrecordFormat()
    for seed in SEEDS:
        table, schema, options = case(seed, layout)
        (tmp_path / "d.tfrecord").write_bytes(encoded(table, schema, options))
        assert form.count_rows(LocalStore(tmp_path), ["d.tfrecord"], options) == table.num_rows
        batches = list(form.read(LocalStore(tmp_path), ["d.tfrecord"], schema, options))
        if table.num_rows:
            assert_same_rows(pa.Table.from_batches(batches), stored(table, schema, layout))
        else:
            assert not batches
        some = [name for k, name in enumerate(schema.names) if k % 3 == seed % 3][::-1]
        if table.num_rows and some:
            batches = list(
                form.read(LocalStore(tmp_path), ["d.tfrecord"], schema, options, columns=some)
            )
            expected = stored(table, schema, layout).select(some)
            assert_same_rows(pa.Table.from_batches(batches), expected)


def test_a_table_of_other_arrow_types_is_cast() -> None:
    table, schema, options = case(7, "rows")
    plain = table.cast(
        pa.schema(
            (field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
            for field in table.schema
        )
    )
    assert encoded(plain, schema, options) == encoded(table, schema, options)
