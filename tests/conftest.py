"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import TIMES, n_examples

# TensorFlow reads these when it is imported: no banner, and no GPU memory taken for tiny models.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Threads of LightGBM, XGBoost and torch that wait sleep, as several tests share the processors.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Compiled kernels make the first example slow; the same examples each time make failures repeat.
settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow],
    max_examples=n_examples(100) if TIMES < 1 else 100,
)  # fmt: skip
settings.load_profile("project")

ROOT = Path(__file__).resolve().parent.parent


LONG = (
    "tests/docs/test_pages.py", "tests/reliability/test_crash_matrix.py",
    "tests/training/test_strategies.py", "tests/loaders/test_loaders.py",
    "tests/conversion/test_streams.py", "tests/remote/test_datasets.py",
    "tests/remote/test_faults.py", "tests/formats/test_parquet_pages.py",
    "tests/loaders/test_torch.py", "tests/conversion/test_memory_limit.py",
    "tests/golden/test_golden.py", "tests/remote/test_object_store.py",
    "tests/inspection/test_planner.py", "tests/loaders/test_torch_workers.py",
    "tests/docs/test_notebook.py", "tests/benchmarks/test_speed.py",
    "tests/benchmarks/test_fraud.py", "tests/transforms/test_selections.py",
)  # fmt: skip
"""The files that take longest, in that order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: a worker takes the next file, and at the end all end at about once."""
    rank = {ROOT / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(LONG)))


@pytest.fixture
def no_privileges() -> Iterator[None]:
    """Lets permissions count for root too: the test runs as nobody."""
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(65534)
    yield
    if as_root:
        os.seteuid(0)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the sample files."""
    return ROOT / "sample_data"
