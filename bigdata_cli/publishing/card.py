"""The card of a dataset: what `load_dataset` needs, and what people want to know of it.

Its text stands between two marks, so that what others have written around it stays.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bigdata_cli import DISTRIBUTION
from bigdata_cli.dataset.manifest import Manifest, ShardEntry
from bigdata_cli.resources.sizes import format_size
from bigdata_cli.types.dtype import Kind, arrow_type, kind_of
from bigdata_cli.types.statistics import ColumnStatistics

BEGIN, END = "<!-- written by bigdata push -->", "<!-- end of what bigdata push wrote -->"
WHOLE = "train"
"""What the hub calls all rows of a dataset without splits."""
_SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M")),
    *((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B")),
    *((10**11, "10B<n<100B"), (10**12, "100B<n<1T")),
)
_DTYPES = {"float": "float32", "double": "float64", "date32[day]": "date32"}
_MAX_SOURCES = 20


def metadata(manifest: Manifest) -> dict[str, Any]:
    """The part of a card that programs read: files and rows of each split, types of columns."""
    splits = splits_of(manifest)
    return {
        "size_categories": [next((name for n, name in _SIZES if manifest.rows < n), "n>1T")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": name, "path": [file for s in shards for file in s.file_names]}
                    for name, shards in splits
                ],
            }
        ],
        "dataset_info": {
            "features": [
                {"name": column.name, "dtype": _hub_dtype(column.dtype)}
                for column in manifest.schema
            ],
            "splits": [
                {
                    "name": name,
                    "num_bytes": sum(shard.bytes for shard in shards),
                    "num_examples": sum(shard.rows for shard in shards),
                }
                for name, shards in splits
            ],
            "download_size": manifest.bytes,
            "dataset_size": manifest.bytes,
        },
    }


def splits_of(manifest: Manifest) -> list[tuple[str, Sequence[ShardEntry]]]:
    """The shards of each split, by its name."""
    if not manifest.splits:
        return [(WHOLE, manifest.shards)]
    places = ((split.name, manifest.shards_of(split.name)) for split in manifest.splits)
    return [(name, manifest.shards[place.start : place.stop]) for name, place in places]


def _hub_dtype(dtype: str) -> str:
    """What the hub calls a type; categories are texts there."""
    if kind_of(dtype) is Kind.CATEGORY:
        return "string"
    name = str(arrow_type(dtype))
    return _DTYPES.get(name, name)


def card_text(manifest: Manifest, repository: str) -> str:
    """The part of a card that people read, between its marks."""
    size = f"{len(manifest.shards):,} {manifest.format} files ({format_size(manifest.bytes)})"
    lines = [
        BEGIN,
        "",
        f"{manifest.rows:,} rows and {len(manifest.columns):,} columns in {size}.",
        *_loading(repository, [name for name, _ in splits_of(manifest)]),
        *_columns(manifest),
        *_splits(manifest),
        *_provenance(manifest),
        "",
        END,
    ]
    return "\n".join(lines)


def with_card(before: str, text: str, title: str) -> str:
    """The text of a card with ours in its place, or after what is there."""
    start, end = before.find(BEGIN), before.find(END)
    if 0 <= start < end:
        return before[:start] + text + before[end + len(END) :]
    if before.strip():
        return f"{before.rstrip()}\n\n{text}\n"
    return f"# {title}\n\n{text}\n"


def _loading(repository: str, splits: Sequence[str]) -> Iterator[str]:
    yield from ("", "## Load it", "", "```python", "from datasets import load_dataset", "")
    yield f'dataset = load_dataset("{repository}", split="{splits[0]}")'
    yield from ("```", "", f"Or with `pip install '{DISTRIBUTION}[hf]'`, without a copy of it:")
    yield from ("", "```python", "from bigdata_cli import open_dataset", "")
    yield f'dataset = open_dataset("hf://datasets/{repository}")'
    yield "```"


def _columns(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## Columns", "")
    yield from _table(
        ("column", "type", "nulls", "least", "greatest", "mean"),
        (
            (column.name, _shown_type(column.dtype, column.n_values), *_shown(known))
            for column in manifest.schema
            for known in [manifest.statistics.get(column.name)]
        ),
    )
    if manifest.label is not None:
        yield from ("", f"The label is `{manifest.label}`.")


def _shown_type(dtype: str, n_values: int) -> str:
    return f"{dtype} of {n_values:,} values" if n_values else dtype


def _shown(known: ColumnStatistics | None) -> tuple[str, str, str, str]:
    if known is None:
        return "", "", "", ""
    ends = ("" if end is None else str(end) for end in (known.minimum, known.maximum))
    mean = "" if known.mean is None else f"{known.mean:.6g}"
    return f"{known.nulls:,}", *ends, mean  # type: ignore[return-value]


def _splits(manifest: Manifest) -> Iterator[str]:
    if manifest.splits:
        yield from ("", "## Splits", "")
        rows = ((one.name, f"{one.rows:,}", f"{one.shards:,}") for one in manifest.splits)
        yield from _table(("split", "rows", "files"), rows)


def _provenance(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## Where it comes from", "")
    yield f"Made by bigdata {manifest.tool_version} of:"
    yield ""
    rows = (
        (posixpath.basename(one.name), f"{one.bytes:,}", one.digest[:16])
        for one in manifest.sources[:_MAX_SOURCES]
    )
    yield from _table(("file", "bytes", "digest"), rows)
    left = len(manifest.sources) - _MAX_SOURCES
    if left > 0:
        yield from ("", f"… and {left:,} more files, which the manifest has.")
    facts = [
        f"{manifest.rejected_rows:,} records were rejected" if manifest.rejected_rows else "",
        f"{manifest.filtered_rows:,} rows were filtered" if manifest.filtered_rows else "",
        f"{len(manifest.transforms):,} steps shaped the rows" if manifest.transforms else "",
        f"the order of the rows is: {manifest.order}",
    ]
    told = "; ".join(fact for fact in facts if fact)
    yield from ("", f"{told[0].upper()}{told[1:]}. The manifest has all of it.")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(_cell(text) for text in row)} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
