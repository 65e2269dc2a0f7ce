"""Rows of Arrow batches as CSV or JSON lines, by the C library."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator, Sequence
from ctypes import c_int64, c_void_p

import numpy as np
import pyarrow as pa

from bigdata_cli.native.arrow import exported
from bigdata_cli.native.library import address, lib

_COLUMN = np.dtype([("child", "i4"), ("type", "i4"), ("before", "u8"), ("n_before", "i8")])
"""`bd_text_column` of text_rows.h."""
_FIRST_BYTES = 1 << 20
_TYPES = (
    pa.bool_(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(),
    pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.date32(),
    pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", tz="UTC"),
    pa.timestamp("ns", tz="UTC"), pa.dictionary(pa.int32(), pa.string()), pa.string(),
)  # fmt: skip
"""`bd_text_type`, in its order."""


class _Style(ctypes.Structure):
    """`bd_text_style`."""

    _fields_ = (
        ("is_json", c_int64),
        ("null", c_void_p),
        ("n_null", c_int64),
        ("end", c_void_p),
        ("n_end", c_int64),
        ("special", c_void_p),
        ("tokens", c_void_p),
        ("token_ends", c_void_p),
        ("n_tokens", c_int64),
    )


class _Outcome(ctypes.Structure):
    """`bd_text_outcome`."""

    _fields_ = (("written", c_int64), ("lost", c_int64))


class TextRows:
    """Writes batches of one schema as text. Not thread-safe.

    Attributes:
        lost: Floats so far that the text does not carry: NaN, and in JSON infinities.
    """

    def __init__(
        self,
        types: Sequence[pa.DataType],
        *,
        before: Sequence[bytes],
        end: bytes,
        null: bytes,
        special: bytes = b"",
        tokens: Sequence[bytes] = (),
        is_json: bool,
    ) -> None:
        """What is written around values.

        Args:
            types: Of the columns: those of chunks (`arrow_type`).
            before: What stands before each column.
            end: What stands after a row.
            null: In the place of a value.
            special: Bytes that a text of CSV is quoted for.
            tokens: Texts that are quoted too.
            is_json: Whether texts are strings of JSON.
        """
        self.lost = 0
        self._out = np.empty(_FIRST_BYTES, np.uint8)
        self._held = [_bytes(b"".join(before)), _bytes(end), _bytes(null), _bytes(b"".join(tokens))]
        flags = np.zeros(256, np.uint8)
        flags[list(special)] = 1
        ends = np.cumsum([len(token) for token in tokens], dtype=np.int64)
        self._held += [flags, ends]
        self._columns = np.zeros(len(types), _COLUMN)
        self._columns["child"] = np.arange(len(types))
        self._columns["type"] = [_TYPES.index(type_) for type_ in types]
        sizes = np.array([len(text) for text in before], np.int64)
        self._columns["n_before"] = sizes
        self._columns["before"] = address(self._held[0]) + np.cumsum(sizes) - sizes
        self._style = _Style(
            is_json=is_json,
            null=address(self._held[2]),
            n_null=len(null),
            end=address(self._held[1]),
            n_end=len(end),
            special=address(flags),
            tokens=address(self._held[3]),
            token_ends=address(ends),
            n_tokens=len(tokens),
        )

    def render(self, batch: pa.RecordBatch) -> Iterator[memoryview]:
        """The rows of a batch as pieces of text; each holds until the next one is asked for."""
        place, held = exported(batch)
        outcome = _Outcome()
        row = 0
        while row < batch.num_rows:
            following = lib.bd_text_rows(
                place,
                address(self._columns),
                len(self._columns),
                ctypes.byref(self._style),
                row,
                address(self._out),
                len(self._out),
                ctypes.byref(outcome),
            )
            if following == row:
                self._out = np.empty(2 * len(self._out), np.uint8)
                continue
            self.lost += outcome.lost
            row = following
            yield memoryview(self._out)[: outcome.written]
        del held


def csv_rows(
    types: Sequence[pa.DataType], *, delimiter: str = ",", null_tokens: Sequence[str] = ()
) -> TextRows:
    """What writes rows as CSV: quotes where a text would be read as something else.

    A null is nothing between two delimiters, and the empty text is `""`. In a table of one column,
    where a line would be blank, a null is `NA`.
    """
    return TextRows(
        types,
        before=[b"" if place == 0 else delimiter.encode() for place in range(len(types))],
        end=b"\n",
        null=b"NA" if len(types) == 1 else b"",
        special=b'"\r\n' + delimiter.encode(),
        tokens=[token.encode() for token in null_tokens if token],
        is_json=False,
    )


def json_rows(types: Sequence[pa.DataType], names: Sequence[str]) -> TextRows:
    """What writes rows as objects of JSON, one on a line."""
    keys = [json.dumps(name, ensure_ascii=False).encode() + b":" for name in names]
    return TextRows(
        types,
        before=[b"{" + key if place == 0 else b"," + key for place, key in enumerate(keys)],
        end=b"}\n",
        null=b"null",
        is_json=True,
    )


def _bytes(text: bytes) -> np.ndarray:
    return np.frombuffer(text + b"\0", np.uint8)
