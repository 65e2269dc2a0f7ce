"""The state of an interrupted conversion: the shards that are finished and still whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec

from bigdata_cli.checksum import FileEntry, read_checksum
from bigdata_cli.conversion import shard_record
from bigdata_cli.conversion.identity import differences
from bigdata_cli.conversion.journal import Identity, Written, parse_line, read_journal
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.errors import UsageError
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.strict_json import Count, convert


class ResumeState(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal holds of a conversion.

    results: in the order in which they came; several of a shard that was written again. n_shards:
    None where the source was not read to its end. table_bytes: as `Plan` has it.
    """

    written: Written
    results: tuple[ShardResult, ...]
    n_shards: int | None
    table_bytes: int | None


def find_resume_state(
    store: Store, now: Identity, names: Sequence[str], *, force: bool
) -> ResumeState | None:
    """Find what this conversion can resume from.

    Args:
        store: Where the dataset is written.
        now: The identity of this conversion.
        names: The names of its columns.
        force: Start over in place of an error where the journal is of another conversion.

    Returns:
        The state; None to start over.

    Raises:
        UsageError: Another conversion is unfinished in the folder; the message says what differs.
    """
    results: list[ShardResult] = []
    vocabularies = shard_record.Vocabularies()
    is_readable = True

    def take(line: bytes) -> None:
        nonlocal is_readable
        entry = parse_line(line) if is_readable else None
        try:
            value = None if entry is None else entry.value
            results.append(shard_record.from_json(value, names, vocabularies))
        except ValueError:
            is_readable = False

    written = read_journal(store, take)
    before = None if written is None else written.identity()
    if written is None or before is None or (force and not before.force):
        return None
    if changed := differences(before, now):
        if force or not before.can_resume:
            return None
        raise UsageError(
            f"{store} holds an unfinished conversion, and this one is another: "
            + "; ".join(changed),
            hint="--force starts over, -o OTHER leaves it as it is",
        )
    try:
        end = written.first("end")
        n_shards = None if end is None else convert(end, Count)
    except ValueError:
        is_readable = False
        n_shards = None
    if not is_readable:
        return None
    return ResumeState(
        written=written, results=tuple(results), n_shards=n_shards, table_bytes=before.table_bytes
    )


def check_files(
    store: Store,
    results: Sequence[ShardResult],
    *,
    jobs: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[ShardResult]:
    """Check the files of results; where one was changed the shard is unusable, and made again."""

    def checked(result: ShardResult) -> ShardResult:
        is_whole = all(
            is_as_written(store, partial_name(file.name), file) for file in files_of(result)
        )
        if on_progress is not None:
            on_progress(sum(file.bytes for file in result.files), result.rows)
        if is_whole:
            return result
        return replace(result, unusable=True, files=(), rest=None, rejects=None)

    with ThreadPoolExecutor(jobs, thread_name_prefix="check") as pool:
        return list(pool.map(checked, results))


def files_of(result: ShardResult) -> tuple[FileEntry, ...]:
    """All files of a shard, with that of rows that did not fit and that of rejected records."""
    extra = (result.rejects, None if result.rest is None else result.rest.file)
    return (*result.files, *(file for file in extra if file is not None))


def is_as_written(store: Store, name: str, entry: FileEntry) -> bool:
    """Whether a file has the size and the checksum of its entry."""
    try:
        if store.problem(name) or store.stat(name).bytes != entry.bytes:
            return False
        with store.open(name) as file:
            return read_checksum(file, like=entry.checksum) == entry.checksum
    except OSError:
        return False
