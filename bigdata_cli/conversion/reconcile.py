"""The shards of a conversion as the dtypes that all rows ask for would have made them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec

from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.resume import files_of
from bigdata_cli.conversion.rewrite import (
    Rewriting,
    Texts,
    recount,
    rewrite,
    rewrite_headers,
    to_recount,
)
from bigdata_cli.conversion.shard_files import FileOptions
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.workers import check_here
from bigdata_cli.engines.base import Engine, Task, Worker
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import Change, ShardName, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.io.store import Store
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.state import ColumnState, as_categories

_MAX_ROUNDS = 6
"""Texts are counted, and shards written; what that shows may ask for both again. Then all fit."""
_MANY_UNITS = 1 << 20
"""So that no more shards are written again at a time than keep the threads busy."""
_STEM = re.compile(r"%\d{1,3}")
"""The stem of the files of a shard that is written again, until they get their names: the first,
second, … time."""


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


def reconcile_part(conversion: Coordinator, engine: Engine, folder: OutputFolder) -> None:
    """Do what can be done of that for some of the shards, with types that others have settled."""
    _Round(conversion, engine, folder).is_done()


class _Round:
    """A look at all shards, and the first thing to do about them."""

    def __init__(self, conversion: Coordinator, engine: Engine, folder: OutputFolder) -> None:
        self._conversion = conversion
        self._engine = engine
        self._folder = folder
        self._plan = conversion.plan
        self._ledger = conversion.ledger
        self._columns = self._ledger.final_columns()
        self._schema = conversion.specs.schema(self._columns)
        self._target = _Target(
            columns=self._columns,
            schema=self._schema,
            format=self._plan.form.name,
            storage=self._plan.storage,
            store=self._plan.store,
            table_bytes=self._plan.table_bytes,
        )

    def is_done(self) -> bool:
        """Whether all shards are as they should be; else something was done about it."""
        conversion = self._conversion
        form, storage = self._plan.form, self._plan.storage
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
            conversion.redone.update(i for i in own if changes[i] is not Change.HEADER)
            self._rewrite({index: changes[index] is Change.HEADER for index in own})
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
        tasks = (self._task(index, recounted=found) for index, found in wanted.items())
        with closing(self._engine.map(_recount, tasks, units_per_shard=_MANY_UNITS)) as counted:
            for result in counted:
                self._ledger.replace_result(result)
        return bool(wanted)

    def _rewrite(self, shards: Mapping[int, bool]) -> None:
        """Write shards again from their own files; of those that say True only the headers."""
        if not shards:
            return
        conversion, results = self._conversion, self._ledger.results
        sizes = {index: sum(file.bytes for file in files_of(results[index])) for index in shards}
        conversion.meter.begin("reconcile", sum(sizes.values()))
        tasks = (self._task(index, only_headers=only) for index, only in shards.items())
        with closing(self._engine.map(_rewrite, tasks, units_per_shard=_MANY_UNITS)) as done:
            for result in done:
                if self._engine.in_other_processes:
                    check_here(self._plan.store, result)
                conversion.replace(result, self._folder)
                conversion.meter.advance(sizes[result.index], result.rows)

    def _task(self, index: int, **about: Any) -> Task:
        result, pipe = self._ledger.results[index], self._conversion.pipe
        stem = result.name.stem
        turn = int(stem[1:]) + 1 if _STEM.fullmatch(stem) else 1
        spec = _Again(
            result=result,
            name=ShardName(stem=f"%{turn}", index=index, count=0),
            texts=None if pipe is None else pipe.texts(index, self._columns),
            **about,
        )
        return Task(spec, self._target)


class _Again(msgspec.Struct, frozen=True, kw_only=True):
    """A shard of which something is done again, from its own files.

    texts: see `Rewriting`. recounted: the columns whose texts are counted. only_headers: its values
    stay as they are.
    """

    result: ShardResult
    name: ShardName
    texts: Texts | None = None
    recounted: frozenset[int] = frozenset()
    only_headers: bool = False


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """What all shards are to be; table_bytes: see `Plan`."""

    columns: tuple[ColumnState, ...]
    schema: Schema
    format: str
    storage: StorageOptions
    store: Store
    table_bytes: int | None

    def work(self, again: _Again, worker: Worker) -> Rewriting:
        """How a worker does it."""
        options = FileOptions(
            form=get_format(self.format),
            storage=self.storage,
            store=self.store,
            in_flight=worker.max_in_flight,
            max_table_bytes=self.table_bytes,
        )
        return Rewriting(
            result=again.result,
            options=options,
            name=again.name,
            schema=self.schema,
            texts=again.texts,
        )


def _recount(spec: _Again, target: _Target, worker: Worker) -> Iterator[ShardResult]:
    yield recount(target.work(spec, worker), target.columns, spec.recounted, worker)


def _rewrite(spec: _Again, target: _Target, worker: Worker) -> Iterator[ShardResult]:
    work = target.work(spec, worker)
    yield rewrite_headers(work) if spec.only_headers else rewrite(work, worker)
