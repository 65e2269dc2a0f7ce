"""The files of a shard while they are written: tables are encoded in a pool, appended in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import msgspec
import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.conversion.rebatch import Rebatcher, fixed_bytes
from bigdata_cli.conversion.rows_file import RowsFile, pack_rows
from bigdata_cli.formats.base import Format, ShardName, StorageOptions
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.resources.stages import stage
from bigdata_cli.types.dtype import Schema


class FileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the files of a shard are written.

    in_flight: tables encoded at a time. max_table_bytes: in memory of a table, where the format's
    own are too many.
    """

    form: Format
    storage: StorageOptions
    store: Store
    in_flight: int = 3
    max_table_bytes: int | None = None


class WrittenFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, under partial names.

    rows: in `files`. room: see `Rebatcher.room`; minus infinity where tables are cut neither as
    the first nor as the last schema asks for. rest: the file of the rows that follow them, as
    `rows_file` writes it.
    """

    files: tuple[FileEntry, ...]
    rows: int
    room: float
    rest: FileEntry | None = None


class ShardFiles:
    """Takes the rows of a shard in order and writes its files; not thread-safe.

    `finish` or `abort` ends it.
    """

    def __init__(
        self, options: FileOptions, name: ShardName, schema: Schema, pool: Executor
    ) -> None:
        self._options = options
        self._name = name
        self._pool = pool
        self._queue: deque[tuple[Future, Callable[[Any], None]]] = deque()
        self._rest: RowsFile | None = None
        self._has_widened = self._is_mixed = False
        self._begin(schema)

    def _begin(self, schema: Schema) -> None:
        options = self._options
        self.schema = schema
        self.rows = 0
        self._writer = options.form.writer(options.store, self._name, schema, options.storage)
        limits = (self._writer.batch_bytes, options.max_table_bytes)
        self._rebatcher = Rebatcher(
            schema,
            max_rows=self._writer.batch_rows,
            max_bytes=min((n for n in limits if n is not None), default=None),
            text_categories=options.form.traits.stores_category_texts,
        )

    @property
    def arrow_schema(self) -> pa.Schema:
        """The types of the batches that `push` takes."""
        return self._rebatcher.arrow_schema

    def push(self, batch: pa.RecordBatch) -> None:
        """Append rows of the schema."""
        self.rows += batch.num_rows
        for table in self._rebatcher.push(batch):
            self._encode(table)
        self._append(all_of_them=False)

    def begin_again(self, schema: Schema) -> None:
        """Have another schema from the first row on: there are no rows yet."""
        assert not self.rows
        self._writer.abort()
        self._begin(schema)

    def widen(self, schema: Schema) -> None:
        """Go on with a schema that leaves the bytes as they are, but for headers."""
        self._append(all_of_them=True)
        form, storage = self._options.form, self._options.storage
        has_same_tables = form.table_rows(self.schema, storage) == form.table_rows(schema, storage)
        self._is_mixed = self._is_mixed or not has_same_tables
        self._writer.widen(schema)
        if not self._rebatcher.widen(schema):
            self._has_widened = True
        self.schema = schema

    def push_rest(self, batch: pa.RecordBatch) -> None:
        """Append rows of any types: they, and all that follow, go into a file of their own."""
        if self._rest is None:
            self._append(all_of_them=True)
            self._rest = RowsFile(self._options.store, rest_name(self._name))
        self._submit(pack_rows, batch, self._rest.append)
        self._append(all_of_them=False)

    def finish(self) -> WrittenFiles:
        """Write what is left and close the files."""
        rebatcher, rest = self._rebatcher, None
        if self._rest is not None:
            self._append(all_of_them=True)
            rest = self._rest.finish()
        for table in rebatcher.flush():
            self._encode(table)
        self._append(all_of_them=True)
        self._is_mixed = self._is_mixed or (self._has_widened and rebatcher.room < 0)
        with stage("write"):
            files = self._writer.close()
        names = [partial_name(file.name) for file in (*files, *((rest,) if rest else ()))]
        with stage("hash"):
            self._options.store.sync(names, self._pool)
        return WrittenFiles(
            files=files,
            rows=self.rows,
            room=-math.inf if self._is_mixed else rebatcher.room,
            rest=rest,
        )

    def abort(self) -> None:
        """Leave no files; safe to call twice."""
        while self._queue:
            future, _ = self._queue.popleft()
            if not future.cancel():
                future.exception()  # wait: nothing of it must be running when its files go
        self._writer.abort()
        if self._rest is not None:
            self._rest.abort()

    def _encode(self, table: pa.Table) -> None:
        writer = self._writer
        self._submit(writer.encode, writer.place(table), writer.append)

    def _submit(
        self, work: Callable[[Any], Any], argument: Any, append: Callable[[Any], None]
    ) -> None:
        def encode() -> Any:
            with stage("encode"):
                return work(argument)

        self._queue.append((self._pool.submit(encode), append))

    def _append(self, *, all_of_them: bool) -> None:
        """Append what is encoded, in order; wait where too much is in flight."""
        while self._queue and (
            all_of_them
            or len(self._queue) >= self._options.in_flight - 1
            or self._queue[0][0].done()
        ):
            future, append = self._queue.popleft()
            encoded = future.result()
            with stage("write"):
                append(encoded)


def rest_name(name: ShardName) -> str:
    """The file of the rows that do not fit a shard's own files; it never loses its partial suffix.

    >>> rest_name(ShardName(stem="trips", index=2, count=3))
    '_rows-00002'
    """
    return f"_rows-{name.index:05d}"


def same_tables(
    room: float, old: Schema, new: Schema, form: Format, storage: StorageOptions
) -> bool:
    """Whether rows that were cut into tables as `old` are cut in the same places as `new`.

    room: see `Rebatcher.room`.
    """
    rows = form.table_rows(old, storage)
    if rows != form.table_rows(new, storage):
        return False
    if rows is None or room == math.inf:
        return True
    before, after = (
        fixed_bytes(s, text_categories=form.traits.stores_category_texts) for s in (old, new)
    )
    return before == after or (room >= 0 and rows * (after - before) <= room)
