"""Tensors of a worker in shared memory that is used again and again.

torch makes a file of shared memory for each tensor that a worker sends, and brings its handle to
the other process by a socket: milliseconds for each. Here a worker has a few buffers, whose handles
are sent once. After that a tensor travels as the number of its buffer and its place in there, and
is copied out of it on arrival, so that the buffer is free again.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch.multiprocessing.reductions import reduce_tensor

MAX_BUFFERS = 32
MAX_BYTES = 32_000_000
"""Of the buffers of a worker. Tensors that find no room travel as others do."""
_HEAD_BYTES = _ALIGNMENT = 64
"""A buffer begins with the number of tensors that were copied out of it, int64."""
_ARRIVED: dict[tuple[str, int, int], np.ndarray] = {}
"""The buffers that this process got, by the owner, the process id of the worker, and a number."""


class SharedTensor(torch.Tensor):
    """A tensor in a buffer, which is sent as its place. What is computed of it is a plain one."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # noqa: SLF001
    place: _Place


class _Buffer:
    """Shared memory of a worker for the tensors of one batch."""

    def __init__(self, key: tuple[str, int, int], n_bytes: int) -> None:
        self.key = key
        self.memory = torch.zeros(_HEAD_BYTES + n_bytes, dtype=torch.uint8).share_memory_()
        self.n_sent = 0
        self.is_known = False
        """Whether the other process has it."""
        self._bytes = self.memory.numpy()
        self._n_copied = self._bytes[:8].view(np.int64)
        self._used: list[weakref.ref[np.ndarray]] = []
        self._end = _HEAD_BYTES

    @property
    def n_bytes(self) -> int:
        return len(self._bytes) - _HEAD_BYTES

    @property
    def is_free(self) -> bool:
        """Whether no tensor of it is in use here, or on its way."""
        return all(one() is None for one in self._used) and self.n_sent == int(self._n_copied[0])

    def clear(self) -> None:
        self._used.clear()
        self._end = _HEAD_BYTES

    def put(self, array: np.ndarray) -> SharedTensor:
        """Return a copy of an array in this buffer."""
        start = self._end
        stop = start + array.nbytes
        self._end = _aligned(stop)
        values = self._bytes[start:stop].view(array.dtype).reshape(array.shape)
        values[...] = array
        self._used.append(weakref.ref(values))
        tensor: SharedTensor = torch.from_numpy(values).as_subclass(SharedTensor)
        tensor.place = _Place(self, (start, array.dtype.str, array.shape), _form(tensor))
        return tensor


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor lies, as long as nothing but its values is changed."""

    buffer: _Buffer
    place: tuple[int, str, tuple[int, ...]]
    form: tuple[Any, ...]


def _form(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad


class SharedBuffers:
    """The buffers of a worker, in the process that made them."""

    def __init__(self, owner: str) -> None:
        """Make none yet.

        Args:
            owner: Names what the tensors are of; see `forget`.
        """
        self._owner = owner
        self._pid = os.getpid()
        self._buffers: list[_Buffer] = []

    @property
    def is_of_this_process(self) -> bool:
        return self._pid == os.getpid()

    def tensors(self, value: Any, tensor: Callable[[np.ndarray], Any]) -> Any:
        """Return a batch with tensors in place of its arrays, in one buffer if there is room.

        Args:
            value: Arrays and other things, in tuples and dicts.
            tensor: Makes a tensor of an array where there is no room.
        """
        n_bytes = 0

        def count(one: Any) -> Any:
            nonlocal n_bytes
            if isinstance(one, np.ndarray):
                n_bytes += _aligned(one.nbytes)
            return one

        each(value, count)
        buffer = self._free(n_bytes)
        put = tensor if buffer is None else buffer.put
        return each(value, lambda one: put(one) if isinstance(one, np.ndarray) else one)

    def _free(self, n_bytes: int) -> _Buffer | None:
        for buffer in self._buffers:
            if buffer.n_bytes >= n_bytes and buffer.is_free:
                buffer.clear()
                return buffer
        n_taken = sum(buffer.n_bytes for buffer in self._buffers)
        if not n_bytes or len(self._buffers) == MAX_BUFFERS or n_taken + n_bytes > MAX_BYTES:
            return None
        self._buffers.append(_Buffer((self._owner, self._pid, len(self._buffers)), n_bytes))
        return self._buffers[-1]


def forget(owner: str) -> None:
    """Release the buffers that this process got of an owner."""
    for key in [key for key in _ARRIVED if key[0] == owner]:
        del _ARRIVED[key]


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return tuples and dicts with what `change` gives in place of all that is in them."""
    if isinstance(value, tuple):
        return tuple([each(part, change) for part in value])
    if isinstance(value, dict):
        return {name: each(part, change) for name, part in value.items()}
    return change(value)


def _sent(tensor: SharedTensor) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return how a tensor is made in the process that it is sent to."""
    place: _Place | None = getattr(tensor, "place", None)
    if place is None or place.form != _form(tensor):
        return reduce_tensor(tensor.as_subclass(torch.Tensor))
    buffer = place.buffer
    buffer.n_sent += 1
    memory = None if buffer.is_known else buffer.memory
    buffer.is_known = True
    return _arrived, (buffer.key, memory, *place.place)


def _arrived(
    key: tuple[str, int, int],
    memory: torch.Tensor | None,
    start: int,
    dtype: str,
    shape: tuple[int, ...],
) -> torch.Tensor:
    """Return a copy of what lies in a buffer, which may then be used again."""
    if memory is not None:
        for known in [known for known in _ARRIVED if not _is_running(known[1])]:
            del _ARRIVED[known]
        _ARRIVED[key] = memory.numpy()
    held = _ARRIVED[key]
    values = np.ndarray(shape, np.dtype(dtype), buffer=held, offset=start).copy()
    held[:8].view(np.int64)[0] += 1
    return torch.from_numpy(values)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


ForkingPickler.register(SharedTensor, _sent)
