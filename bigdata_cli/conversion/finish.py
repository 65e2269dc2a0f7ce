"""How a conversion ends: its dataset becomes visible, or what it can go on with is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import structs

from bigdata_cli.checksum import entry_of_bytes
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.disk_errors import disk_error
from bigdata_cli.conversion.pipe import SurpriseError
from bigdata_cli.conversion.rejects import merge_rejects
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import BigdataError, BudgetError, DataError, EngineError, SourceLostError
from bigdata_cli.resources.stages import begin_phase

if TYPE_CHECKING:
    from bigdata_cli.conversion.reorder import Scatter


def publish(conversion: Coordinator, folder: OutputFolder, scatter: Scatter | None) -> Manifest:
    """Make the dataset visible; returns its manifest."""
    begin_phase("committing")
    plan = conversion.plan
    manifest = conversion.manifest()
    read = conversion
    if scatter is not None:
        manifest, read = scatter.manifest(manifest), scatter.conversion
    sidecars = plan.form.sidecars(manifest.to_json())
    entries = [entry_of_bytes(name, text.encode()) for name, text in sidecars.items()]
    if manifest.rejected_rows:
        entries.append(
            merge_rejects(
                read.plan.source,
                folder.store,
                manifest,
                read.reject_pieces(),
                interleaved=read.order != "source",
            )
        )
    manifest = structs.replace(manifest, sidecars=tuple(entries))
    folder.commit(manifest, sidecars, conversion.renames())
    return manifest


@contextmanager
def clean_up(
    conversion: Coordinator, folder: OutputFolder, *, has_inner: bool = False
) -> Iterator[None]:
    """Where a conversion fails, keep what the same command can go on with, or nothing at all.

    has_inner: the inner store holds its rows.

    It can where the cause may go away by itself: an interrupt, a full disk, a source that is gone.
    What is wrong with the data or the options is so for good.
    """
    try:
        yield
    except BaseException as raised:
        error = cause_of(raised, conversion, folder)
        passes = not isinstance(error, BigdataError) or isinstance(
            error, BudgetError | EngineError | SourceLostError
        )
        can_go_on = passes or isinstance(raised, OSError)
        if has_inner and not can_go_on:
            folder.discard_inner()
        if isinstance(error, SurpriseError):
            kept = conversion.whole_files()
            folder.abandon(keep=kept)
            if kept:
                error.add_note(
                    f"{conversion.n_finished:,} shards are finished and stay in {folder.store}, as "
                    "files that end in .partial; the next conversion into it removes them"
                )
        elif folder.abandon(keep=conversion.finished_files() if can_go_on else ()):
            error.add_note(f"{conversion.state_text()}; the same command goes on from there")
        elif has_inner and can_go_on:
            error.add_note("all rows are scattered; the same command goes on from there")
        if error is raised:
            raise
        raise error from raised


def cause_of(error: BaseException, conversion: Coordinator, folder: OutputFolder) -> BaseException:
    """What to say of an error: where the source was changed or lost meanwhile, that is why."""
    if isinstance(error, DataError) and not isinstance(error, SourceLostError):
        try:
            for file in conversion.plan.source.files:
                file.check_unchanged()
        except DataError as why:
            return why
    return disk_error(error, folder.store) if isinstance(error, OSError) else error
