"""Google Cloud Storage: sources and datasets, on a stand-in of it on this machine.

It knows no conditions of a put, so that who wins of two writers is not shown here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigdata_cli import convert, open_dataset, verify

# Read when it is imported: else it asks by gRPC first, which the stand-in does not know.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
gcsfs = pytest.importorskip("gcsfs")
server = pytest.importorskip("gcp_storage_emulator.server")

N_ROWS = 5_000


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = server.create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    running.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    gcsfs.GCSFileSystem.clear_instance_cache()
    yield "gs://bucket"
    gcsfs.GCSFileSystem.clear_instance_cache()
    running.stop()


def test_sources_and_datasets(bucket: str, tmp_path: Path) -> None:
    rows = "id,x\n" + "".join(f"{i},{i / 8}\n" for i in range(N_ROWS))
    files = gcsfs.GCSFileSystem(token="anon")
    for name in ("a", "b"):
        files.pipe(f"bucket/in/{name}.csv", rows.encode())
        (tmp_path / f"{name}.csv").write_text(rows)
    source, out = f"{bucket}/in/*.csv", f"{bucket}/out"
    assert convert(source, to="parquet", output=out, shards=3).rows == 2 * N_ROWS
    convert(str(tmp_path / "*.csv"), to="parquet", output=tmp_path / "here", shards=3)
    there, here = open_dataset(out), open_dataset(tmp_path / "here")
    assert next(there.read()).equals(next(here.read()))
    report = verify(out, source=source)
    assert report.passed
    assert report.compared_rows == 2 * N_ROWS
