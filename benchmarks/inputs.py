"""Inputs of the benchmarks: generated once, kept in `.bench/` of the working folder."""

from __future__ import annotations

import os
from pathlib import Path

from bigdata_cli.resources.sizes import format_size
from bigdata_cli.sample import SampleOptions, rows_of_size, write_sample

BENCH_FOLDER = Path(".bench")


def sample_file(kind: str, n_bytes: int, *, folder: Path = BENCH_FOLDER) -> Path:
    """A generated file of about `n_bytes`; it is made where it is not there already."""
    folder.mkdir(parents=True, exist_ok=True)
    extension = "txt" if kind == "log" else "csv"
    size = format_size(n_bytes).replace(" ", "")
    path = folder / f"{kind}-{size}.{extension}"
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as stream:
            write_sample(SampleOptions(kind=kind, n_rows=rows_of_size(kind, n_bytes)), stream)
        os.replace(partial, path)
    return path
