"""What a record batch needs by its rows and the types of its columns, against what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.arrow.messages import BatchMetadata
from bigdata_cli.types.dtype import DTYPES, arrow_type

CATEGORY = arrow_type("category")
TEXT = arrow_type("text")
MAX_TEXT_BYTES = 2**31 - 1
"""Of a column of text: its offsets are int32."""
MAX_ROWS = 2**31 - 1
"""Of a record batch or a dictionary."""
_VALIDITY, _TEXT_BYTES = 0, -1
"""In the place of bits for each row: of a validity mask, of the bytes of text."""


class BatchSizes:
    """The sizes of the buffers of the record batches of a file.

    Raises ValueError for a type that no column of a dataset has.

    column: the place of the column of each buffer, int64 (n,).
    """

    def __init__(self, schema: pa.Schema) -> None:
        known = {arrow_type(dtype) for dtype in DTYPES}
        column, bits, extra = [], [], []
        for i, (name, kind) in enumerate(zip(schema.names, schema.types, strict=True)):
            if kind not in known:
                raise ValueError(f'column "{name}" is {kind}')
            is_text = kind == TEXT
            width = 32 if is_text or kind == CATEGORY else kind.bit_width
            column += [i] * (3 if is_text else 2)
            bits += [_VALIDITY, width, _TEXT_BYTES] if is_text else [_VALIDITY, width]
            extra += [0, 1, 0] if is_text else [0, 0]
        self._names = schema.names
        self.column = np.array(column, np.int64)
        self._bits = np.array(bits, np.int64)
        self._extra = np.array(extra, np.int64)

    def check_metadata(self, found: BatchMetadata) -> None:
        """Raise ValueError where a record batch does not consist of what the columns need."""
        if not 0 <= found.rows <= MAX_ROWS or (found.rows and not self._names):
            raise ValueError(f"a record batch is said to have {found.rows:,} rows")
        if len(found.nodes) != len(self._names) or len(found.buffers) != len(self.column):
            raise ValueError("a record batch has other columns than the file")
        if (found.nodes["length"] != found.rows).any():
            raise ValueError("the columns of a record batch differ in length")
        nulls = found.nodes["nulls"]
        if ((nulls < 0) | (nulls > found.rows)).any():
            raise ValueError("a column is said to have more nulls than rows")
        if not found.is_compressed:
            self.check(found, found.buffers["bytes"], np.arange(len(found.buffers)))

    def check(self, found: BatchMetadata, sizes: np.ndarray, buffers: np.ndarray) -> None:
        """Raise ValueError where buffers are not as long as the rows need.

        sizes: int64 (n,), of these buffers, once they are no longer compressed.
        """
        least = -(-(found.rows + self._extra) * np.maximum(self._bits, 1) // 8)
        has_nulls = found.nodes["nulls"][self.column] != 0
        least[((self._bits == _VALIDITY) & ~has_nulls) | (self._bits == _TEXT_BYTES)] = 0
        most = np.where(self._bits == _TEXT_BYTES, MAX_TEXT_BYTES, rounded(least))
        wrong = (sizes < least[buffers]) | (sizes > most[buffers])
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f'column "{self._names[self.column[buffers[at]]]}" has a buffer of '
                f"{sizes[at]:,} bytes, and {found.rows:,} rows need {least[buffers[at]]:,}"
            )


def rounded(n_bytes: Any) -> Any:
    """The most bytes of a buffer that may be filled up to a multiple of 64; also of arrays."""
    return -(-n_bytes // 64) * 64
