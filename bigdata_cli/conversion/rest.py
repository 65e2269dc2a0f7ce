"""What is known of the rows of a shard that its files could not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bigdata_cli.checksum import FileEntry
from bigdata_cli.conversion.widening import Stored


@dataclass(frozen=True, kw_only=True)
class Rest:
    """The file of those rows, and how the columns are stored.

    rows_before: in the shard's own files, whose columns are `before`. columns: per column an entry
    for each dtype that it has in the file; of its rows without a value the dtype is null.
    """

    file: FileEntry
    rows_before: int
    before: tuple[Stored, ...]
    columns: tuple[tuple[Stored, ...], ...]


class RestColumns:
    """Adds up what the chunks show that go into such a file."""

    def __init__(self, before: Sequence[Stored]) -> None:
        self.before = tuple(before)
        self._columns: list[dict[str, Stored]] = [{} for _ in before]

    def add(self, chunk: Sequence[Stored]) -> None:
        """Take the columns of a chunk."""
        for known, one in zip(self._columns, chunk, strict=True):
            dtype = one.column.dtype if one.has_values else "null"
            if dtype in known:
                before = known[dtype]
                observed = before.observed.join(one.observed)
                known[dtype] = replace(before, observed=observed)
            else:
                known[dtype] = replace(one, column=replace(one.column, dtype=dtype))

    def stored(self, column: int) -> tuple[Stored, ...]:
        """How a column is stored."""
        return tuple(self._columns[column].values())

    def finish(self, file: FileEntry, *, rows_before: int) -> Rest:
        columns = tuple(self.stored(i) for i in range(len(self.before)))
        return Rest(file=file, rows_before=rows_before, before=self.before, columns=columns)
