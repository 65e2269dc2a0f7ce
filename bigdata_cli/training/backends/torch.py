"""Training on PyTorch: one device, or DistributedDataParallel in processes that torchrun starts."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Target
from bigdata_cli.training.backends.base import Backend, Trainer, Worker
from bigdata_cli.training.backends.registry import import_framework, import_keras
from bigdata_cli.training.device_options import DeviceOptions
from bigdata_cli.training.model import network_row_losses, penalty_of

_TORCHRUN = "torchrun --nproc-per-node 2 -m bigdata_cli train … --backend torch"


class TorchBackend(Backend):
    """PyTorch, in one process or in one of those that torchrun started."""

    name = "torch"

    def __init__(self, options: DeviceOptions) -> None:
        self._torch = torch = import_framework(self.name)
        self._keras = import_keras(self.name)
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        options.check_gpu(self.name, n_gpus, ("CPU",))
        self.worker = _worker(options)
        self.strategy = "multiworker" if self.worker.count > 1 else "none"
        self.replicas = self.worker.count
        self.lost_worker_errors = (RuntimeError,)
        self._device = torch.device("cpu")
        if n_gpus:
            local = int(os.environ.get("LOCAL_RANK", "0")) if self.worker.count > 1 else 0
            if local >= n_gpus:
                raise UsageError(
                    f"torchrun started process {local} here, and there are {n_gpus} GPUs",
                    hint=f"torchrun --nproc-per-node {n_gpus}",
                )
            self._device = torch.device("cuda", local)
            torch.cuda.set_device(self._device)
        if self.worker.count > 1:
            _join(torch, "nccl" if n_gpus else "gloo")

    def scope(self) -> AbstractContextManager[Any]:
        if self._device.type == "cpu":
            return nullcontext()
        return self._keras.device(f"{self._device.type}:{self._device.index}")

    def trainer(self, network: Any, target: Target) -> TorchTrainer:
        return TorchTrainer(self._torch, network, target, self._device, self.worker)

    def _gather(self, array: np.ndarray) -> np.ndarray:
        torch = self._torch
        mine = torch.from_numpy(array).to(self._device)
        parts = [torch.empty_like(mine) for _ in range(self.worker.count)]
        torch.distributed.all_gather(parts, mine)
        return torch.stack(parts).cpu().numpy()

    def devices(self) -> tuple[str, ...]:
        of = f" of {self.worker.count} processes" if self.worker.count > 1 else ""
        if self._device.type == "cpu":
            return (f"CPU ({self._torch.get_num_threads()} threads){of}",)
        model = self._torch.cuda.get_device_name(self._device)
        return (f"GPU:{self._device.index} ({model}){of}",)

    def close(self) -> None:
        if self.worker.count > 1 and self._torch.distributed.is_initialized():
            self._torch.distributed.destroy_process_group()


class TorchTrainer(Trainer):
    """Steps of a Keras model as the module that it is."""

    def __init__(
        self, torch: Any, network: Any, target: Target, device: Any, worker: Worker
    ) -> None:
        super().__init__(network, target)
        self._torch = torch
        self._device = device
        self._n_workers = worker.count
        self._module = network
        if worker.count > 1:
            self._module = torch.nn.parallel.DistributedDataParallel(network)

    def _inputs(self, examples: Examples) -> list[Any]:
        return [self._tensor(array) for array in self._arrays(examples)]

    def _tensor(self, array: np.ndarray) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def step(self, examples: Examples, weights: np.ndarray, total_rows: int) -> Any:
        self.network.zero_grad()
        logits = self._module(self._inputs(examples), training=True)
        losses = network_row_losses(self._target.task, logits, self._tensor(examples.y))
        loss = (losses * self._tensor(weights)).sum() / total_rows
        learned = loss + penalty_of(self.network, self._n_workers)
        # DistributedDataParallel takes the mean over the workers; the loss is a sum over them.
        (learned * self._n_workers).backward()
        variables = self.network.trainable_variables
        with self._torch.no_grad():
            self.network.optimizer.apply([v.value.grad for v in variables], variables)
        return loss.detach()

    def losses(self, pending: list[Any]) -> np.ndarray:
        if not pending:
            return np.empty(0)
        return self._torch.stack(pending).cpu().numpy().astype(np.float64)

    def _apply_block(self, examples: Examples) -> np.ndarray:
        with self._torch.no_grad():
            return self.network(self._inputs(examples), training=False).cpu().numpy()

    def snapshot(self) -> list[Any]:
        return [variable.value.detach().clone() for variable in self._variables()]

    def restore(self, snapshot: list[Any]) -> None:
        with self._torch.no_grad():
            for variable, value in zip(self._variables(), snapshot, strict=True):
                variable.value.copy_(value)


def _worker(options: DeviceOptions) -> Worker:
    """Return this process among those of torchrun; raise UsageError for another strategy."""
    try:
        rank, count = (int(os.environ.get(name, d)) for name, d in (("RANK", 0), ("WORLD_SIZE", 1)))
    except ValueError as error:
        raise UsageError(f"RANK and WORLD_SIZE are numbers that torchrun sets: {error}") from error
    if options.strategy == "mirrored" or (options.devices or 1) > 1:
        what = f"--devices {options.devices}" if options.devices else "--strategy mirrored"
        raise UsageError(
            f"{what} is TensorFlow's: on torch each device has a process", hint=_TORCHRUN
        )
    if options.strategy == "multiworker" and "WORLD_SIZE" not in os.environ:
        raise UsageError(
            "--strategy multiworker on torch needs the processes that torchrun starts",
            hint=_TORCHRUN,
        )
    return Worker() if options.strategy == "none" else Worker(rank, count)


def _join(torch: Any, transport: str) -> None:
    """Join the process group."""
    if torch.distributed.is_initialized():
        return
    try:
        torch.distributed.init_process_group(transport)
    except (ValueError, RuntimeError) as error:
        raise UsageError(
            f"the processes cannot be joined: {str(error).splitlines()[0]}", hint=_TORCHRUN
        ) from error
