"""Parts: rows as a format gives them, before an encoder makes arrays of them.

A part is a record batch, or (X, y): the features and the label as `Encoder.reads` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from bigdata_cli.types.buffers import concat_batches

Part: TypeAlias = pa.RecordBatch | tuple[np.ndarray, Any]


def n_rows(part: Part) -> int:
    """Return the rows of a part."""
    return len(part[0]) if isinstance(part, tuple) else part.num_rows


def concatenated(parts: Sequence[Part]) -> Part:
    """Return the rows of all parts; a single one is not copied."""
    if len(parts) == 1:
        return parts[0]
    if not isinstance(parts[0], tuple):
        return concat_batches(parts)
    features, labels = zip(*parts, strict=True)
    y: Any = None
    if labels[0] is not None:
        is_arrow = isinstance(labels[0], pa.Array)
        y = pa.concat_arrays(labels) if is_arrow else np.concatenate(labels)
    return np.concatenate(features), y


def joined(parts: Iterable[Part], max_rows: int) -> Iterator[Part]:
    """Yield the rows of parts in fewer parts, of at most `max_rows` where those given are too."""
    together: list[Part] = []
    n_together = 0
    for part in parts:
        if together and n_together + n_rows(part) > max_rows:
            yield concatenated(together)
            together, n_together = [], 0
        together.append(part)
        n_together += n_rows(part)
    if together:
        yield concatenated(together)
