"""Checks of a manifest: against itself, the rejected records, and its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from bigdata_cli.dataset import Dataset
from bigdata_cli.dataset.manifest import SHARD_FILE
from bigdata_cli.dataset.rejects_file import read_rejects, rejects_entry
from bigdata_cli.io.manifest_names import is_manifest_name
from bigdata_cli.io.store import PARTIAL_SUFFIX, StoredFile
from bigdata_cli.verification.lanes import source_shard
from bigdata_cli.verification.report import Finding


def check_manifest(dataset: Dataset) -> Iterator[Finding]:
    """Check totals and statistics against the shards, and that no file is listed twice."""
    written, rows = dataset.manifest.written_rows, dataset.rows
    if written != rows:
        what = "the sum of the shards' rows"
        yield Finding(file=dataset.manifest_name, what=what, expected=written, found=rows)
    for name, known in dataset.manifest.statistics.items():
        if known.count != dataset.rows:
            yield Finding(
                file=dataset.manifest_name,
                what=f'the number of rows in the statistics of "{name}"',
                expected=dataset.rows,
                found=known.count,
            )
    yield from _check_splits(dataset)
    manifest = dataset.manifest
    listed = Counter(name for shard in manifest.shards for name in shard.file_names)
    listed.update(file.name for file in manifest.sidecars)
    for name, times in listed.items():
        if times > 1:
            yield Finding(file=name, what=f"is listed {times} times in the manifest")
    yield from _check_ranges(dataset)


def _check_splits(dataset: Dataset) -> Iterator[Finding]:
    """Check the totals of the splits against their shards."""
    manifest = dataset.manifest
    file = dataset.manifest_name
    for split in manifest.splits:
        rows = sum(manifest.shards[place].rows for place in manifest.shards_of(split.name))
        if split.rows != rows:
            what = f'the sum of the rows of the shards of split "{split.name}"'
            yield Finding(file=file, what=what, expected=split.rows, found=rows)
        for name, known in split.statistics.items():
            if known.count != rows:
                what = f'the number of rows in the statistics of "{name}" in "{split.name}"'
                yield Finding(file=file, what=what, expected=rows, found=known.count)


def _check_ranges(dataset: Dataset) -> Iterator[Finding]:
    """Check that the pieces of the sources do not overlap; those of tables have all rows."""
    manifest = dataset.manifest
    # Those of a shard of the source are of all shards that were made of it, one of each split.
    made_of = {source_shard(one, i): one.source_ranges for i, one in enumerate(manifest.shards)}
    pieces = sorted(piece for ranges in made_of.values() for piece in ranges)
    for index, shard in enumerate(manifest.shards):
        if made_of[source_shard(shard, index)] != shard.source_ranges:
            what = "was made of another piece of the source than the same shard of other splits"
            yield Finding(file=shard.file_names[0], what=what)
    for source, _, _ in pieces[-1:]:
        if source >= len(manifest.sources):
            what = f"a shard is of source {source}, which is not listed"
            yield Finding(file=dataset.manifest_name, what=what)
    for before, after in pairwise(pieces):
        if before[0] == after[0] and before[2] > after[1]:
            yield Finding(
                file=dataset.manifest_name,
                what=f"two shards were made of the same piece of source {before[0]}, "
                f"{after[1]} to {min(before[2], after[2])}",
            )
    if "table" in manifest.dialect and pieces:
        read = sum(stop - start for _, start, stop in pieces)
        found = manifest.rows + manifest.rejected_rows + manifest.filtered_rows
        # Of a shard that has no rows no split has a part.
        least = manifest.rows if manifest.splits else found
        if not least <= read <= found:
            yield Finding(
                file=dataset.manifest_name,
                what="the number of rows, rejected rows and filtered rows",
                expected=read,
                found=found,
            )


def check_rejects(dataset: Dataset) -> Iterator[Finding]:
    """Check that there are as many rejected records as the manifest says."""
    manifest = dataset.manifest
    entry = rejects_entry(manifest)
    if entry is None:
        if manifest.rejected_rows:
            what = f"it has {manifest.rejected_rows:,} rejected rows, and lists no file of them"
            yield Finding(file=dataset.manifest_name, what=what)
        return
    n_records = 0
    try:
        for _ in read_rejects(StoredFile(dataset.store, entry.name)):
            n_records += 1
    except FileNotFoundError:
        return  # which the check of its size and checksum has found
    except (OSError, ValueError) as error:
        yield Finding(file=entry.name, what=f"cannot be read: {error}")
        return
    if n_records != manifest.rejected_rows:
        yield Finding(
            file=entry.name,
            what="number of records",
            expected=manifest.rejected_rows,
            found=n_records,
        )


def other_files(dataset: Dataset) -> tuple[list[Finding], tuple[str, ...]]:
    """Files that look like shards and are not in the manifest; and the names of all others."""
    listed = {name for shard in dataset.shards for name in shard.file_names}
    stems = {dataset.manifest.name}
    for name in listed:
        if match := SHARD_FILE.fullmatch(name.rpartition("/")[2]):
            stems.add(match["stem"])
    listed |= {dataset.manifest_name, *(file.name for file in dataset.manifest.sidecars)}
    findings, others = [], []
    for name in sorted(dataset.store.names()):
        if name in listed:
            continue
        if name.endswith(PARTIAL_SUFFIX):
            findings.append(Finding(file=name, what="is unfinished and not in the manifest"))
        elif (match := SHARD_FILE.fullmatch(name.rpartition("/")[2])) and _is_ours(
            match["stem"], stems
        ):
            findings.append(Finding(file=name, what="is not in the manifest"))
        elif is_manifest_name(name):
            what = f"is a manifest as well; the dataset is that of {dataset.manifest_name}"
            findings.append(Finding(file=name, what=what))
        else:
            others.append(name)
    return findings, tuple(others)


def _is_ours(stem: str, stems: set[str]) -> bool:
    return any(stem == ours or stem.startswith(ours + ".") for ours in stems)
