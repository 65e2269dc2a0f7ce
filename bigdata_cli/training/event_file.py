"""The course of a training for TensorBoard: event files, which need no package to be written.

As Keras' callback does, the folder has `train` with the losses of steps and epochs, and
`validation` with what was measured after each epoch on rows that are not trained on. An event file
is TFRecord of `Event` messages, of which these have a step and a value under a name.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

import numpy as np

from bigdata_cli.io.whole_file import new_growing_file
from bigdata_cli.native.library import address, lib
from bigdata_cli.training.course import EpochRecord

_VERSION = b"brain.Event:2"
_WALL_TIME, _STEP, _FILE_VERSION, _SUMMARY = 1, 2, 3, 5
_VALUE, _TAG, _SIMPLE_VALUE = 1, 1, 2


class EventFile:
    """Writes values by step; readers see each as soon as it is flushed."""

    def __init__(self, folder: Path) -> None:
        """Begin a file in a folder, which is made."""
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.{socket.gethostname()}"
        path = folder / f"{name}.{os.getpid()}.{time.time_ns() % 10**9}"
        self._file = new_growing_file(path)
        self._write(_bytes_field(_FILE_VERSION, _VERSION))

    def add(self, name: str, step: int, value: float) -> None:
        """Add a value."""
        one = _bytes_field(_TAG, name.encode()) + _key(_SIMPLE_VALUE, 5) + struct.pack("<f", value)
        summary = _bytes_field(_SUMMARY, _bytes_field(_VALUE, one))
        self._write(_key(_STEP, 0) + _varint(step) + summary)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, fields: bytes) -> None:
        event = _key(_WALL_TIME, 1) + struct.pack("<d", time.time()) + fields
        length = struct.pack("<Q", len(event))
        self._file.write(length + _masked_crc(length) + event + _masked_crc(event))


class CourseWriter:
    """Writes the course of a network or of trees into a folder."""

    def __init__(self, folder: Path, *, metric: str) -> None:
        self._metric = f"epoch_{metric}"
        self._train = EventFile(folder / "train")
        self._validation = EventFile(folder / "validation")

    def steps(self, first_step: int, losses: np.ndarray, rates: np.ndarray) -> None:
        """Add the losses and learning rates of steps from `first_step` on, (steps,) each."""
        for step, loss in enumerate(losses.tolist(), start=first_step):
            self._train.add("batch_loss", step, loss)
        if len(rates):
            self._train.add("learning_rate", first_step + len(rates) - 1, float(rates[-1]))
        self._train.flush()

    def epoch(self, record: EpochRecord) -> None:
        """Add what is known after an epoch."""
        self._train.add("epoch_loss", record.epoch, record.loss)
        self._train.flush()
        if record.watched is not None:
            self._validation.add("epoch_loss", record.epoch, record.watched.loss)
            self._validation.add(self._metric, record.epoch, record.watched.value)
            self._validation.flush()

    def close(self) -> None:
        self._train.close()
        self._validation.close()


def _key(number: int, wire_type: int) -> bytes:
    return bytes([number << 3 | wire_type])


def _varint(value: int) -> bytes:
    """An integer in groups of seven bits, the lowest first.

    >>> _varint(1), _varint(300)
    (b'\\x01', b'\\xac\\x02')
    """
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _key(number, 2) + _varint(len(value)) + value


def _masked_crc(data: bytes) -> bytes:
    """The CRC-32C of bytes as TFRecord stores it: rotated, and with a constant added."""
    array = np.frombuffer(data, np.uint8)
    crc = int(lib.bd_crc32c(address(array), len(array)))
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
