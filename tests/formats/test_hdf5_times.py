"""An HDF5 file has no times in it: the same rows give the same bytes, whenever they are written."""

from __future__ import annotations

import time
from pathlib import Path

import h5py

from bigdata_cli import convert


def test_the_same_bytes_in_another_second(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("b,a,t\n1,2.5,x\n3,4.5,y\n")
    files = []
    for name in ("first", "second"):
        convert(tmp_path / "a.csv", to="hdf5", output=tmp_path / name)
        (path,) = (tmp_path / name).glob("*.h5")
        files.append(path)
        time.sleep(1.1)  # times in HDF5 are whole seconds
    assert files[0].read_bytes() == files[1].read_bytes()
    with h5py.File(files[0]) as file:
        assert list(file) == ["b", "a", "t"]
