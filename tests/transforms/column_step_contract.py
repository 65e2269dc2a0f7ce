"""What every step on a column does: equal to pandas, the same whatever the cut, and verifiable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import UsageError
from bigdata_cli.options import request_of
from bigdata_cli.transforms.options import ShapeOptions

N = 1_000


def frame() -> pd.DataFrame:
    i = np.arange(N)
    return pd.DataFrame(
        {
            "age": [None if n % 9 == 0 else float(n * 7 % 83) for n in i],
            "amount": [None if n % 11 == 0 else n * 37 % 997 + 0.1 for n in i],
            "city": [None if n % 13 == 0 else ("Paris", "Rome", "Oslo")[n * n % 3] for n in i],
        }
    )


class ColumnStepContract:
    """Subclasses say the options of a step, and what pandas makes of the frame."""

    options: dict[str, Any]
    unknown: dict[str, Any]
    """The same options of a column that is not there."""

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        raise NotImplementedError

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "rows.csv"
        rows = frame()
        rows["age"] = rows["age"].astype("Int64")
        rows.to_csv(path, index=False)
        return path

    def test_its_values_are_those_of_pandas(self, source: Path, tmp_path: Path) -> None:
        convert(source, to="parquet", output=tmp_path / "out", **self.options)
        got = pd.read_parquet(sorted((tmp_path / "out").glob("[!_]*.parquet")))
        wanted = self.expected(frame())
        assert list(got.columns) == list(wanted.columns)
        for name in wanted.columns:
            if wanted[name].dtype.kind in "iuf":
                np.testing.assert_allclose(
                    got[name].astype("float64"), wanted[name].astype("float64"), rtol=1e-6
                )
            else:
                values = [None if pd.isna(v) else v for v in got[name].tolist()]
                assert values == [None if pd.isna(v) else v for v in wanted[name].tolist()]

    def test_the_same_bytes_whatever_the_jobs_and_units(self, source: Path, tmp_path: Path) -> None:
        digests = []
        for jobs, unit_bytes in ((1, 1 << 20), (2, 777)):
            options = ConvertOptions(
                to="arrow",
                output=tmp_path / f"out{jobs}",
                shards=2,
                jobs=jobs,
                shape=request_of(ShapeOptions, self.options),
            )
            manifest = run([source], options, unit_bytes=unit_bytes).manifest
            digests.append([file.checksum for shard in manifest.shards for file in shard.files])
        assert digests[0] == digests[1]

    def test_it_verifies_against_its_source(self, source: Path, tmp_path: Path) -> None:
        convert(source, to="parquet", output=tmp_path / "out", **self.options)
        assert verify(tmp_path / "out", source=source).findings == ()
        assert len(open_dataset(tmp_path / "out").manifest.transforms) > 1

    def test_a_column_that_is_not_there_is_an_error_before_any_work(
        self, source: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError, match="there is no column"):
            convert(source, to="parquet", output=tmp_path / "out", **self.unknown)
        assert not (tmp_path / "out").exists()
