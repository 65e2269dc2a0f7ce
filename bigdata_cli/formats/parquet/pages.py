"""A table as the pages of a Parquet row group, by the C library.

C chooses encodings and writes page bodies, some columns a call; they are compressed here, and C
puts them together with their headers. What the metadata need is kept in arrays of C's structs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import msgspec
import numpy as np
import pyarrow as pa
from isal import isal_zlib
from msgspec import structs

from bigdata_cli.formats.parquet.compress import UNCOMPRESSED, PageCompressor
from bigdata_cli.native.library import address, lib
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

_RUN_BYTES = 8_000_000
"""Room for the pages of the columns that are encoded in one call, about."""
_PAGE_HEADER_BYTES = 64
_MIN_APART_BYTES = 1 << 17
"""Bodies of pages of this size and more are written from where they are, and not copied."""
_MAX_GROUP_METADATA_BYTES = 400

# As parquet.thrift numbers them.
_BOOLEAN, _INT32, _INT64, _FLOAT, _DOUBLE, _BYTE_ARRAY = 0, 1, 2, 4, 5, 6
_BYTE_STREAM_SPLIT = 9

# As the structs of parquet.h.
_KINDS = {
    Kind.NULL: 0,
    Kind.BOOL: 0,
    Kind.INT: 1,
    Kind.DATE: 1,
    Kind.TIMESTAMP: 1,
    Kind.FLOAT: 2,
    Kind.TEXT: 3,
    Kind.CATEGORY: 4,
}
_COLUMN = np.dtype([(n, "i8") for n in ("kind", "width", "is_signed", "physical", "type")])
_BOUNDS = [(n, "i8") for n in ("min_at", "min_size", "max_at", "max_size", "exact")]
_PAGE = np.dtype(
    [
        *((n, "i8") for n in ("column", "type", "encoding", "first_row", "rows", "nulls")),
        *((n, "i8") for n in ("values", "at", "size", "levels", "stored", "stored_size")),
        *((n, "i8") for n in ("crc", "place", "header_size")),
        ("bounds", _BOUNDS),
    ]
)
_CHUNK = np.dtype(
    [
        *((n, "i8") for n in ("rows", "nulls", "distinct", "first_page", "n_pages", "encoding")),
        *((n, "i8") for n in ("can_be_split", "codec", "place", "size", "raw_size")),
        ("dictionary_place", "i8"),
        *((n, "i8") for n in ("data_place", "index_at", "index_size")),
        *((n, "i8") for n in ("offsets_at", "offsets_size")),
        ("bounds", _BOUNDS),
    ]
)


def physical_type(column: Column) -> int:
    """The physical type of a column, as parquet.thrift numbers it."""
    kind = column.kind
    if kind in (Kind.NULL, Kind.BOOL):
        return _BOOLEAN
    if kind in (Kind.TEXT, Kind.CATEGORY):
        return _BYTE_ARRAY
    width = arrow_type(column.dtype).bit_width
    if kind is Kind.FLOAT:
        return _DOUBLE if width == 64 else _FLOAT
    return _INT64 if width == 64 else _INT32


class RowGroup(msgspec.Struct, frozen=True, kw_only=True):
    """An encoded row group: its pages in pieces, and what the metadata need."""

    pieces: list[bytes | memoryview]
    rows: int
    pages: np.ndarray
    chunks: np.ndarray
    bounds: np.ndarray
    has_index: bool
    """Whether a column has more than one page: then pages are found by a page index."""

    def index(self, place: int) -> bytes:
        """The page index, of a row group that lies at a place in its file."""
        n_bytes = 256 * len(self.pages) + 64 * len(self.chunks)
        out = np.empty(n_bytes, np.uint8)
        size = lib.bd_parquet_index(
            address(self.pages),
            address(self.chunks),
            len(self.chunks),
            address(self.bounds),
            place,
            address(out),
        )
        return out[:size].tobytes()

    def without_pages(self) -> RowGroup:
        """What the footer needs, which is kept until the file is closed."""
        return structs.replace(self, pieces=[], pages=np.empty(0, _PAGE))


class PageEncoder:
    """Encodes the tables of a schema. Threads may use one at the same time."""

    def __init__(self, schema: Schema, codec: str, level: int | None) -> None:
        self._arrow = schema.arrow()
        self._names = [column.name for column in schema]
        self._codec, self._level = codec, level
        self._idle: list[_Workspace] = []
        self.columns = np.zeros(len(schema), _COLUMN)
        for i, column in enumerate(schema):
            self.columns[i] = _described(column)
        encoded = [column.name.encode() for column in schema]
        self.names = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
        self.name_ends = np.zeros(len(schema) + 1, np.int64)
        np.cumsum([len(name) for name in encoded], out=self.name_ends[1:])

    def encode(self, table: pa.Table) -> RowGroup:
        """A table with rows, and the columns of the schema, as a row group."""
        if not table.schema.equals(self._arrow):
            table = table.select(self._names).cast(self._arrow)
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = _Workspace(PageCompressor(self._codec, self._level))
        try:
            with _Exported([b for b in table.to_batches() if b.num_rows]) as batches:
                return self._encode(batches, table.num_rows, workspace)
        finally:
            self._idle.append(workspace)

    def group_metadata(self, group: RowGroup, place: int, index_place: int, ordinal: int) -> bytes:
        """The struct RowGroup of the footer."""
        n_bytes = _MAX_GROUP_METADATA_BYTES * (len(self.columns) + 1) + len(self.names)
        out = np.empty(n_bytes, np.uint8)
        size = lib.bd_parquet_row_group(
            address(group.chunks),
            address(self.columns),
            len(self.columns),
            address(self.names),
            address(self.name_ends),
            address(group.bounds),
            place,
            index_place,
            ordinal,
            address(out),
        )
        return out[:size].tobytes()

    def _encode(self, batches: np.ndarray, n_rows: int, workspace: _Workspace) -> RowGroup:
        n = len(self.columns)
        room = np.empty((n, 4), np.int64)
        lib.bd_parquet_room(address(batches), len(batches), address(self.columns), n, address(room))
        scratch = workspace.scratch.of(int(room[:, 1].max(initial=0)))
        bounds = np.empty(int(room[:, 2].sum()), np.uint8)
        used = np.zeros(1, np.int64)
        chunks = np.zeros(n, _CHUNK)
        pages: list[np.ndarray] = []
        pieces: list[bytes | memoryview] = []
        place = n_pages = 0
        for first, last in _runs(room[:, 0]):
            raw = workspace.raw.of(int(room[first:last, 0].sum()))
            found = np.empty(int(room[first:last, 3].sum()), _PAGE)
            part = chunks[first:last]
            n_found = lib.bd_parquet_encode(
                address(batches),
                len(batches),
                address(self.columns),
                first,
                last - first,
                self._codec != "none",
                address(raw),
                len(raw),
                address(scratch),
                len(scratch),
                address(bounds),
                address(used),
                address(found),
                address(part),
            )
            assert n_found >= 0
            found = found[:n_found]
            for i in np.flatnonzero(part["can_be_split"]).tolist():
                width = int(self.columns["width"][first + i])
                _split_where_it_pays(raw, found, part[i : i + 1], width, workspace)
            assembled, keeps_raw = _assembled(raw, found, part, place, workspace.compressor)
            if keeps_raw:
                workspace.raw = _Memory()
            pieces += assembled
            place += sum(map(len, assembled))
            part["first_page"] += n_pages
            n_pages += n_found
            pages.append(found)
        return RowGroup(
            pieces=pieces,
            rows=n_rows,
            pages=np.concatenate(pages) if pages else np.empty(0, _PAGE),
            chunks=chunks,
            bounds=bounds[: used[0]].copy(),
            has_index=any(bool(np.any(p["first_row"] > 0)) for p in pages),
        )


def _described(column: Column) -> tuple[int, int, int, int, int]:
    """A column as the struct bd_parquet_column."""
    kind = column.kind
    type_number = physical_type(column)
    physical = {_INT32: 4, _INT64: 8, _FLOAT: 4, _DOUBLE: 8}.get(type_number, 0)
    if kind in (Kind.NULL, Kind.BOOL, Kind.TEXT, Kind.CATEGORY):
        return _KINDS[kind], 0, 0, physical, type_number
    width = arrow_type(column.dtype).bit_width // 8
    return _KINDS[kind], width, not column.dtype.startswith("u"), physical, type_number


def _runs(room: np.ndarray) -> Iterator[tuple[int, int]]:
    """Columns that are encoded together: first, and one behind the last."""
    first = n_bytes = 0
    for i, size in enumerate(room.tolist()):
        if i > first and n_bytes + size > _RUN_BYTES:
            yield first, i
            first, n_bytes = i, 0
        n_bytes += size
    if len(room):
        yield first, len(room)


def _split_where_it_pays(
    raw: np.ndarray, pages: np.ndarray, chunk: np.ndarray, width: int, workspace: _Workspace
) -> None:
    """Change the plain floats of a chunk into such with their bytes apart, if that is smaller."""
    start, n = int(chunk["first_page"][0]), int(chunk["n_pages"][0])
    mine = pages[start : start + n]
    largest = mine[int(np.argmax(mine["values"]))]
    first = int(largest["at"] + largest["levels"])
    n_bytes = int(largest["values"]) * width
    values = raw[first : first + n_bytes].reshape(-1, width)
    if workspace.compressor.splitting_pays(values):
        scratch = workspace.scratch.of(n_bytes)
        lib.bd_parquet_split(address(mine), n, width, address(raw), address(scratch))
        chunk["encoding"] = _BYTE_STREAM_SPLIT


def _assembled(
    raw: np.ndarray, pages: np.ndarray, chunks: np.ndarray, place: int, compressor: PageCompressor
) -> tuple[list[bytes | memoryview], bool]:
    """The pages of some column chunks, compressed, with their headers, in pieces.

    `place`: in the row group. The structs get what is known then. Returns too whether a piece lies
    in `raw`.
    """
    view = memoryview(raw)
    bodies: list[bytes | memoryview] = [
        view[at : at + size]
        for at, size in zip(pages["at"].tolist(), pages["size"].tolist(), strict=True)
    ]
    addresses = pages["stored"].tolist()
    kept: list[pa.Buffer] = []
    codecs = []
    for start, n, encoding, n_values in zip(
        chunks["first_page"].tolist(),
        chunks["n_pages"].tolist(),
        chunks["encoding"].tolist(),
        (chunks["rows"] - chunks["nulls"]).tolist(),
        strict=True,
    ):
        compressed = compressor.chunk(
            bodies[start : start + n],  # type: ignore[arg-type]
            encoding=encoding,
            n_values=n_values,
        )
        codecs.append(UNCOMPRESSED if compressed is None else compressor.number)
        if compressed is not None:
            buffers = list(map(pa.py_buffer, compressed))
            addresses[start : start + n] = [buffer.address for buffer in buffers]
            kept += buffers
            bodies[start : start + n] = compressed
    sizes = list(map(len, bodies))
    chunks["codec"] = codecs
    pages["stored"], pages["stored_size"] = addresses, sizes
    pages["crc"] = list(map(isal_zlib.crc32, bodies))
    apart = [i for i, size in enumerate(sizes) if size >= _MIN_APART_BYTES]
    n_bytes = sum(sizes) - sum(sizes[i] for i in apart) + _PAGE_HEADER_BYTES * len(pages)
    out = np.empty(n_bytes, np.uint8)
    size = lib.bd_parquet_assemble(
        address(pages), address(chunks), len(chunks), place, _MIN_APART_BYTES, address(out)
    )
    pieces = _with_bodies_apart(memoryview(out)[:size], pages, [(i, bodies[i]) for i in apart])
    return pieces, any(isinstance(bodies[i], memoryview) for i in apart)


def _with_bodies_apart(
    out: memoryview, pages: np.ndarray, apart: list[tuple[int, bytes | memoryview]]
) -> list[bytes | memoryview]:
    """Headers and small pages, with the bodies between them that lie elsewhere."""
    sizes = pages["header_size"] + pages["stored_size"]
    sizes[[i for i, _ in apart]] = pages["header_size"][[i for i, _ in apart]]
    ends = np.cumsum(sizes).tolist()
    pieces: list[bytes | memoryview] = []
    start = 0
    for i, body in apart:
        pieces += (out[start : ends[i]], body)
        start = ends[i]
    if start < len(out):
        pieces.append(out[start:])
    return pieces


class _Memory:
    """Memory that is used again and again, with room for what is a little larger next time."""

    def __init__(self) -> None:
        self._array = np.empty(0, np.uint8)

    def of(self, n_bytes: int) -> np.ndarray:
        if len(self._array) < n_bytes:
            self._array = np.empty(n_bytes + n_bytes // 8, np.uint8)
        return self._array


class _Workspace:
    """What a thread needs to encode."""

    def __init__(self, compressor: PageCompressor) -> None:
        self.compressor = compressor
        self.scratch = _Memory()
        self.raw = _Memory()


class _ArrowArray(ctypes.Structure):
    """The start of the struct ArrowArray of the Arrow C data interface."""

    _fields_ = [
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
    ]


class _Exported:
    """Record batches as C sees them: an array of pointers to structs ArrowArray."""

    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self._capsules = [batch.__arrow_c_array__() for batch in batches]

    def __enter__(self) -> np.ndarray:
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        found = [pointer(array, b"arrow_array") for _, array in self._capsules]
        assert all(_ArrowArray.from_address(place).offset == 0 for place in found)
        return np.array(found, np.uint64)

    def __exit__(self, *_: object) -> None:
        self._capsules.clear()
