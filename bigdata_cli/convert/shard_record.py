"""What became of a shard, as its line in the journal has it; read back it is the same result.

Floats are written so that they read back exactly. Of a schema only what decides whether a shard is
written again is kept; of the distinct texts of a column those that no shard before it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from bigdata_cli.checksum import FileEntry, checked
from bigdata_cli.convert.builder import ShardResult
from bigdata_cli.manifest import plain_name
from bigdata_cli.schema.dtype import Column, Schema
from bigdata_cli.schema.lattice import Observed
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.sources.blocks import ByteRange

_STATISTICS = tuple(field.name for field in fields(ColumnStatistics))
_OBSERVED = tuple(field.name for field in fields(Observed))


def to_json(result: ShardResult) -> dict[str, Any]:
    """A result without an error as plain JSON values."""
    return {
        "index": result.index,
        "spoiled": result.spoiled,
        "rows": result.rows,
        "rejected": result.rejected,
        "blank_lines": result.blank_lines,
        "files": [_file_to_json(file) for file in result.files],
        "rejects": None if result.rejects is None else _file_to_json(result.rejects),
        "starts": list(result.starts),
        "stops": list(result.stops),
        "pieces": [list(piece) for piece in result.pieces],
        "dtypes": [column.dtype for column in result.schema],
        "physical": list(result.physical),
        "observed": [[getattr(seen, name) for name in _OBSERVED] for seen in result.observed],
        "statistics": [[getattr(one, name) for name in _STATISTICS] for one in result.statistics],
        "distinct": [None if texts is None else sorted(texts) for texts in result.distinct],
    }


def from_json(data: dict[str, Any], names: Sequence[str]) -> ShardResult:
    """The result of a line; names: of the columns. Raises ValueError for what is none."""
    try:
        result = ShardResult(
            index=int(data["index"]),
            files=tuple(_file_from_json(file) for file in data["files"]),
            spoiled=bool(data["spoiled"]),
            schema=Schema(
                tuple(
                    Column(name=name, dtype=dtype)
                    for name, dtype in zip(names, data["dtypes"], strict=True)
                )
            ),
            physical=tuple(data["physical"]),
            rows=int(data["rows"]),
            rejected=int(data["rejected"]),
            rejects=None if data["rejects"] is None else _file_from_json(data["rejects"]),
            blank_lines=int(data["blank_lines"]),
            starts=tuple(data["starts"]),
            stops=tuple(data["stops"]),
            pieces=tuple(ByteRange(*piece) for piece in data["pieces"]),
            observed=tuple(Observed(*seen) for seen in data["observed"]),
            distinct=tuple(
                None if texts is None else frozenset(texts) for texts in data["distinct"]
            ),
            statistics=tuple(
                ColumnStatistics(**dict(zip(_STATISTICS, one, strict=True)))
                for one in data["statistics"]
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the result of a shard: {error!r}") from error
    per_column = (result.physical, result.observed, result.statistics)
    if any(len(one) != len(names) for one in per_column):
        raise ValueError("not the result of a shard with these columns")
    return result


def _file_to_json(file: FileEntry) -> list[Any]:
    return [file.name, file.bytes, file.checksum]


def _file_from_json(data: list[Any]) -> FileEntry:
    name, n_bytes, checksum = data
    if ":" not in checksum:  # before there were several algorithms
        checksum = f"sha256:{checksum}"
    return FileEntry(name=plain_name(name), bytes=int(n_bytes), checksum=checked(checksum))
