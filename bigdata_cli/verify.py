"""Does a dataset still hold what its manifest says?

Every file is read twice: for its SHA-256, and through the library of its format.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigdata_cli.callable_package import make_callable
from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import BigdataError
from bigdata_cli.formats.base import PARTIAL_SUFFIX
from bigdata_cli.manifest import MANIFEST_NAME, FileEntry, ShardEntry

# `bigdata_cli.verify` is this module and the function of the public API.
make_callable(__name__, f"{__name__}:verify")

READ_BYTES = 1 << 20
_SHARD_FILE = re.compile(r"(?P<stem>.+)-\d{5,}-of-\d{5,}\.(parquet|h5|npy|tfrecord|tfrecord\.gz)")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference between a dataset and its manifest."""

    file: str
    what: str
    expected: Any = None
    found: Any = None

    def __str__(self) -> str:
        if self.expected is None and self.found is None:
            return f"{self.file}: {self.what}"
        return f"{self.file}: {self.what} is {self.found}, the manifest says {self.expected}"


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What was checked, and every difference that was found.

    rows: as counted in the shards that could be read; bytes: read for checksums.
    """

    path: Path
    format: str
    layout: str
    n_shards: int
    n_files: int
    rows: int
    bytes: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether the dataset is what its manifest says."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "path": str(self.path),
            "format": self.format,
            "layout": self.layout,
            "shards": self.n_shards,
            "files": self.n_files,
            "rows": self.rows,
            "bytes": self.bytes,
            "passed": self.passed,
            "findings": [vars(finding) for finding in self.findings],
        }


@dataclass(frozen=True, kw_only=True)
class VerifyProgress:
    """Where a verification stands: bytes of shards checked, of all that the manifest lists."""

    bytes_done: int
    bytes_total: int
    rows: int


def verify(
    path: str | Path, *, progress: Callable[[VerifyProgress], None] | None = None
) -> VerifyReport:
    """Check every file of a dataset: it is there, size, SHA-256, rows through its own library.

    Goes on after a difference, so that the report has them all. Files that look like shards of
    the dataset but are not in the manifest are differences too. Raises UsageError where there is
    no dataset and DataError where the manifest is damaged; damaged shards are in the report.
    """
    dataset = open_dataset(path)
    findings: list[Finding] = []
    rows = n_bytes = 0
    for shard in dataset.shards:
        for file in shard.files:
            findings += _check_file(dataset.path, file)
        counted, wrong = _count_rows(dataset, shard)
        findings += wrong
        rows += counted
        n_bytes += shard.bytes
        if progress is not None:
            progress(
                VerifyProgress(bytes_done=n_bytes, bytes_total=dataset.manifest.bytes, rows=rows)
            )
    findings += _check_totals(dataset)
    findings += _check_sidecars(dataset)
    findings += _unlisted_files(dataset)
    return VerifyReport(
        path=dataset.path,
        format=dataset.manifest.format,
        layout=dataset.storage.layout,
        n_shards=len(dataset.shards),
        n_files=sum(len(shard.files) for shard in dataset.shards),
        rows=rows,
        bytes=n_bytes,
        findings=tuple(findings),
    )


def _check_file(folder: Path, entry: FileEntry) -> Iterator[Finding]:
    path = folder / entry.name
    if not path.exists():
        yield Finding(file=entry.name, what="the file is missing")
        return
    if not path.is_file():
        yield Finding(file=entry.name, what="is not a file")
        return
    try:
        n_bytes = path.stat().st_size
        if n_bytes != entry.bytes:
            yield Finding(file=entry.name, what="size", expected=entry.bytes, found=n_bytes)
        digest = _sha256(path)
        if digest != entry.sha256:
            yield Finding(file=entry.name, what="SHA-256", expected=entry.sha256, found=digest)
    except OSError as error:
        yield Finding(file=entry.name, what=f"the file cannot be read: {error}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    buffer = bytearray(READ_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while n_read := file.readinto(buffer):
            digest.update(view[:n_read])
    return digest.hexdigest()


def _count_rows(dataset: Dataset, shard: ShardEntry) -> tuple[int, list[Finding]]:
    """The rows that the format's own library finds in a shard; 0 where it cannot be read."""
    name = shard.file_names[0] if shard.files else MANIFEST_NAME
    if not shard.files:
        return 0, [Finding(file=name, what="a shard has no files")]
    if not all((dataset.path / file).is_file() for file in shard.file_names):
        return 0, []
    try:
        rows = dataset.format.count_rows(dataset.path, shard.file_names, dataset.storage)
    except BigdataError as error:
        return 0, [Finding(file=name, what=error.message)]
    except Exception as error:  # a library may say anything of a damaged file
        return 0, [Finding(file=name, what=f"cannot be read: {type(error).__name__}: {error}")]
    if rows != shard.rows:
        return rows, [Finding(file=name, what="number of rows", expected=shard.rows, found=rows)]
    return rows, []


def _check_totals(dataset: Dataset) -> Iterator[Finding]:
    """The manifest agrees with itself: its total, the statistics, and no file listed twice."""
    written = json.loads((dataset.path / MANIFEST_NAME).read_text(encoding="utf-8")).get("rows")
    if written != dataset.rows:
        yield Finding(
            file=MANIFEST_NAME,
            what="the sum of the shards' rows",
            expected=written,
            found=dataset.rows,
        )
    for name, known in dataset.manifest.statistics.items():
        if known.count != dataset.rows:
            yield Finding(
                file=MANIFEST_NAME,
                what=f'the number of rows that the statistics of "{name}" are of',
                expected=dataset.rows,
                found=known.count,
            )
    listed = Counter(name for shard in dataset.shards for name in shard.file_names)
    for name, times in listed.items():
        if times > 1:
            yield Finding(file=name, what=f"is listed {times} times in the manifest")


def _check_sidecars(dataset: Dataset) -> Iterator[Finding]:
    for name in dataset.manifest.sidecars:
        if not (dataset.path / name).is_file():
            yield Finding(file=name, what="the file is missing")


def _unlisted_files(dataset: Dataset) -> Iterator[Finding]:
    """Files in the folder that could be taken for shards and are not in the manifest."""
    listed = {name for shard in dataset.shards for name in shard.file_names}
    stems = {dataset.manifest.name}
    for name in listed:
        if match := _SHARD_FILE.fullmatch(name):
            stems.add(match["stem"])
    for path in sorted(dataset.path.iterdir()):
        name = path.name
        if name in listed or name in dataset.manifest.sidecars:
            continue
        if name.endswith(PARTIAL_SUFFIX):
            yield Finding(file=name, what="is unfinished and not in the manifest")
        elif (match := _SHARD_FILE.fullmatch(name)) and _is_ours(match["stem"], stems):
            yield Finding(file=name, what="is not in the manifest")


def _is_ours(stem: str, stems: set[str]) -> bool:
    return any(stem == ours or stem.startswith(ours + ".") for ours in stems)
