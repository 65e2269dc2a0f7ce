"""All checks of a dataset, one after the other; those of its shards on the workers of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bigdata_cli.dataset import Dataset, dataset_folder
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import (
    Seal,
    load_manifest,
    manifest_file,
    read_manifest_bytes,
)
from bigdata_cli.engines.base import Task
from bigdata_cli.engines.registry import make_engine
from bigdata_cli.errors import DataError, VerificationError
from bigdata_cli.io.stores import open_store
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.resources.sizes import format_size
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.url import Place
from bigdata_cli.verification.manifest import check_manifest, check_rejects, other_files
from bigdata_cli.verification.options import VerifyOptions
from bigdata_cli.verification.report import Finding, VerifyProgress, VerifyReport
from bigdata_cli.verification.shards import ShardCheck, check_file, check_on_worker

ProgressListener = Callable[[VerifyProgress], None]


def run(
    path: str | Path, options: VerifyOptions, *, progress: ProgressListener | None = None
) -> VerifyReport:
    """All checks of the dataset at `path`."""
    jobs = options.jobs or available_cpus()
    folder = dataset_folder(options.cached.place(path))
    store = open_store(folder)
    manifest, seal = _manifest(folder)
    dataset = Dataset(folder, manifest)
    findings: list[Finding] = []
    _report_decisions(dataset, seal, options, jobs)
    opened = None
    if options.source is not None:
        from bigdata_cli.verification.source import open_source_of

        opened = open_source_of(dataset, options.source)
        findings += opened.findings
    if seal is not Seal.INTACT:
        findings.append(Finding(file=dataset.manifest_name, what=f"was changed: {seal.value}"))
    begin_phase("verifying")
    n_bytes = rows = 0
    found: dict[int, ShardCheck] = {}
    for checked in _checked_shards(dataset, options, jobs):
        found[checked.index] = checked
        rows += checked.rows
        n_bytes += checked.bytes
        if progress is not None:
            progress(VerifyProgress(bytes_done=n_bytes, bytes_total=manifest.bytes, rows=rows))
    findings += [finding for index in sorted(found) for finding in found[index].findings]
    damaged = {index for index, checked in found.items() if checked.findings}
    for sidecar in manifest.sidecars:
        findings += check_file(store, sidecar)
    findings += check_rejects(dataset)
    findings += check_manifest(dataset)
    strangers, others = other_files(dataset)
    findings += strangers
    compared_rows = None
    if opened is not None and not opened.findings:
        from bigdata_cli.verification.compare import compare_values

        names = ", ".join(file.name for file in opened.rows.files[:5])
        report_decision(f"source: {names} ({format_size(opened.rows.bytes)})")
        begin_phase("comparing")
        comparison = compare_values(dataset, opened, damaged=damaged, jobs=jobs, progress=progress)
        findings += comparison.findings
        compared_rows = comparison.rows
    return VerifyReport(
        path=folder,
        format=manifest.format,
        layout=manifest.storage.layout,
        n_shards=len(manifest.shards),
        n_files=sum(len(shard.files) for shard in manifest.shards),
        rows=rows,
        bytes=n_bytes,
        findings=tuple(dict.fromkeys(findings)),
        compared_rows=compared_rows,
        in_any_order=manifest.is_reordered,
        other_files=others,
    )


def _report_decisions(dataset: Dataset, seal: Seal, options: VerifyOptions, jobs: int) -> None:
    manifest = dataset.manifest
    report_decision(
        f"dataset: {manifest.format}, layout {manifest.storage.layout}, "
        f"{len(manifest.shards):,} shards, {manifest.rows:,} rows, {format_size(manifest.bytes)}"
    )
    report_decision(
        f"manifest: {dataset.manifest_name}, version {manifest.manifest_version}, {seal.value}"
    )
    asked = "--jobs" if options.jobs else "the processors that are free"
    report_decision(f"jobs: {jobs:,} ({asked}); engine: {options.workers.engine}")


def _manifest(folder: Place) -> tuple[Manifest, Seal]:
    """The manifest, whether it is the one that was written or not."""
    file = manifest_file(open_store(folder))
    data = read_manifest_bytes(file)
    try:
        manifest, seal = load_manifest(open_store(folder), file.name, data)
        Dataset(folder, manifest).format  # noqa: B018 - what the manifest says of it is checked
    except DataError as error:
        raise VerificationError(error.message, hint=error.hint) from error
    return manifest, seal


def _checked_shards(dataset: Dataset, options: VerifyOptions, jobs: int) -> Iterator[ShardCheck]:
    """What the checks of each shard gave, as they end."""
    workers = options.workers
    engine = make_engine(
        workers.engine,
        jobs,
        scheduler=workers.address,
        n_workers=options.jobs,
        modules=(check_on_worker.__module__, type(dataset.format).__module__),
    )
    tasks = (Task(index, dataset) for index in range(len(dataset.shards)))
    with engine, closing(engine.map(check_on_worker, tasks, units_per_shard=1)) as events:
        for event in events:
            if isinstance(event, ShardCheck):
                yield event
