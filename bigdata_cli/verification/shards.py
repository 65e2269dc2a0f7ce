"""Checks of the files of one shard: by the file system, checksums and the format's library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bigdata_cli.checksum import FileEntry, algorithm_name, read_checksum
from bigdata_cli.dataset import Dataset
from bigdata_cli.engines.base import AllSubmitted, Worker
from bigdata_cli.errors import BigdataError
from bigdata_cli.io.store import Store
from bigdata_cli.verification.report import Finding


@dataclass(frozen=True, kw_only=True)
class ShardCheck:
    """What was found in a shard.

    index: of the shard. rows: 0 where it cannot be read. bytes: by the manifest.
    """

    index: int
    findings: tuple[Finding, ...]
    rows: int
    bytes: int


def check_on_worker(
    index: int, dataset: Dataset, worker: Worker
) -> Iterator[AllSubmitted | ShardCheck]:
    """The work of an engine on one shard; its only event is what was found."""
    worker.check()
    checking = worker.pool.submit(check_shard, dataset, index)
    yield AllSubmitted()
    yield checking.result()


def check_shard(dataset: Dataset, index: int) -> ShardCheck:
    """Check the files of a shard, its rows and its columns."""
    shard = dataset.shards[index]
    findings = [finding for file in shard.files for finding in check_file(dataset.store, file)]
    rows = 0
    if findings:  # what is not what was written is not given to the libraries of the formats
        return ShardCheck(index=index, findings=tuple(findings), rows=0, bytes=shard.bytes)
    try:
        names, storage = shard.file_names, dataset.storage
        promised = dataset.format.check_schema(dataset.store, names, dataset.schema, storage)
        # Rows that are not there could be many, and are not looked for.
        if promised in (None, shard.rows):
            rows = dataset.format.count_rows(dataset.store, names, storage)
        else:
            rows = promised
        if rows != shard.rows:
            findings.append(
                Finding(file=names[0], what="number of rows", expected=shard.rows, found=rows)
            )
    except BigdataError as error:
        findings.append(Finding(file=shard.file_names[0], what=error.message))
    except Exception as error:  # a library may say anything of a damaged file
        what = f"cannot be read: {type(error).__name__}: {error}"
        findings.append(Finding(file=shard.file_names[0], what=what))
    return ShardCheck(index=index, findings=tuple(findings), rows=rows, bytes=shard.bytes)


def check_file(store: Store, entry: FileEntry) -> Iterator[Finding]:
    """What is wrong with a file: its place, its size, its checksum."""
    problem = store.problem(entry.name)
    if problem is not None:
        yield Finding(file=entry.name, what=problem)
        return
    try:
        with store.open(entry.name) as file:
            found = read_checksum(file, like=entry.checksum)
            n_bytes = file.tell()
    except OSError as error:
        yield Finding(file=entry.name, what=f"cannot be read: {error.strerror}")
        return
    if n_bytes != entry.bytes:
        yield Finding(file=entry.name, what="size", expected=entry.bytes, found=n_bytes)
    if found != entry.checksum:
        what = f"checksum ({algorithm_name(entry.checksum)})"
        digits = [checksum.partition(":")[2] for checksum in (entry.checksum, found)]
        yield Finding(file=entry.name, what=what, expected=digits[0], found=digits[1])
