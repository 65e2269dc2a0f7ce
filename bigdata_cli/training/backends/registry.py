"""The backends by name: which one Keras runs on, and their import when they are opened."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from bigdata_cli.errors import MissingDependencyError, UsageError, did_you_mean
from bigdata_cli.training.backends.base import Backend
from bigdata_cli.training.device_options import BACKENDS, DeviceOptions

_EXTRAS = {"tensorflow": "train", "torch": "torch", "jax": "jax"}
_CLASSES = {
    "tensorflow": "bigdata_cli.training.backends.tensorflow:TensorflowBackend",
    "torch": "bigdata_cli.training.backends.torch:TorchBackend",
    "jax": "bigdata_cli.training.backends.jax:JaxBackend",
}


def open_backend(name: str | None, options: DeviceOptions) -> Backend:
    """Open a backend; None for the one that Keras runs on, else the first that is installed.

    Raises:
        MissingDependencyError: It is not installed.
        UsageError: Keras runs on another one in this process, or there are no such devices.
    """
    module, _, class_name = _CLASSES[choose_backend(name)].partition(":")
    return getattr(import_module(module), class_name)(options)


def choose_backend(name: str | None) -> str:
    """Return a name, or the backend that Keras runs on, else the first that is installed.

    Raises:
        UsageError: There is no such backend.
        MissingDependencyError: None is installed.
    """
    if name is not None:
        if name not in BACKENDS:
            raise UsageError(f'there is no backend "{name}"', hint=did_you_mean(name, BACKENDS))
        return name
    if "keras" in sys.modules:
        import keras

        return keras.backend.backend()
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted in BACKENDS:
        return wanted
    installed = [name for name in BACKENDS if is_installed(name) and is_installed("keras")]
    if not installed:
        raise MissingDependencyError.for_extra(
            "Keras with TensorFlow, PyTorch or JAX", "train", purpose="bigdata train"
        )
    return installed[0]


def is_installed(name: str) -> bool:
    """Whether a library can be imported."""
    if name in sys.modules:
        return sys.modules[name] is not None
    return find_spec(name) is not None


def import_framework(name: str) -> ModuleType:
    """Import the library of a backend; raise MissingDependencyError where it is not installed."""
    return _import(name, name)


def import_keras(backend: str) -> ModuleType:
    """Import Keras on a backend.

    Raises:
        UsageError: Keras runs on another backend in this process.
        MissingDependencyError: It is not installed.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    keras = _import("keras", backend)
    running = keras.backend.backend()
    if running != backend:
        raise UsageError(
            f"Keras runs on {running} in this process, and cannot change to {backend}",
            hint=f"--backend {running}, or {backend} in a process of its own",
        )
    return keras


def _import(name: str, backend: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingDependencyError.for_extra(
            name, _EXTRAS[backend], purpose="bigdata train"
        ) from error
