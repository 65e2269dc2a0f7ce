"""What rows are for torch: the arrays, and tensors of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.encode import Encoding, learned_dtype
from bigdata_cli.loaders.make_encoder import make_encoder
from bigdata_cli.loaders.torch_buffers import each

_WIDER: dict[np.dtype, np.dtype] = {
    np.dtype("uint16"): np.dtype("int32"),
    np.dtype("uint32"): np.dtype("int64"),
}
"""torch has these dtypes, but hardly any operation for them."""


def plain_array(values: Any) -> Any:
    """Return an array of a dtype that torch can compute with; text is str, or a list of str."""
    array = np.asarray(values)
    if array.dtype.kind in "OU":
        return array.tolist()
    wider = _WIDER.get(array.dtype)
    return array if wider is None else array.astype(wider)


def _tensor(values: Any) -> Any:
    """Return a tensor that shares the memory of an array; text stays what it is."""
    array = plain_array(values)
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else array


def tensors(value: Any) -> Any:
    """Return a batch with tensors in place of its arrays."""
    return each(value, _tensor)


def torch_encoder(dataset: ReadableDataset, encoding: Encoding) -> Encoder:
    """Return what makes the arrays of rows, y in the dtype that the losses of torch take."""
    label_dtype = learned_dtype(dataset, encoding)
    return make_encoder(dataset, replace(encoding, label_dtype=label_dtype), plain=True)
