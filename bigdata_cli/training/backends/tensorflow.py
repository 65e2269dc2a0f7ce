"""Training on TensorFlow: one device, MirroredStrategy, or MultiWorkerMirroredStrategy.

`Model.fit` is not used: it refuses batches that do not divide by the replicas, and does not work
under MultiWorkerMirroredStrategy. Each replica takes its part of the batch in `strategy.run`, with
a loss over the rows of all; Keras' optimizer adds the gradients up over the replicas.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Target
from bigdata_cli.loaders.tensorflow import import_tensorflow
from bigdata_cli.training.backends.base import Backend, Trainer, Worker
from bigdata_cli.training.backends.registry import import_keras
from bigdata_cli.training.device_options import DeviceOptions
from bigdata_cli.training.model import network_row_losses, penalty_of

_TF_CONFIG_HINT = (
    'TF_CONFIG=\'{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}\''
)


class TensorflowBackend(Backend):
    """TensorFlow with the devices and workers of a strategy."""

    name = "tensorflow"

    def __init__(self, options: DeviceOptions) -> None:
        self._tf = tf = import_tensorflow(purpose="bigdata train")
        import_keras(self.name)
        gpus = tf.config.list_physical_devices("GPU")
        options.check_gpu(self.name, len(gpus), _physical_devices(tf))
        cluster = _cluster(os.environ.get("TF_CONFIG"))
        self.strategy = _strategy_name(options, cluster, len(gpus))
        self.lost_worker_errors = (tf.errors.OpError, RuntimeError)
        self._distribution = None
        if self.strategy == "mirrored":
            names = _logical_devices(tf, options.devices, n_gpus=len(gpus))
            self._distribution = tf.distribute.MirroredStrategy(names)
        elif self.strategy == "multiworker":
            self._distribution = _multiworker(tf, cluster)
        if self._distribution is not None:
            self.replicas = self._distribution.num_replicas_in_sync
            if self.strategy == "multiworker":
                resolver = self._distribution.cluster_resolver
                count = len(cluster)
                self.worker = Worker(_rank(resolver, cluster), count)

    def scope(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._distribution is None else self._distribution.scope()

    def trainer(self, network: Any, target: Target) -> TensorflowTrainer:
        return TensorflowTrainer(self._tf, network, target, self._distribution)

    def _gather(self, array: np.ndarray) -> np.ndarray:
        strategy, tf = self._distribution, self._tf
        assert strategy is not None
        # The sum over workers of arrays that are zero except in the worker's own place.
        mine = np.zeros((self.worker.count, *array.shape))
        mine[self.worker.rank] = array
        first = self.replicas // self.worker.count * self.worker.rank

        def value(context: Any) -> Any:
            own = context.replica_id_in_sync_group == first
            return tf.constant(mine if own else np.zeros_like(mine))

        parts = strategy.experimental_distribute_values_from_function(value)
        return strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None).numpy()

    def devices(self) -> tuple[str, ...]:
        tf, strategy = self._tf, self._distribution
        if strategy is None:
            gpus = [name for name in _physical_devices(tf) if name.startswith("GPU")]
            return tuple(gpus[:1]) or _physical_devices(tf)
        own = strategy.extended.worker_devices
        named = tuple(name.rpartition("device:")[2] for name in own)
        if self.worker.count == 1:
            return named
        return tuple(f"{name} of {self.worker.count} workers" for name in named)


class TensorflowTrainer(Trainer):
    """The steps as one graph for batches of any size."""

    def __init__(self, tf: Any, network: Any, target: Target, distribution: Any) -> None:
        super().__init__(network, target)
        self._tf = tf
        self._distribution = distribution
        self._n_replicas = 1 if distribution is None else distribution.num_replicas_in_sync
        inputs = [tf.TensorSpec((None, one.shape[1]), one.dtype) for one in network.inputs]
        signature = (inputs, *(tf.TensorSpec((None,), "float32") for _ in range(2)))
        total = tf.TensorSpec((), "float32")
        if distribution is None:
            graph = tf.function(self._take_step, input_signature=(*signature, total))
            self._step = graph.get_concrete_function()
        else:
            self._step = tf.function(self._take_steps, reduce_retracing=True)
        self._apply = tf.function(
            lambda used: network(used, training=False), input_signature=(inputs,)
        )

    def _inputs(self, examples: Examples) -> list[Any]:
        return [self._tf.convert_to_tensor(array) for array in self._arrays(examples)]

    def _take_step(self, inputs: Any, y: Any, weights: Any, total_rows: Any) -> Any:
        """Learn, and return the replica's part of the loss."""
        variables = self.network.trainable_variables
        with self._tf.GradientTape() as tape:
            logits = self.network(inputs, training=True)
            losses = network_row_losses(self._target.task, logits, y)
            loss = self._tf.reduce_sum(losses * weights) / total_rows
            learned = loss + penalty_of(self.network, self._n_replicas)
        # Gradients of embeddings are lists of rows, which Adam would square before adding them.
        gradients = [self._tf.convert_to_tensor(g) for g in tape.gradient(learned, variables)]
        # In a replica, apply sums the gradients of all replicas.
        self.network.optimizer.apply(gradients, variables)
        return loss

    def _take_steps(self, inputs: Any, y: Any, weights: Any, total_rows: Any) -> Any:
        """Learn in every replica, and return this worker's part of the loss."""
        parts = self._distribution.run(self._take_step, args=(inputs, y, weights, total_rows))
        return self._tf.add_n(self._distribution.experimental_local_results(parts))

    def step(self, examples: Examples, weights: np.ndarray, total_rows: int) -> Any:
        convert = self._tf.convert_to_tensor
        total = convert(np.float32(total_rows))
        if self._distribution is None:
            inputs = self._inputs(examples)
            return self._step(inputs, convert(examples.y), convert(weights), total)
        n_replicas = len(self._distribution.extended.worker_devices)
        ends = np.linspace(0, len(examples), n_replicas + 1).astype(int)
        cuts = [slice(start, stop) for start, stop in pairwise(ends)]

        def of_replica(values: Any) -> Any:
            """Give each replica its part of rows."""
            return self._distribution.experimental_distribute_values_from_function(
                lambda context: convert(
                    values[cuts[int(context.replica_id_in_sync_group) % n_replicas]]
                )
            )

        inputs = [of_replica(array) for array in self._arrays(examples)]
        return self._step(inputs, of_replica(examples.y), of_replica(weights), total)

    def _apply_block(self, examples: Examples) -> np.ndarray:
        return self._apply(self._inputs(examples)).numpy()

    def snapshot(self) -> list[np.ndarray]:
        return [np.array(variable) for variable in self._variables()]

    def restore(self, snapshot: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables(), snapshot, strict=True):
            variable.assign(value)


def _physical_devices(tf: Any) -> tuple[str, ...]:
    """Return the names of the processors and GPUs, with their models where these are known."""
    devices = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device)
        name = device.name.removeprefix("/physical_device:")
        model = details.get("device_name")
        devices.append(f"{name} ({model})" if model else name)
    return tuple(devices)


def _strategy_name(options: DeviceOptions, cluster: tuple[str, ...], n_gpus: int) -> str:
    """Return the strategy to use; raise UsageError where it cannot be."""
    if options.strategy == "multiworker" and not cluster:
        raise UsageError(
            "--strategy multiworker needs TF_CONFIG in the environment, with the addresses of all "
            "workers",
            hint=_TF_CONFIG_HINT,
        )
    is_auto = options.strategy == "auto"
    if options.strategy == "multiworker" or (is_auto and len(cluster) > 1):
        if options.devices is not None:
            raise UsageError(
                f"--devices {options.devices} is for one process, and TF_CONFIG names "
                f"{len(cluster)}, each of which uses all of its devices",
                hint="without --devices",
            )
        return "multiworker"
    if not is_auto:
        return options.strategy
    return "mirrored" if (options.devices or n_gpus) > 1 else "none"


def _cluster(text: str | None) -> tuple[str, ...]:
    """Return the addresses of the workers in TF_CONFIG; raise UsageError where it is wrong."""
    if not text:
        return ()
    try:
        config = json.loads(text)
        task = config["task"]
        chief = list(config["cluster"].get("chief", []))
        workers = [*chief, *config["cluster"].get("worker", [])]
        known = task["type"] in ("chief", "worker") and isinstance(task["index"], int)
        if not known or not all(isinstance(address, str) for address in workers):
            raise ValueError("it names no worker")
        if not 0 <= task["index"] < len(config["cluster"][task["type"]]):
            raise ValueError(f"there is no {task['type']} {task['index']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"TF_CONFIG is not the description of a cluster: {reason}",
            hint=_TF_CONFIG_HINT,
        ) from error
    return tuple(workers)


def _rank(resolver: Any, cluster: tuple[str, ...]) -> int:
    """Return the number of this process among the workers; a chief comes first."""
    n_chiefs = len(cluster) - len(resolver.cluster_spec().as_dict().get("worker", []))
    return resolver.task_id + (n_chiefs if resolver.task_type == "worker" else 0)


def _logical_devices(tf: Any, devices: int | None, *, n_gpus: int) -> list[str]:
    """Return the devices to mirror on: GPUs or, without any, logical processors."""
    if n_gpus:
        if devices is not None and devices > n_gpus:
            raise UsageError(
                f"--devices {devices}: there are {n_gpus} GPUs", hint=f"--devices {n_gpus}"
            )
        return [f"GPU:{place}" for place in range(devices or n_gpus)]
    wanted = devices or 1
    if wanted > 1:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(wanted)]
        try:
            tf.config.set_logical_device_configuration(processor, logical)
        except RuntimeError:  # TensorFlow is in use already, with as many as it has
            n_there = len(tf.config.list_logical_devices("CPU"))
            if n_there < wanted:
                raise UsageError(
                    f"--devices {wanted}: TensorFlow is in use in this process with {n_there}",
                    hint="train in a process of its own, before TensorFlow is used",
                ) from None
    return [f"CPU:{place}" for place in range(wanted)]


def _multiworker(tf: Any, cluster: tuple[str, ...]) -> Any:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise UsageError(
            f"the workers {', '.join(cluster)} cannot be joined: {str(error).splitlines()[0]}",
            hint="each worker needs the same cluster in TF_CONFIG, and an index of its own",
        ) from error
