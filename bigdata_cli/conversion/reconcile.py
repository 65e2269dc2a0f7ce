"""The shards of a conversion as the dtypes that all rows ask for would have made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.resume import files_of
from bigdata_cli.conversion.rewrite import (
    Rewriting,
    recount,
    rewrite,
    rewrite_headers,
    to_recount,
)
from bigdata_cli.conversion.shard_files import FileOptions
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.engines.base import Engine, Worker
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import Change, ShardName
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.types.state import ColumnState, as_categories

_MAX_ROUNDS = 6
"""Texts are counted, and shards written; what that shows may ask for both again. Then all fit."""
_MANY_UNITS = 1 << 20
"""So that no more shards are written again at a time than keep the threads busy."""
_STEM = "%"
"""The stem of the files of a shard that is written again, until they get their names."""


def reconcile(conversion: Coordinator, engine: Engine, folder: OutputFolder) -> None:
    """Write the shards again whose bytes would differ under the dtypes that all rows ask for.

    Those that have lost the text they need are made of the source; all others of their own files.
    Before, the texts of columns that turned out to be text are counted, as a vocabulary needs all
    of them. Raises UsageError where the layout cannot hold what the columns are.
    """
    for _ in range(_MAX_ROUNDS):
        if _Round(conversion, engine, folder).is_done():
            return
    raise AssertionError("shards that were written again do not fit")


class _Round:
    """A look at all shards, and the first thing to do about them."""

    def __init__(self, conversion: Coordinator, engine: Engine, folder: OutputFolder) -> None:
        self._conversion = conversion
        self._engine = engine
        self._folder = folder
        self._prepared = conversion.prepared
        self._ledger = conversion.ledger
        self._columns = self._ledger.final_columns()
        self._schema = conversion.specs.schema(self._columns)

    def is_done(self) -> bool:
        """Whether all shards are as they should be; else something was done about it."""
        conversion = self._conversion
        form, storage = self._prepared.form, self._prepared.storage
        changes = self._ledger.changes(self._schema, form, storage)
        lost = [index for index, change in changes.items() if change is Change.SOURCE]
        again = lost
        if conversion.pipe is not None:
            conversion.pipe.check_lost(lost, self._columns)
            again = []
        own = [index for index in changes if index not in again]
        if changes:
            begin_phase("reconciling")
        if self._recount(own):
            return False
        is_counted = not any(
            to_recount(self._ledger.results[index], self._columns) for index in again
        )
        columns = self._columns
        try:
            form.check(self._schema, storage)
        except UsageError:
            if is_counted:
                raise
            columns = as_categories(columns)  # it may be one, when all its texts are known
        conversion.redone.update(again)
        self._read_again(again, columns)
        if is_counted:
            headers = [index for index in own if changes[index] is Change.HEADER]
            values = [index for index in own if changes[index] is not Change.HEADER]
            conversion.redone.update(values)
            self._rewrite(headers, values)
        return not changes

    def _read_again(self, shards: Sequence[int], columns: tuple[ColumnState, ...]) -> None:
        """Make shards of the source."""
        if not shards:
            return
        with closing(self._conversion.read_again(self._engine, shards, columns)) as results:
            for result in results:
                if result.error is not None:
                    raise AssertionError(f"shard {result.index} has a record that is wrong now")
                self._conversion.replace(result, self._folder)

    def _recount(self, shards: Sequence[int]) -> bool:
        """Count the texts of columns that turned out to be text; whether there were any."""
        results = self._ledger.results
        wanted = {index: to_recount(results[index], self._columns) for index in shards}
        wanted = {index: found for index, found in wanted.items() if found}

        def counted(work: Rewriting, worker: Worker) -> Iterator[ShardResult]:
            yield recount(work, self._columns, wanted[work.result.index], worker)

        works = (self._work(index) for index in wanted)
        with closing(self._engine.map(counted, works, units_per_shard=_MANY_UNITS)) as found:
            for result in found:
                self._ledger.replace_result(result)
        return bool(wanted)

    def _rewrite(self, headers: Sequence[int], values: Sequence[int]) -> None:
        """Write shards again from their own files, some of them but for their headers."""
        if not headers and not values:
            return
        conversion, results = self._conversion, self._ledger.results
        shards = sorted([*headers, *values])
        sizes = {index: sum(file.bytes for file in files_of(results[index])) for index in shards}
        conversion.meter.begin("reconcile", sum(sizes.values()))
        only_headers = frozenset(headers)

        def written(work: Rewriting, worker: Worker) -> Iterator[ShardResult]:
            is_header = work.result.index in only_headers
            yield rewrite_headers(work) if is_header else rewrite(work, worker)

        works = (self._work(index) for index in shards)
        with closing(self._engine.map(written, works, units_per_shard=_MANY_UNITS)) as done:
            for result in done:
                conversion.replace(result, self._folder)
                conversion.meter.advance(sizes[result.index], result.rows)

    def _work(self, index: int) -> Rewriting:
        prepared, result = self._prepared, self._ledger.results[index]
        pipe = self._conversion.pipe
        before = result.name.index if result.name.stem == _STEM else 0
        return Rewriting(
            result=result,
            options=FileOptions(
                form=prepared.form,
                storage=prepared.storage,
                store=prepared.store,
                in_flight=self._engine.worker.max_in_flight,
                most_table_bytes=prepared.table_bytes,
            ),
            name=ShardName(stem=_STEM, index=before + 1, count=index),
            schema=self._schema,
            texts=None if pipe is None else pipe.texts(index, self._columns),
        )
