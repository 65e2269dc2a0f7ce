"""A conversion from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from bigdata_cli.conversion.commit import INNER_NAME, OutputFolder, check_output
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.estimate.disk import DiskWatch, check_disk
from bigdata_cli.conversion.finish import cause_of, clean_up, publish
from bigdata_cli.conversion.identity import differences, identity
from bigdata_cli.conversion.journal import Identity
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import Plan, make_plan, plan_as_begun
from bigdata_cli.conversion.progress import ProgressListener
from bigdata_cli.conversion.reconcile import reconcile
from bigdata_cli.conversion.report import ConvertReport, build_report
from bigdata_cli.conversion.resume import find_resume_state
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.resources.budget import MemoryBudget, check_limit, memory_errors
from bigdata_cli.resources.idle_pages import drop_idle_pages
from bigdata_cli.resources.recorder import MemoryRecorder, record_memory
from bigdata_cli.resources.stages import StageTimes, begin_phase, measure_stages, stage
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES

if TYPE_CHECKING:
    from bigdata_cli.conversion.reorder import Scatter

BudgetListener = Callable[[MemoryBudget], None]
PlanListener = Callable[[Plan], None]


def dry_run(paths: Sequence[str | Path], options: ConvertOptions) -> Plan:
    """What `run` would do with these options; nothing is written."""
    plan = make_plan(paths, options)
    check_disk(plan)
    return plan


def run(
    paths: Sequence[str | Path],
    options: ConvertOptions,
    *,
    progress: ProgressListener | None = None,
    on_budget: BudgetListener | None = None,
    on_plan: PlanListener | None = None,
    unit_bytes: int | None = None,
    sample_bytes: int = SAMPLE_BYTES,
) -> ConvertReport:
    """Convert with options as one value.

    on_budget: is called with the memory that the work is cut for, before it begins. on_plan: with
    all that was decided, before that.
    unit_bytes: of source parsed at a time; sample_bytes: looked at beforehand. Neither changes the
    dataset, but for a stream, whose shards follow from what the sample shows of it.
    """
    check_limit(options.memory_limit)
    times = StageTimes() if options.profile else None
    with (
        record_memory(
            options.record,
            title=f"bigdata convert, {options.to or options.like}",
            limit_bytes=options.memory_limit,
            relieve=drop_idle_pages,
        ) as recorder,
        measure_stages(times),
        memory_errors(),
    ):
        run = _Run(
            options=options,
            progress=progress,
            on_budget=on_budget,
            on_plan=on_plan,
            recorder=recorder,
        )
        report = run.report(paths, sample_bytes=sample_bytes, unit_bytes=unit_bytes)
    record = recorder.record()
    report = replace(report, memory=record, peak_memory_bytes=record.peak_bytes)
    return report if times is None else replace(report, stages=times.shares())


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A conversion under way, in this process."""

    options: ConvertOptions
    progress: ProgressListener | None
    on_budget: BudgetListener | None
    on_plan: PlanListener | None
    recorder: MemoryRecorder
    started: float = field(default_factory=time.monotonic)

    def report(self, paths: Sequence[str | Path], **sizes: Any) -> ConvertReport:
        """Convert; returns what came of it."""
        begin_phase("sampling")
        options = self.options
        with stage("sample"):
            plan = make_plan(paths, options, **sizes)
            if self.on_plan is not None:
                self.on_plan(plan)
            watch = None if options.repair else check_disk(plan)
        if options.workers.task is not None:
            return self._task(paths, plan, watch)
        self._keep_within(plan.memory)
        begin_phase("converting")
        folder = OutputFolder(plan.store)
        folder.open()
        try:
            current = identity(plan)
            if _is_finished(folder, current):
                return self._built(plan, read_manifest(folder.store))
            check_output(folder.store, force=options.force, repair=options.repair)
            if options.repair:
                return self._repair(_as_it_was_made(plan, folder), folder)
            state = find_resume_state(folder.store, current, plan.keep, force=options.force)
            if state is not None:
                plan = plan_as_begun(plan, state.table_bytes)
            scatter = None
            if not options.order.changes:  # one that is begun is not taken for this
                inner = folder.store.inside(INNER_NAME)
                find_resume_state(inner, current, plan.keep, force=options.force)
            else:
                scatter = self._scatter(plan, folder, watch, is_begun=state is not None)
                with clean_up(scatter.conversion, folder, has_inner=True):
                    plan = scatter.plan
                begin_phase("converting")
            self._keep_within(plan.memory)
            conversion = Coordinator(plan, self.progress, watch)
            with clean_up(conversion, folder, has_inner=scatter is not None):
                if state is None:
                    folder.begin(current)
                else:
                    conversion.restore(folder, state)
                _make_shards(conversion, folder)
                manifest = publish(conversion, folder, scatter)
        finally:
            folder.close()
        read = conversion if scatter is None else scatter.conversion
        return self._built(
            plan,
            manifest,
            n_redone=len(conversion.redone | read.redone),
            n_resumed=conversion.n_resumed,
            tally=read.ledger.tally,
        )

    def _task(
        self, paths: Sequence[str | Path], plan: Plan, watch: DiskWatch | None
    ) -> ConvertReport:
        """Do the part of a task of a job array; the report is of that part."""
        from bigdata_cli.conversion.task import run_task, with_usual_tables

        begin_phase("converting")
        conversion = run_task(
            paths,
            with_usual_tables(plan),
            progress=self.progress,
            watch=watch,
            keep_within=self._keep_within,
        )
        report = self._built(
            conversion.plan,
            conversion.manifest(),
            n_redone=len(conversion.redone),
            n_resumed=conversion.n_resumed,
            tally=conversion.ledger.tally,
        )
        return replace(report, task=str(self.options.workers.task))

    def _scatter(
        self, plan: Plan, folder: OutputFolder, watch: DiskWatch | None, *, is_begun: bool
    ) -> Scatter:
        """The first step of a conversion that changes the order of all rows.

        is_begun: the second one has been; what it has made is kept if this one fails.
        """
        from bigdata_cli.conversion.reorder import Scatter, scatter_plan

        begin_phase("scattering")
        try:
            buckets = scatter_plan(plan)
            conversion = Coordinator(buckets, self.progress, watch, phase="scatter")
            self._keep_within(buckets.memory)
            inner = OutputFolder(buckets.store)
            inner.open()
            try:
                check_output(inner.store, force=False)
                current = structs.replace(identity(plan), table_bytes=buckets.table_bytes)
                force = self.options.force
                state = find_resume_state(inner.store, current, plan.keep, force=force)
                with clean_up(conversion, inner):
                    if state is None:
                        inner.begin(current)
                    else:
                        conversion.restore(inner, state)
                    _make_shards(conversion, inner)
                    inner.journal.flush()
            finally:
                inner.close()
            return Scatter(conversion=conversion, asked=plan)
        except BaseException:
            if not is_begun:
                folder.abandon(keep=())
            raise

    def _repair(self, plan: Plan, folder: OutputFolder) -> ConvertReport:
        from bigdata_cli.conversion.repair import repair

        self._keep_within(plan.memory)
        conversion = Coordinator(plan, self.progress)
        try:
            manifest = repair(conversion, folder)
        except BaseException as raised:
            folder.discard_partial()
            error = cause_of(raised, conversion, folder)
            if error is raised:
                raise
            raise error from raised
        n_redone = len(conversion.redone)
        n_resumed = len(manifest.shards) - n_redone
        return self._built(plan, manifest, n_redone=n_redone, n_resumed=n_resumed)

    def _built(self, plan: Plan, manifest: Manifest, **counts: Any) -> ConvertReport:
        return build_report(plan, manifest, seconds=time.monotonic() - self.started, **counts)

    def _keep_within(self, memory: MemoryBudget) -> None:
        self.recorder.limit_bytes = memory.limit_bytes
        if self.on_budget is not None:
            self.on_budget(memory)
        if memory.returns_memory:
            drop_idle_pages()


def _make_shards(coordinator: Coordinator, folder: OutputFolder) -> None:
    """Convert all shards, then those again whose bytes would differ under the final dtypes."""
    with coordinator.engine() as engine, coordinator.writing_into(folder):
        coordinator.convert(engine)
        coordinator.check_rows()
        reconcile(coordinator, engine, folder)
    coordinator.end()


def _as_it_was_made(plan: Plan, folder: OutputFolder) -> Plan:
    """The conversion as it was when it made the dataset; what a manifest may say is not trusted."""
    made = read_manifest(folder.store).options.get("table_bytes")
    is_size = made is None or (type(made) is int and made > 0)
    return plan_as_begun(plan, made) if is_size else plan


def _is_finished(folder: OutputFolder, now: Identity) -> bool:
    """Whether all that was left of this very conversion was its commit, which is done by now."""
    before = folder.finished
    return before is not None and before.force == now.force and not differences(before, now)
