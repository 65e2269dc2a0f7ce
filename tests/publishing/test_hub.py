"""Datasets pushed to a hub on this machine, and loaded from there as others load them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigdata_cli import convert, open_dataset
from tests.publishing.hub_server import HubServer

pytest.importorskip("huggingface_hub")

ADDRESS = "hf://datasets/me/trips"
N_ROWS = 3_000


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer().running() as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "trips.csv"
    rows = (
        f"{i},{i / 8},kind {i % 3},2026-01-{i % 28 + 1:02},{i % 2 == 0}\n" for i in range(N_ROWS)
    )
    path.write_text("id,fare,kind,day,paid\n" + "".join(rows))
    return path


@pytest.fixture
def dataset(source: Path, tmp_path: Path) -> Path:
    convert(source, to="parquet", output=tmp_path / "trips", split={"train": 0.8, "test": 0.2})
    return tmp_path / "trips"


def bigdata(hub: HubServer, tmp_path: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return python(hub, tmp_path, "from bigdata_cli.cli import main; main()", *words)


def python(
    hub: HubServer, tmp_path: Path, code: str, *words: object
) -> subprocess.CompletedProcess[str]:
    """Run a program that reads where the hub is when it begins."""
    environment = {**os.environ, **hub.environment(), "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_what_is_pushed_is_loaded(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    done = bigdata(hub, tmp_path, "push", dataset, ADDRESS, "--license", "cc-by-4.0")
    assert done.returncode == 0, done.stderr
    assert "Pushed" in done.stdout
    repository = hub.repositories["me/trips"]
    assert set(repository.files) == {path.name for path in dataset.iterdir()} | {"README.md"}
    assert repository.n_commits == 1
    card = repository.files["README.md"].decode()
    for words in ("license: cc-by-4.0", "| train |", "| fare | float32 |", "| trips.csv |"):
        assert words in card
    code = f"""
from bigdata_cli import open_dataset
dataset = open_dataset({ADDRESS!r})
print(dataset.rows, sum(len(b["id"]) for b in dataset["test"].batches(100)))
"""
    read = python(hub, tmp_path, code)
    n_test = open_dataset(dataset)["test"].rows
    assert read.stdout.split() == [str(N_ROWS), str(n_test)], read.stderr


def test_load_dataset_understands_it(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    assert bigdata(hub, tmp_path, "push", dataset, ADDRESS).returncode == 0
    code = """
import json
from datasets import load_dataset
found = load_dataset("me/trips")
rows = {name: split.num_rows for name, split in found.items()}
features = {name: str(feature.dtype) for name, feature in found["train"].features.items()}
first = found["train"][0]
print(json.dumps({"rows": rows, "features": features, "kind": first["kind"], "id": first["id"]}))
"""
    done = python(hub, tmp_path, code)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    here = open_dataset(dataset)
    assert found["rows"] == {name: here[name].rows for name in ("train", "test")}
    assert found["features"] == {
        "id": "int16",
        "fare": "float32",
        "kind": "string",
        "day": "date32",
        "paid": "bool",
    }
    first = next(here["train"].read()).slice(0, 1).to_pylist()[0]
    assert (found["id"], found["kind"]) == (first["id"], first["kind"])


def test_what_is_there_is_not_sent_again(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    assert bigdata(hub, tmp_path, "push", dataset, ADDRESS).returncode == 0
    n_sent = len(hub.sent)
    assert n_sent == len(list(dataset.glob("*.parquet")))
    assert bigdata(hub, tmp_path, "push", dataset, ADDRESS).returncode == 0
    assert len(hub.sent) == n_sent


def test_another_dataset_takes_the_place(
    hub: HubServer, source: Path, dataset: Path, tmp_path: Path
) -> None:
    """Its files go, and all that is not of a dataset stays: other files, the text of the card."""
    assert bigdata(hub, tmp_path, "push", dataset, ADDRESS).returncode == 0
    repository = hub.repositories["me/trips"]
    repository.files["notes.txt"] = b"mine"
    card = repository.files["README.md"].decode()
    repository.files["README.md"] = card.replace("# trips", "# My trips\n\nBy me.").encode()
    other = tmp_path / "other"
    convert(source, to="parquet", output=other, shards=3)
    assert bigdata(hub, tmp_path, "push", other, ADDRESS).returncode == 0
    names = {path.name for path in other.iterdir()} | {"README.md", "notes.txt"}
    assert set(repository.files) == names
    card = repository.files["README.md"].decode()
    assert "# My trips\n\nBy me." in card
    assert "| train |" not in card


def test_somebody_else_commits_meanwhile(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    def commit(repository) -> None:
        repository.n_commits += 1

    hub.before_commit = commit
    done = bigdata(hub, tmp_path, "push", dataset, ADDRESS)
    assert done.returncode == 2
    assert "somebody else has changed it meanwhile" in done.stderr


def test_who_may_not_write_is_told(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    address = hub.environment
    hub.environment = lambda: {**address(), "HF_TOKEN": "hf_wrong"}  # type: ignore[method-assign]
    done = bigdata(hub, tmp_path, "push", dataset, ADDRESS)
    assert done.returncode == 2
    assert "the hub does not allow it (401)" in done.stderr
    assert "hf_wrong" not in done.stderr + done.stdout


def test_a_dry_run_and_a_private_repository(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    done = bigdata(hub, tmp_path, "push", dataset, ADDRESS, "--dry-run")
    assert "README.md" in done.stdout
    assert hub.requests == []
    assert bigdata(hub, tmp_path, "push", dataset, ADDRESS, "--private").returncode == 0
    assert hub.repositories["me/trips"].private
