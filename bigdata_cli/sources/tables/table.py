"""A table: named columns of Arrow types, in parts that can be read one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.io.origin import check_unchanged
from bigdata_cli.url import Place, Url


@dataclass(frozen=True, kw_only=True)
class Table(ABC):
    """A Parquet file, or a dataset of ours.

    name: as the user gave it; stem: what a dataset made of it is called. types: the columns, in
    order. parts: rows of each part. max_rows: the first ones that are read, None for all. dtypes:
    of columns whose dtype is settled, of all rows; vocabularies: of the categories among them.
    bytes, mtime_ns, digest: as in the manifest.
    """

    name: str
    stem: str
    path: Place
    types: Mapping[str, pa.DataType]
    parts: tuple[int, ...]
    max_rows: int | None = None
    dtypes: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    bytes: int
    mtime_ns: int
    digest: str

    @property
    def rows(self) -> int:
        rows = sum(self.parts)
        return rows if self.max_rows is None else min(rows, self.max_rows)

    @property
    def is_remote(self) -> bool:
        return isinstance(self.path, Url)

    def entry(self) -> SourceEntry:
        return SourceEntry(
            name=self.name, bytes=self.bytes, mtime_ns=self.mtime_ns, digest=self.digest
        )

    def check_unchanged(self) -> None:
        """Raise SourceLostError where it is gone, DataError where it was written to meanwhile."""
        check_unchanged(self.name, self.path, self.bytes, self.mtime_ns)

    @abstractmethod
    def read(
        self, columns: Sequence[str], *, batch_bytes: int, part: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """These columns of all rows, or of one part's, in order, in batches of about so many bytes.

        Raises DataError where the table is damaged.
        """

    def integer_bounds(self, columns: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Minimum and maximum of integer columns as far as the table says them: a guess."""
        return {}
