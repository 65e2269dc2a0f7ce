"""Which encoder makes the arrays that are wanted."""

from __future__ import annotations

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.encode import ColumnsEncoder, Encoding, XyEncoder, check_mask_names
from bigdata_cli.loaders.normalized import normalized_encoder


def make_encoder(dataset: ReadableDataset, encoding: Encoding, *, plain: bool = False) -> Encoder:
    """Make the encoder of (X, y), or of columns where `dtype` is None.

    Args:
        dataset: The dataset to read.
        encoding: The arrays that are wanted.
        plain: Whether dates and timestamps are integers.

    Raises:
        UsageError: The dataset has no such columns or label, or they are text.
    """
    label, dtype, label_dtype = encoding.label, encoding.dtype, encoding.label_dtype
    if encoding.normalize:
        return normalized_encoder(dataset, encoding)
    if dtype is not None:
        target = dataset.label(label)
        features = dataset.features(target.name, encoding.columns)
        return XyEncoder(
            dataset, features, target, dtype=dtype, label_dtype=label_dtype, plain=plain
        )
    chosen = dataset.select(encoding.columns)
    check_mask_names(chosen)
    if label is None:
        if label_dtype is not None:
            raise UsageError("label_dtype is of a label, and none is named", hint="label=COL")
        return ColumnsEncoder(dataset, chosen, plain=plain)
    target = dataset.schema[label]
    columns = tuple(column for column in chosen if column.name != label)
    if not columns:
        raise UsageError(f'there is no column besides the label "{label}"')
    return ColumnsEncoder(dataset, columns, label=target, label_dtype=label_dtype, plain=plain)
