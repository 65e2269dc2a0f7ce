"""A conversion from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from bigdata_cli.checksum import entry_of_bytes
from bigdata_cli.conversion.commit import OutputFolder, check_output, disk_error
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.disk_budget import check_disk
from bigdata_cli.conversion.identity import differences, identity
from bigdata_cli.conversion.journal import Identity
from bigdata_cli.conversion.memory_budget import with_tables_of
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.pipe import SurpriseError
from bigdata_cli.conversion.plan import Prepared, prepare
from bigdata_cli.conversion.progress import ProgressListener
from bigdata_cli.conversion.reconcile import reconcile
from bigdata_cli.conversion.rejects import merge_rejects
from bigdata_cli.conversion.report import build_report
from bigdata_cli.conversion.results import ConvertReport, Plan
from bigdata_cli.conversion.resume import find_resume_state
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.errors import BigdataError, BudgetError, DataError, SourceLostError
from bigdata_cli.resources.allocator import drop_idle_pages, return_freed_memory
from bigdata_cli.resources.budget import MemoryBudget, check_limit, memory_errors
from bigdata_cli.resources.recorder import MemoryRecorder, record_memory
from bigdata_cli.resources.stages import StageTimes, begin_phase, measure_stages, stage
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES


def plan(paths: Sequence[str | Path], options: ConvertOptions) -> Plan:
    """What `run` would do with these options; nothing is written."""
    prepared = prepare(paths, options)
    check_disk(prepared)
    return prepared.plan()


def run(
    paths: Sequence[str | Path],
    options: ConvertOptions,
    *,
    progress: ProgressListener | None = None,
    unit_bytes: int | None = None,
    sample_bytes: int = SAMPLE_BYTES,
) -> ConvertReport:
    """Convert with options as one value.

    unit_bytes: of source parsed at a time; sample_bytes: looked at beforehand. Neither changes the
    dataset, but for a stream, whose shards follow from what the sample shows of it.
    """
    check_limit(options.memory_limit)
    times = StageTimes() if options.profile else None
    with (
        record_memory(
            options.record,
            title=f"bigdata convert, {options.to}",
            limit_bytes=options.memory_limit,
            relieve=drop_idle_pages,
        ) as recorder,
        measure_stages(times),
        memory_errors(),
    ):
        report = _run(paths, options, progress, unit_bytes, sample_bytes, recorder)
    record = recorder.record()
    report = replace(report, memory=record, peak_memory_bytes=record.peak_bytes)
    return report if times is None else replace(report, stages=times.shares())


def _run(
    paths: Sequence[str | Path],
    options: ConvertOptions,
    progress: ProgressListener | None,
    unit_bytes: int | None,
    sample_bytes: int,
    recorder: MemoryRecorder,
) -> ConvertReport:
    started = time.monotonic()
    begin_phase("sampling")
    with stage("sample"):
        prepared = prepare(paths, options, sample_bytes=sample_bytes)
        watch = None if options.repair else check_disk(prepared)
    _keep_within(prepared.memory, recorder)
    begin_phase("converting")
    folder = OutputFolder(prepared.store)
    folder.open()
    try:
        current = identity(prepared)
        if _is_finished(folder, current):
            return build_report(
                prepared, read_manifest(folder.store), seconds=time.monotonic() - started
            )
        check_output(folder.store, force=options.force, repair=options.repair)
        if options.repair:
            prepared = _with_tables_of_dataset(prepared, folder)
            _keep_within(prepared.memory, recorder)
            return _repair(prepared, folder, unit_bytes, progress, started)
        state = find_resume_state(folder.store, current, prepared.keep, force=options.force)
        if state is not None:
            prepared = with_tables_of(prepared, state.table_bytes)
            _keep_within(prepared.memory, recorder)
        conversion = Coordinator(prepared, unit_bytes, progress, watch)
        with _clean_up(conversion, folder):
            if state is None:
                folder.begin(current)
            else:
                conversion.restore(folder, state)
            _make_shards(conversion, folder)
            manifest = _commit(conversion, folder)
    finally:
        folder.close()
    return build_report(
        prepared,
        manifest,
        seconds=time.monotonic() - started,
        n_redone=len(conversion.redone),
        n_resumed=conversion.n_resumed,
        blank_lines=sum(result.blank_lines for result in conversion.ledger.results.values()),
    )


def _make_shards(coordinator: Coordinator, folder: OutputFolder) -> None:
    """Convert all shards, then those again whose bytes would differ under the final dtypes."""
    with LocalEngine(coordinator.jobs) as engine, coordinator.writing_into(folder):
        coordinator.convert(engine)
        reconcile(coordinator, engine, folder)
    coordinator.end()


def _keep_within(memory: MemoryBudget | None, recorder: MemoryRecorder) -> None:
    assert memory is not None
    recorder.limit_bytes = memory.limit_bytes
    if memory.returns_memory:
        return_freed_memory()
        drop_idle_pages()


def _with_tables_of_dataset(prepared: Prepared, folder: OutputFolder) -> Prepared:
    """The conversion as it was when it made the dataset; what a manifest may say is not trusted."""
    made = read_manifest(folder.store).options.get("table_bytes")
    is_size = made is None or (type(made) is int and made > 0)
    return with_tables_of(prepared, made) if is_size else prepared


def _repair(
    prepared: Prepared,
    folder: OutputFolder,
    unit_bytes: int | None,
    progress: ProgressListener | None,
    started: float,
) -> ConvertReport:
    from bigdata_cli.conversion.repair import repair

    conversion = Coordinator(prepared, unit_bytes, progress)
    try:
        manifest = repair(conversion, folder)
    except BaseException as raised:
        folder.discard_partial()
        error = _cause_of(raised, conversion, folder)
        if error is raised:
            raise
        raise error from raised
    n_redone = len(conversion.redone)
    return build_report(
        prepared,
        manifest,
        seconds=time.monotonic() - started,
        n_redone=n_redone,
        n_resumed=len(manifest.shards) - n_redone,
    )


def _is_finished(folder: OutputFolder, now: Identity) -> bool:
    """Whether all that was left of this very conversion was its commit, which is done by now."""
    before = folder.finished
    return before is not None and before.force == now.force and not differences(before, now)


def _commit(conversion: Coordinator, folder: OutputFolder) -> Manifest:
    """Make the dataset visible; returns its manifest."""
    begin_phase("committing")
    prepared = conversion.prepared
    manifest = conversion.manifest()
    sidecars = prepared.form.sidecars(manifest.to_json())
    entries = [entry_of_bytes(name, text.encode()) for name, text in sidecars.items()]
    if manifest.rejected_rows:
        is_interleaved = conversion.order != "source"
        pieces = conversion.reject_pieces()
        entries.append(
            merge_rejects(prepared.source, folder.store, pieces, interleaved=is_interleaved)
        )
    manifest = structs.replace(manifest, sidecars=tuple(entries))
    folder.commit(manifest, sidecars, conversion.renames())
    return manifest


@contextmanager
def _clean_up(conversion: Coordinator, folder: OutputFolder) -> Iterator[None]:
    """Where a conversion fails, keep what the same command can go on with, or nothing at all.

    It can where the cause may go away by itself: an interrupt, a full disk, a source that is gone.
    What is wrong with the data or the options is so for good.
    """
    try:
        yield
    except BaseException as raised:
        error = _cause_of(raised, conversion, folder)
        passes = not isinstance(error, BigdataError) or isinstance(
            error, BudgetError | SourceLostError
        )
        can_go_on = passes or isinstance(raised, OSError)
        if isinstance(error, SurpriseError):
            kept = conversion.whole_files()
            folder.abandon(keep=kept)
            if kept:
                error.add_note(
                    f"{conversion.n_finished:,} shards are finished and stay in {folder.store}, as "
                    "files that end in .partial; the next conversion into it removes them"
                )
        elif folder.abandon(keep=conversion.finished_files() if can_go_on else ()):
            error.add_note(conversion.state_text())
        if error is raised:
            raise
        raise error from raised


def _cause_of(error: BaseException, conversion: Coordinator, folder: OutputFolder) -> BaseException:
    """What to say of an error: where the source was changed or lost meanwhile, that is why."""
    if isinstance(error, DataError) and not isinstance(error, SourceLostError):
        try:
            for file in conversion.prepared.source.files:
                file.check_unchanged()
        except DataError as why:
            return why
    return disk_error(error, folder.store) if isinstance(error, OSError) else error
