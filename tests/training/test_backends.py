"""Which backend and which devices are taken, and what is said where they cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import train
from bigdata_cli.errors import MissingDependencyError, UsageError
from bigdata_cli.training.backends import registry
from bigdata_cli.training.backends.base import Worker
from bigdata_cli.training.backends.registry import choose_backend
from bigdata_cli.training.backends.torch import _worker
from bigdata_cli.training.device_options import DeviceOptions
from bigdata_cli.training.throughput import Throughput, which_bound
from tests.datasets import write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = np.arange(300)
    table = pa.table({"x": x, "y": (x % 2).astype(np.int8)})
    return write_dataset(tmp_path_factory.mktemp("d") / "d", table, label="y", n_shards=2)


def refused(folder: Path, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        train(folder, epochs=1, **options)
    return caught.value


class TestChoice:
    def test_keras_decides_where_it_runs(self, folder: Path) -> None:
        train(folder, epochs=1)
        assert choose_backend(None) == "tensorflow"
        error = refused(folder, backend="jax")
        assert "Keras runs on tensorflow in this process" in error.message
        assert error.hint == 'backend="tensorflow", or jax in a process of its own'

    def test_the_first_that_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        for there in (("tensorflow", "torch", "jax"), ("torch", "jax"), ("jax",)):
            monkeypatch.setattr(registry, "is_installed", ("keras", *there).__contains__)
            assert choose_backend(None) == there[0]
        monkeypatch.setattr(registry, "is_installed", lambda name: False)
        with pytest.raises(MissingDependencyError, match="needs Keras with TensorFlow, PyTorch"):
            choose_backend(None)

    def test_the_environment_decides_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.setenv("KERAS_BACKEND", "jax")
        assert choose_backend(None) == "jax"
        assert choose_backend("torch") == "torch"

    def test_names_the_extra(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, extra in (("jax", "jax"), ("torch", "torch"), ("tensorflow", "train")):
            monkeypatch.setitem(sys.modules, name, None)
            with pytest.raises(MissingDependencyError, match=f"needs {name}") as caught:
                train(folder, backend=name)
            assert caught.value.hint == f"pip install 'bigdata-shards[{extra}]'"

    def test_another_name(self, folder: Path) -> None:
        assert refused(folder, backend="tensorlow").hint == 'backend="tensorflow"'
        assert refused(folder, strategy="mirored").hint == 'strategy="mirrored"'


class TestDevices:
    def test_a_gpu_that_is_not_there(self, folder: Path) -> None:
        error = refused(folder, require_gpu=True)
        assert error.message == "require_gpu=True: tensorflow sees no GPU, only CPU:0"

    def test_more_devices_than_tensorflow_was_begun_with(self, folder: Path) -> None:
        train(folder, epochs=1)
        assert "in use in this process" in refused(folder, devices=64).message

    def test_one_device_is_not_several(self, folder: Path) -> None:
        assert refused(folder, strategy="none", devices=2).hint == 'strategy="mirrored"'

    def test_batches_smaller_than_the_devices(self, folder: Path, monkeypatch: Any) -> None:
        from bigdata_cli.training.backends.tensorflow import TensorflowBackend

        monkeypatch.setattr(TensorflowBackend, "trainer", None)
        original = TensorflowBackend.__init__

        def with_three(self: TensorflowBackend, options: DeviceOptions) -> None:
            original(self, options)
            self.replicas = 3

        monkeypatch.setattr(TensorflowBackend, "__init__", with_three)
        assert "cannot be split over 3 devices" in refused(folder, batch_size=2).message

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            (None, "needs TF_CONFIG"),
            ("{", "is not the description of a cluster"),
            ("[]", "is not the description of a cluster"),
            ('{"cluster": {"worker": ["a:1"]}}', "it has no 'task'"),
            (
                '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
                "there is no worker 1",
            ),
            (
                '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
                "it names no worker",
            ),
        ],
    )
    def test_tf_config(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, message: str
    ) -> None:
        if config is None:
            monkeypatch.delenv("TF_CONFIG", raising=False)
        else:
            monkeypatch.setenv("TF_CONFIG", config)
        error = refused(folder, strategy="multiworker")
        assert message in error.message
        assert "TF_CONFIG=" in str(error.hint)

    def test_devices_of_workers(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = {"worker": ["a:1", "b:1"]}
        task = {"type": "worker", "index": 0}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        assert "is for one process" in refused(folder, devices=2).message


class TestTorchWorkers:
    def test_ranks_are_those_of_torchrun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        assert _worker(DeviceOptions()) == Worker(0, 1)
        with pytest.raises(UsageError, match="that torchrun starts"):
            _worker(DeviceOptions(strategy="multiworker"))
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "3")
        assert _worker(DeviceOptions()) == Worker(1, 3)
        assert _worker(DeviceOptions(strategy="none")) == Worker(0, 1)
        monkeypatch.setenv("RANK", "one")
        with pytest.raises(UsageError, match="numbers that torchrun sets"):
            _worker(DeviceOptions())

    @pytest.mark.parametrize("options", [{"strategy": "mirrored"}, {"devices": 2}])
    def test_devices_are_processes(self, options: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="each device has a process") as caught:
            _worker(DeviceOptions(**options))
        assert str(caught.value.hint).startswith("torchrun --nproc-per-node")


class TestPace:
    @pytest.mark.parametrize(
        ("step", "repeated", "waited", "bound"),
        [
            (3e-3, 1e-3, 0.6, "input"),
            (1.05e-3, 1e-3, 0.01, "compute"),
            (0.9e-3, 1e-3, 0.0, "compute"),
            (1.5e-3, 1e-3, 0.1, "balanced"),
        ],
    )
    def test_what_bounds(self, step: float, repeated: float, waited: float, bound: str) -> None:
        assert which_bound(step, repeated, waited) == bound

    def test_a_slow_reader_is_found_out(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import time

        from bigdata_cli.loaders.read import PieceReader
        from bigdata_cli.training import stream

        def slow(self: Any, pieces: Any, n_threads: int) -> Any:
            for found in original(self, pieces, n_threads):
                time.sleep(0.06)
                yield found

        original = PieceReader.read
        monkeypatch.setattr(PieceReader, "read", slow)
        monkeypatch.setattr(stream, "WINDOW_BATCHES", 1)
        pace = train(folder, epochs=3, batch_size=32).pace
        assert pace.bound == "input"
        assert pace.waited_share > 0.5
        assert "input-bound" in pace.sentence()

    def test_measuring_leaves_the_model_alone(self, folder: Path, tmp_path: Path) -> None:
        """A model that is trained again with what was saved before is the same: see resume."""
        report = train(folder, epochs=2, batch_size=32, save=tmp_path / "m.keras")
        from bigdata_cli.training.saved import load_model

        assert (
            int(load_model(tmp_path / "m.keras").keras_model.optimizer.iterations) == report.steps
        )

    def test_too_few_rows_to_measure(self, folder: Path) -> None:
        pace = train(folder, epochs=2, batch_size=4096).pace
        assert pace.bound is None
        assert pace.sentence().startswith("not measured")
        assert (
            Throughput(
                step_seconds=0.0, repeated_step_seconds=1.0, waited_share=0.0, bound=None
            ).streaming_share
            == 0.0
        )
