"""One shard while it is made: chunks in, in order; files and what they showed out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from bigdata_cli.conversion.recast import recast
from bigdata_cli.conversion.rejects import RejectsWriter
from bigdata_cli.conversion.rest import RestColumns
from bigdata_cli.conversion.shard_files import FileOptions, ShardFiles, WrittenFiles
from bigdata_cli.conversion.shard_spec import ShardResult, SharedSpec
from bigdata_cli.conversion.widening import Stored, change_of
from bigdata_cli.engines.base import Worker
from bigdata_cli.formats.base import Change, Format, ShardName, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.native.vocabulary import Vocabulary
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.sources.csv.evidence import Evidence, TextEvidence
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState, as_categories, join_all
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import check_vocabularies, join_distinct

_WORDS = {"text", "category"}
_Shown = tuple[tuple[Observed, ...], tuple[ColumnStatistics, ...]]
"""What some rows showed, by column."""


class ShardBuilder:
    """Takes the chunks of a shard in order and writes its files; not thread-safe.

    `finish` or `abort` ends it. columns: the types to parse the next records with.
    """

    def __init__(
        self,
        name: ShardName,
        shared: SharedSpec,
        worker: Worker,
        *,
        in_flight: int | None = None,
        texts: TextEvidence | None = None,
    ) -> None:
        """in_flight: tables encoded at a time, None for as many as the worker may have.

        texts: the distinct texts of all parts of the shard.
        """
        self.name = name
        self.shared = shared
        self.columns = shared.plan.columns
        self.evidence = Evidence(self.columns, texts)
        self._form = get_format(shared.format)
        options = FileOptions(
            form=self._form,
            storage=shared.storage,
            store=shared.store,
            in_flight=in_flight or worker.max_in_flight,
            max_table_bytes=shared.max_table_bytes,
        )
        self._files = ShardFiles(options, name, shared.schema, worker.pool)
        self._unusable = False
        self._rows = 0
        self._tally = Tally()
        self._rejects = RejectsWriter(shared.store, name)
        self._pieces: list[ByteRange] = []
        self._rest: RestColumns | None = None
        self._fitting: tuple[ColumnState, ...] | None = None
        self._look_at_schema()

    def take(self, file: int, start: int, chunk: Chunk) -> None:
        """Join what a chunk showed; encode it where it fits the schema.

        start: where its first record starts in the source file with that index.
        """
        self._rows += chunk.rows
        self._tally += chunk.tally
        self._rejects.append(file, chunk.rejects)
        last = self._pieces[-1] if self._pieces else None
        if last is not None and (last.file, last.stop) == (file, start):
            self._pieces[-1] = last._replace(stop=chunk.position)
        else:
            self._pieces.append(ByteRange(file, start, chunk.position))
        fits = self._rest is None and self._fits(chunk)
        before: _Shown = ((), ())
        if not fits and self._rest is None and not self._unusable:
            before = self.evidence.observed(), self.evidence.statistics()
        if self.evidence.join(chunk):
            self.columns = tuple(
                state if self.evidence.texts.is_tracked(i) else replace(state, distinct=None)
                for i, state in enumerate(self.columns)
            )
        if self.shared.max_vocabulary_bytes is not None:
            names = self.shared.schema.names
            texts = self.evidence.texts
            n_distinct = {names[i]: n for i, n in texts.n_distinct.items()}
            check_vocabularies(n_distinct, texts.text_bytes, self.shared.max_vocabulary_bytes)
        if fits:
            if not self._unusable:
                self._files.push(chunk.batch)
            return
        self._widen(chunk)
        if not self._unusable:
            self._store(chunk, before)

    def finish(self, starts: tuple[int, ...] = (), stops: tuple[int, ...] = ()) -> ShardResult:
        """Write what is left and close the files. starts, stops: see `ShardResult`."""
        if self._unusable:
            return self._result(None, starts, stops)
        return self._result(self._files.finish(), starts, stops)

    def fail(
        self, file: int, error: RecordError, starts: tuple[int, ...], stops: tuple[int, ...]
    ) -> ShardResult:
        """The result of a shard with a record that cannot be kept."""
        self.abort()
        return self._result(None, starts, stops, (file, error))

    def abort(self) -> None:
        """Leave no files; safe to call twice."""
        self._files.abort()

    def stored(self, column: int) -> tuple[Stored, ...]:
        """The values of a column, as they are stored so far."""
        if self._unusable:
            return ()
        if self._rest is not None:
            return (self._rest.before[column], *self._rest.stored(column))
        return (self._in_files(column, (self.evidence.observed(), self.evidence.statistics())),)

    def widened(self, columns: tuple[ColumnState, ...]) -> tuple[ColumnState, ...]:
        """Columns that hold what this shard showed too."""
        seen = self.evidence
        float_mode = self.shared.plan.float_mode
        return join_all(columns, seen.observed(), seen.distinct(), float_mode)

    def adopt(self, columns: tuple[ColumnState, ...]) -> None:
        """Parse the next records with dtypes that other shards ask for."""
        self.columns = tuple(
            mine if mine.dtype == theirs.dtype or mine.dtype in _WORDS else theirs
            for mine, theirs in zip(self.columns, columns, strict=True)
        )

    def can_take(self, chunk: Chunk) -> bool:
        """Whether the values of a chunk are as good as if it were parsed with the types of now.

        It may have been parsed with those from before a surprise.
        """
        for index, (seen, mine) in enumerate(zip(chunk.columns, self.columns, strict=True)):
            if seen.dtype == mine.dtype or {seen.dtype, mine.dtype} == _WORDS:
                continue
            if mine.dtype in _WORDS and chunk.statistics[index].values:
                return False  # its texts are not counted
            change = change_of(self._parsed(chunk, index), mine.column(), *self._storage)
            if change is Change.SOURCE:
                return False
        return True

    @property
    def storage_schemas(self) -> tuple[Schema, ...]:
        """How rows are stored now; nothing where they go into a file of their own, as parsed."""
        return () if self._rest is not None else (self._files.schema,)

    def _fits(self, chunk: Chunk) -> bool:
        """Whether the schema of the files holds every value of the chunk."""
        if chunk.columns is not self._fitting:
            if not chunk.batch.schema.equals(self._files.arrow_schema):
                return False
            self._fitting = chunk.columns
        if len(self._nulls):
            has_values = chunk.summary.results["n_nulls"][self._nulls] < chunk.rows
            if any(chunk.columns[i].dtype != "null" for i in self._nulls[has_values].tolist()):
                return False
        return all(
            chunk.texts is not None
            and index in chunk.texts.parts
            and vocabulary.holds(chunk.texts, index)
            for index, vocabulary in self._vocabularies.items()
        )

    def _widen(self, chunk: Chunk) -> None:
        """Go on with types that hold what the chunk showed too."""
        mode = self.shared.plan.float_mode
        widened = tuple(
            self._with_texts(i, mine.widened(seen.observed, mode), seen)
            for i, (mine, seen) in enumerate(zip(self.columns, chunk.columns, strict=True))
        )
        if not self.shared.holds_text:
            widened = as_categories(widened)
        if any(new is not old for new, old in zip(widened, self.columns, strict=True)):
            self.columns = widened

    def _with_texts(self, index: int, state: ColumnState, seen: ColumnState) -> ColumnState:
        """The state of a column with the texts of the shard by now, where it will need them."""
        if state.dtype not in _WORDS:
            return state
        joined = state.distinct
        if not self.evidence.texts.is_tracked(index):
            joined = None
        elif (
            self._rest is None
            and not self._unusable
            and self._form.stores_codes(state.name, self.shared.storage)
        ):
            joined = join_distinct(joined, self.evidence.texts.of(index), fixed=state.fixed)
        is_too_many = seen.dtype == "text" and seen.distinct is None
        if state.dtype == "category" and (is_too_many or joined is None):
            return replace(state, dtype="text", distinct=None)
        is_same = joined is state.distinct or joined == state.distinct
        return state if is_same else replace(state, distinct=joined)

    def _store(self, chunk: Chunk, before: _Shown) -> None:
        """Store a chunk that does not fit the files.

        before: what the rows before it showed. Where the files can hold it under another
        header they go on; else it goes into a file of its own. Where the source will have to be
        read again for this shard, and can be, nothing of it is kept.
        """
        if self._rest is None:
            wider = self._schema()
            parsed = [self._parsed(chunk, i) for i in range(len(wider))]
            changes = [
                Change.SAME
                if old == new
                else change_of(self._in_files(i, before), new, *self._storage)
                for i, (old, new) in enumerate(zip(self._files.schema, wider, strict=True))
            ]
            is_whole = all(
                change_of(one, new, *self._storage) is not Change.SOURCE
                for one, new in zip(parsed, wider, strict=True)
            )
            worst = max(changes) if self._files.rows else Change.SAME
            if worst <= Change.HEADER and self.shared.keeps_all and self._would_lose_text(wider):
                worst = Change.VALUES
            if worst <= Change.HEADER and is_whole:
                if self._files.rows:
                    self._files.widen(wider)
                else:
                    self._form.check(wider, self.shared.storage)
                    self._files.begin_again(wider)
                self._look_at_schema()
                self._files.push(self._recast(chunk.batch, parsed, wider))
                return
            if not self.shared.keeps_all and (worst is Change.SOURCE or not is_whole):
                self._unusable = True
                self.abort()
                return
            self._rest = RestColumns([self._in_files(i, before) for i in range(len(wider))])
        self._rest.add([self._parsed(chunk, i) for i in range(len(self.columns))])
        self._files.push_rest(chunk.batch)

    def _would_lose_text(self, wider: Schema) -> bool:
        """Whether a column would be stored as one that does not tell its text, and did before.

        A matrix of floats holds integers and decimals alike, but the text of integers only.
        """
        return any(
            old.kind is not new.kind
            and old.kind in (Kind.INT, Kind.BOOL, Kind.DATE)
            and new.kind in (Kind.FLOAT, Kind.TIMESTAMP)
            for old, new in zip(self._files.schema, wider, strict=True)
        )

    @property
    def _storage(self) -> tuple[Format, StorageOptions]:
        return self._form, self.shared.storage

    def _schema(self) -> Schema:
        """The columns as all that the shard showed asks for; vocabularies only grow.

        Where texts are stored and not their codes, a vocabulary is of no use, and stays as it is.
        """
        columns = []
        for state, old in zip(self.columns, self._files.schema, strict=True):
            words = old.vocabulary or () if old.kind is Kind.CATEGORY else ()
            if state.dtype != "category":
                column = state.column()
            elif not self._form.stores_codes(state.name, self.shared.storage):
                column = Column(name=state.name, dtype="category", vocabulary=words)
            else:
                column = state.column()
                if words:
                    known = {*(column.vocabulary or ()), *words}
                    column = replace(column, vocabulary=tuple(sorted(known)))
            columns.append(old if column == old else column)
        return Schema(tuple(columns))

    def _in_files(self, column: int, shown: _Shown) -> Stored:
        observed, statistics = shown
        known = statistics[column]
        return Stored(
            self._files.schema.columns[column],
            observed[column],
            known.values > 0,
            known.float32_error == 0.0,
        )

    def _parsed(self, chunk: Chunk, column: int) -> Stored:
        state, known = chunk.columns[column], chunk.statistics[column]
        return Stored(
            Column(name=state.name, dtype=state.dtype),
            chunk.observed[column],
            known.values > 0,
            known.float32_error == 0.0,
            is_parsed=True,
        )

    def _recast(
        self, batch: pa.RecordBatch, parsed: list[Stored], schema: Schema
    ) -> pa.RecordBatch:
        """A batch in the types of a schema."""
        types = schema.arrow()
        arrays = [
            array if array.type == field.type else recast(array, one, new, *self._storage)
            for array, one, new, field in zip(batch.columns, parsed, schema, types, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=types)

    def _look_at_schema(self) -> None:
        """Learn what types do not tell of the columns of the files: those of nulls are bool."""
        columns = enumerate(self._files.schema)
        nulls = [index for index, column in columns if column.kind is Kind.NULL]
        self._nulls = np.array(nulls, np.int64)
        self._vocabularies = self._stored_vocabularies()
        self._fitting = None

    def _stored_vocabularies(self) -> dict[int, Vocabulary]:
        """The vocabularies that the format stores codes of, by column."""
        stored = {}
        for index, column in enumerate(self._files.schema):
            if column.kind is Kind.CATEGORY and self._form.stores_codes(
                column.name, self.shared.storage
            ):
                values = column.vocabulary or ()
                stored[index] = Vocabulary(max(len(values), 1))
                stored[index].add_array(text_array(values))
        return stored

    def _result(
        self,
        written: WrittenFiles | None,
        starts: tuple[int, ...],
        stops: tuple[int, ...],
        error: tuple[int, RecordError] | None = None,
    ) -> ShardResult:
        rest = None
        if written is not None and written.rest is not None and self._rest is not None:
            rest = self._rest.finish(written.rest, rows_before=written.rows)
        return ShardResult(
            index=self.name.index,
            name=self.name,
            files=() if written is None else written.files,
            unusable=self._unusable,
            schema=self._files.schema,
            rows=self._rows,
            rejected=self._rejects.count,
            # Of a shard that is written again it is too.
            rejects=None if self._unusable else self._rejects.finish(),
            tally=self._tally,
            starts=starts,
            stops=stops,
            pieces=tuple(self._pieces),
            observed=self.evidence.observed(),
            distinct=self.evidence.distinct(),
            statistics=self.evidence.statistics(),
            error=error,
            rest=rest,
            room=-1.0 if written is None else written.room,
        )
