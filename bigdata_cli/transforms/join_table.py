"""A small table in memory, whose rows are found by their keys.

Keys are found by hashes of 64 bits in a sorted array, and then compared themselves, so that the
rows found are those of equal keys whatever the hashes are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from bigdata_cli.arrays.splitmix import GAMMA, mix
from bigdata_cli.arrays.value_hashes import value_hashes
from bigdata_cli.errors import BudgetError, DataError, UsageError, did_you_mean
from bigdata_cli.resources.sizes import format_size
from bigdata_cli.sources.typed_rows import TypedRows, open_typed_rows
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.types.buffers import array_of, booleans_of
from bigdata_cli.types.lattice import TypeOptions

DEFAULT_TABLE_BYTES = 1_000_000_000
"""What a table may take where nobody says how much memory there is."""
_KEY_BYTES = 16
"""Of a row besides its values: its hash, and its number."""
_SHOWN_KEYS = 3
_KEPT_TABLES = 4
_SALTS = 4


@dataclass(frozen=True)
class JoinTable:
    """The rows of a table, which are read only.

    Attributes:
        path: As the user gave it.
        on: The columns of its keys.
        dtypes: Of all columns, in order.
        columns: Their values, each in one piece; keys as expressions compute with them.
        n_rows: Their number.
    """

    path: str
    on: tuple[str, ...]
    dtypes: Mapping[str, str]
    columns: Mapping[str, pa.Array]
    n_rows: int

    @cached_property
    def digest(self) -> str:
        """A checksum of names, kinds and values, whatever files they are in."""
        found = xxhash.xxh3_128()
        for name, array in self.columns.items():
            found.update(f"{name}\0{self.dtypes[name]}\0".encode())
            found.update(np.ascontiguousarray(value_hashes(array)))
            found.update(np.packbits(_has_key([array], self.n_rows)))
        return found.hexdigest()

    @property
    def bytes(self) -> int:
        """In memory."""
        return sum(one.nbytes for one in self.columns.values()) + _KEY_BYTES * self.n_rows

    @cached_property
    def _index(self) -> _Index:
        keys = [self.columns[name] for name in self.on]
        rows = np.flatnonzero(_has_key(keys, self.n_rows))
        for salt in range(_SALTS):
            hashes = _hashes(keys, self.n_rows, salt)[rows]
            order = np.argsort(hashes, kind="stable")
            index = _Index.of(hashes[order], rows[order], salt)
            same = np.flatnonzero(index.hashes[1:] == index.hashes[:-1])
            first, second = index.rows[same], index.rows[same + 1]
            twice = first[_equal(keys, first, keys, second)]
            if len(twice):
                raise self._not_unique(twice)
            if not len(same):
                return index
        raise DataError(f"--join {self.path}: different keys have the same hashes")

    def _not_unique(self, rows: np.ndarray) -> DataError:
        keys = [self.columns[name].take(array_of(np.sort(rows))).to_pylist() for name in self.on]
        texts = list(
            dict.fromkeys(
                " ".join(f"{name}={value}" for name, value in zip(self.on, key, strict=True))
                for key in zip(*keys, strict=True)
            )
        )
        shown = ", ".join(texts[:_SHOWN_KEYS])
        more = f" and {len(texts) - _SHOWN_KEYS:,} more" if len(texts) > _SHOWN_KEYS else ""
        return DataError(
            f"--join {self.path}: its keys are not unique: {shown}{more} in several rows",
            hint="a join finds one row for each key: leave the others out of the table, or name "
            "the columns that tell them apart with --on",
        )

    def check_unique(self) -> None:
        """Raise DataError where two rows have the same key."""
        _ = self._index

    def find(self, keys: Sequence[pa.Array], n_rows: int) -> np.ndarray:
        """The row of the table for each row of keys, -1 where there is none: int64 (n_rows,).

        A key with a null is found nowhere.
        """
        index = self._index
        found = np.full(n_rows, -1, np.int64)
        if not len(index.rows):
            return found
        hits = np.flatnonzero(_has_key(keys, n_rows))
        hashes = _hashes(keys, n_rows, index.salt)
        hits, rows = index.find(hashes if len(hits) == n_rows else hashes[hits], hits)
        own = [self.columns[name] for name in self.on]
        same = _equal(keys, hits, own, rows)
        found[hits[same]] = rows[same]
        return found


class _Index(NamedTuple):
    """Hashes in ascending order, which are found by their first bits.

    hashes: of keys, uint64 (n,). rows: whose they are, int64 (n,). salt: of them. starts: where the
    hashes that begin with these bits start, int64 (2**bits + 1,). bits: as many as make about half
    as many hashes as beginnings.
    """

    hashes: np.ndarray
    rows: np.ndarray
    salt: int
    starts: np.ndarray
    bits: int

    @classmethod
    def of(cls, hashes: np.ndarray, rows: np.ndarray, salt: int) -> Self:
        bits = max(1, len(hashes).bit_length() + 1)
        first = np.arange((1 << bits) + 1, dtype=np.float64) * 2.0 ** (64 - bits)
        starts = np.searchsorted(hashes, first[:-1].astype(np.uint64))
        return cls(hashes, rows, salt, np.append(starts, len(hashes)), bits)

    def find(self, hashes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(labels, rows) of the hashes that are there; labels: of all that are looked for."""
        first = (hashes >> np.uint64(64 - self.bits)).astype(np.int64)
        places, stops = self.starts[first], self.starts[first + 1]
        found_labels, found_rows = [], []
        while True:
            left = np.flatnonzero(places < stops)
            if not len(left):
                break
            hashes, labels, places, stops = (x[left] for x in (hashes, labels, places, stops))
            same = self.hashes[places] == hashes
            found_labels.append(labels[same])
            found_rows.append(self.rows[places[same]])
            places = np.where(same, stops, places + 1)
        if not found_labels:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(found_labels), np.concatenate(found_rows)


def _hashes(keys: Sequence[pa.Array], n_rows: int, salt: int) -> np.ndarray:
    """Hashes of keys: uint64 (n_rows,); of one with a null any."""
    hashes = np.full(n_rows, salt, np.uint64)
    for array in keys:
        # 0 and -0 are equal, and have one hash.
        own = pc.add(array, 0.0) if pa.types.is_floating(array.type) else array
        hashes = mix(hashes * GAMMA + value_hashes(own))
    return hashes


def _has_key(keys: Sequence[pa.Array], n_rows: int) -> np.ndarray:
    """Which rows have no null among their keys: bool (n_rows,)."""
    valid = np.ones(n_rows, bool)
    for array in keys:
        if array.null_count:
            valid &= booleans_of(array.is_valid())
    return valid


def _equal(
    keys: Sequence[pa.Array], rows: np.ndarray, others: Sequence[pa.Array], at: np.ndarray
) -> np.ndarray:
    """Whether the keys of these rows are those of others, none null: bool (len(rows),)."""
    same = np.ones(len(rows), bool)
    if len(rows):
        for one, other in zip(keys, others, strict=True):
            same &= booleans_of(pc.equal(one.take(array_of(rows)), other.take(array_of(at))))
    return same


def load_table(path: str, on: Sequence[str], max_bytes: int) -> JoinTable:
    """Read a table of any kind that a conversion reads.

    Args:
        path: A file, dataset or pattern; a pipe cannot be read again.
        on: The columns of its keys.
        max_bytes: That it may take in memory.

    Raises:
        UsageError: It is not there, or has no such columns.
        BudgetError: It takes more memory.
        DataError: It cannot be read, or its keys are not unique.
    """
    rows = open_typed_rows(path, types=TypeOptions(float_mode="64"), sample_bytes=max_bytes // 2)
    if rows.comes_once:
        raise UsageError(
            f"--join {path}: a pipe is read once, and a table is read more than once",
            hint="--join FILE",
        )
    for name in on:
        if name not in rows.schema.names:
            raise UsageError(
                f'--join {path}: it has no column "{name}" of --on',
                hint=did_you_mean(name, rows.schema.names),
            )
    batches = list(_within(rows, path, max_bytes))
    whole = pa.Table.from_batches(batches, batches[0].schema if batches else rows.schema.arrow())
    types = {column.name: column.dtype for column in rows.schema}
    columns = {name: _in_one(whole.column(name)) for name in rows.schema.names}
    columns |= Rows({name: columns[name] for name in on}, whole.num_rows).wide(on)
    table = JoinTable(path, tuple(on), types, columns, whole.num_rows)
    table.check_unique()
    return table


def _within(rows: TypedRows, path: str, max_bytes: int) -> Iterator[pa.RecordBatch]:
    """The rows; raises BudgetError where they take more memory."""
    taken = 0
    if not rows.is_exact:
        raise _too_large(path, max_bytes)
    for batch in rows.batches():
        taken += batch.nbytes + _KEY_BYTES * batch.num_rows
        if taken > max_bytes:
            raise _too_large(path, max_bytes)
        yield batch


def _too_large(path: str, max_bytes: int) -> BudgetError:
    return BudgetError(
        f"--join {path}: the table takes more than {format_size(max_bytes)} in memory, half of "
        "what the conversion may take",
        hint="--memory-limit that is larger; DuckDB joins two large tables, and its rows can be "
        "piped in",
    )


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, a category as its texts."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


class _Tables:
    """The tables that were used last, by their path, keys and digest; for all threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, tuple[str, ...], str], JoinTable] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, table: JoinTable) -> JoinTable:
        with self._lock:
            return self._keep(table)

    def _keep(self, table: JoinTable) -> JoinTable:
        key = table.path, table.on, table.digest
        known = self._kept.setdefault(key, table)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT_TABLES:
            self._kept.popitem(last=False)
        return known

    def table(
        self, path: str, on: tuple[str, ...], digest: str, *, is_read: bool = False
    ) -> JoinTable:
        """The table of that content; raises DataError where it has another one by now.

        is_read: it is read, even if it is in memory.
        """
        with self._lock:
            known = None if is_read else self._kept.get((path, on, digest))
            if known is None:
                known = self._keep(load_table(path, on, DEFAULT_TABLE_BYTES))
            if known.digest != digest:
                raise DataError(
                    f"--join {path}: the table has changed since it was joined",
                    hint="the table as it was, in the same place; or the conversion anew",
                )
            return known


tables = _Tables()
"""Tables in memory. A step has the digest of its table, and finds it here."""
