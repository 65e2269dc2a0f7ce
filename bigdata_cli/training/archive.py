"""Checks of the archive of a saved model before Keras opens it: it is not trusted."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from bigdata_cli.strict_json import JsonError, decode

BIGDATA_MEMBER = "bigdata.json"
_CONFIG_MEMBER = "config.json"
_WEIGHTS_MEMBER = "model.weights.h5"
_MEMBERS = {BIGDATA_MEMBER, _CONFIG_MEMBER, _WEIGHTS_MEMBER, "metadata.json"}
_MAX_JSON_BYTES = 1 << 29
_MAX_LAYER_BYTES = 1 << 28
"""Layers with more must be in proportion to the weights in the file."""
_LAYERS = (
    *("Functional", "InputLayer", "Dense", "Dropout", "Concatenate", "Embedding", "Flatten"),
    *("Reshape", "Activation", "ReLU", "BatchNormalization", "LayerNormalization"),
    *("CategoryEncoding", "Add", "Subtract", "Multiply", "GetItem", "OneHot", "DTypePolicy"),
    *("__keras_tensor__", "__slice__", "__ellipsis__"),
)
_INITIALIZERS = (
    *("Zeros", "Ones", "Constant", "HeUniform", "HeNormal", "GlorotUniform", "GlorotNormal"),
    *("RandomUniform", "RandomNormal", "L1", "L2", "L1L2"),
)
_OPTIMIZERS = ("Adam", "AdamW", "SGD", "RMSprop")
_CLASSES = frozenset((*_LAYERS, *_INITIALIZERS, *_OPTIMIZERS))
"""The parts of our networks: they compute with numbers, and do nothing else."""


class ArchiveError(ValueError):
    """An archive that is damaged or not allowed."""


def read_archive(path: Path) -> bytes:
    """Return the bytes of our member; raise ArchiveError where Keras must not open the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path.stat().st_size)
            damaged = archive.testzip()
            if damaged is not None:
                raise ArchiveError(f"the checksum of its {damaged} is wrong")
            check_config(archive)
            return archive.read(BIGDATA_MEMBER)
    except ArchiveError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError) as error:
        raise ArchiveError(str(error) or "it is not a zip archive") from error


def _check_members(archive: zipfile.ZipFile, file_bytes: int) -> None:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if BIGDATA_MEMBER not in names:
        if {_CONFIG_MEMBER, _WEIGHTS_MEMBER} <= set(names):
            raise ArchiveError(
                f"it is a Keras model that bigdata did not write: it has no {BIGDATA_MEMBER} "
                "that says what it reads"
            )
        raise ArchiveError(f"it has no {BIGDATA_MEMBER}")
    strange = [name for name in names if name not in _MEMBERS and name != "assets/"]
    if strange:
        raise ArchiveError(f"it holds {strange[0][:100]!r}, which is no part of a model")
    missing = _MEMBERS - set(names)
    if missing:
        raise ArchiveError(f"it has no {min(missing)}")
    if len(set(names)) != len(names):
        raise ArchiveError("it holds a member twice")
    for info in infos:
        # Keras compresses nothing: what is, may become any size.
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ArchiveError(f"its {info.filename} is compressed, which a model never is")
        if info.flag_bits & 1:
            raise ArchiveError(f"its {info.filename} is encrypted")
        if info.filename.endswith(".json") and info.file_size > _MAX_JSON_BYTES:
            raise ArchiveError(f"its {info.filename} has {info.file_size:,} bytes")
    if sum(info.file_size for info in infos) > file_bytes:
        raise ArchiveError("its members overlap")


def check_config(archive: zipfile.ZipFile) -> None:
    """Raise ArchiveError where a network has parts that our models do not have.

    A class that is not listed may read files or run code when it is constructed. Layers that are
    much larger than the weights would allocate memory before Keras notices.
    """
    try:
        config = decode(archive.read(_CONFIG_MEMBER), Any)
    except JsonError as error:
        raise ArchiveError(f"its {_CONFIG_MEMBER} is damaged: {error}") from error
    layers = list(_objects(config))
    for layer in layers:
        module, name = layer.get("module"), layer["class_name"]
        known = module is None or module in ("keras", "builtins") or _is_keras(module)
        if not isinstance(name, str) or name not in _CLASSES or not known:
            raise ArchiveError(
                f"its network holds {str(name)[:60]!r} of {str(module)[:60]!r}, which bigdata does "
                "not load"
            )
    weights = archive.getinfo(_WEIGHTS_MEMBER).file_size
    if 4 * _max_parameters(layers) > max(_MAX_LAYER_BYTES, 64 * weights):
        raise ArchiveError(f"its network is far larger than its weights, {weights:,} bytes")


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and module.startswith("keras.")


def _objects(config: Any) -> list[dict[str, Any]]:
    """Return all objects of a configuration that name a class, at any depth."""
    found, left = [], [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                found.append(value)
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return found


def _max_parameters(layers: list[dict[str, Any]]) -> int:
    """Return an upper bound of the parameters of all layers, however they are connected."""
    units, embedded, width = [], 0, 0
    for layer in layers:
        config = layer.get("config")
        sizes = config if isinstance(config, dict) else {}
        units.append(_size(sizes, "units"))
        embedded += _size(sizes, "input_dim") * _size(sizes, "output_dim")
        shape = sizes.get("batch_shape") or sizes.get("target_shape") or ()
        width += sum(size for size in shape if type(size) is int)
        width += _size(sizes, "units") + _size(sizes, "output_dim")
        width += _size(sizes, "num_classes") + _size(sizes, "num_tokens")
    return embedded + sum(units) * width


def _size(sizes: dict[str, Any], key: str) -> int:
    value = sizes.get(key)
    return value if type(value) is int and value > 0 else 0
