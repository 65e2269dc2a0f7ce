"""Where a conversion stands that was interrupted: shards that are finished, and still whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bigdata_cli.checksum import FileEntry, read_checksum
from bigdata_cli.conversion import shard_record
from bigdata_cli.conversion.identity import differences
from bigdata_cli.conversion.journal import Written, read_journal
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import partial_path


@dataclass(frozen=True)
class Resumed:
    """What a journal says of a conversion.

    results: in the order in which they came; several of a shard that was written again.
    n_shards: where the source was read to its end. table_bytes: as `Prepared` has it.
    """

    written: Written
    results: tuple[ShardResult, ...]
    n_shards: int | None
    table_bytes: int | None


def find_unfinished(
    folder: Path, header: Mapping[str, Any], names: Sequence[str], *, force: bool
) -> Resumed | None:
    """What there is to go on with; None to start over.

    header: of this conversion; names: its columns. Raises UsageError where another conversion is
    unfinished in the folder, which says what differs, but with `force`.
    """
    written = read_journal(folder)
    if written is None:
        return None
    before = written.first("begin")
    if force and not before.get("force"):
        return None
    changed = differences(before, header)
    if not before.get("can_go_on"):
        return None
    if changed and not force:
        raise UsageError(
            f"{folder} holds an unfinished conversion, and this one is another: "
            + "; ".join(changed),
            hint="--force starts over, -o OTHER leaves it as it is",
        )
    try:
        vocabularies = shard_record.Vocabularies()
        results = tuple(
            shard_record.from_json(entry.value, names, vocabularies)
            for entry in written.entries
            if entry.kind == "shard"
        )
    except ValueError:
        return None
    if changed:
        return None
    return Resumed(written, results, written.first("end"), before["table_bytes"])


def check_files(
    folder: Path,
    results: Sequence[ShardResult],
    *,
    jobs: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[ShardResult]:
    """The results, spoiled where a file is not what it was: such a shard is written again."""

    def checked(result: ShardResult) -> ShardResult:
        is_whole = all(
            is_as_written(partial_path(folder / file.name), file) for file in files_of(result)
        )
        if on_progress is not None:
            on_progress(sum(file.bytes for file in result.files), result.rows)
        if is_whole:
            return result
        return replace(result, spoiled=True, files=(), rest=None, rejects=None)

    with ThreadPoolExecutor(jobs, thread_name_prefix="check") as pool:
        return list(pool.map(checked, results))


def files_of(result: ShardResult) -> tuple[FileEntry, ...]:
    """All files of a shard: of rows that did not fit, and of its rejected records too."""
    extra = (result.rejects, None if result.rest is None else result.rest.file)
    return (*result.files, *(file for file in extra if file is not None))


def is_as_written(path: Path, entry: FileEntry) -> bool:
    """Whether a file has the size and the checksum of its entry."""
    try:
        if path.is_symlink() or path.stat().st_size != entry.bytes:
            return False
        with path.open("rb", buffering=0) as file:
            return read_checksum(file, like=entry.checksum) == entry.checksum
    except OSError:
        return False
