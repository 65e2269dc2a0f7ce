"""The report of a dataset, from its manifest."""

from __future__ import annotations

import shlex

from bigdata_cli.conversion.estimate.costs import Room
from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import BigdataError
from bigdata_cli.formats.example_spec import MAX_SHOWN_FEATURES, spec_text
from bigdata_cli.inspection.balance import label_balance
from bigdata_cli.inspection.facts import (
    ClassBalance,
    DatasetColumn,
    DatasetShard,
    DatasetSplit,
)
from bigdata_cli.inspection.report import DatasetReport
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.types.dtype import Kind
from bigdata_cli.types.footprint import column_bytes, pandas_bytes
from bigdata_cli.url import Place

_BATCH_ROWS = 8192


def inspect_dataset(
    path: Place, room: Room, *, label: str | None = None, with_shuffle_score: bool = False
) -> DatasetReport:
    """What is in a dataset, and how it is loaded: from the manifest, and rows of the label.

    label: the column that `with_shuffle_score` is about, None for the label of the dataset.
    """
    dataset = open_dataset(path)
    manifest = dataset.manifest
    report_decision(
        f"dataset: {manifest.format}, layout {manifest.storage.layout}, {manifest.rows:,} rows; "
        f"all but the classes of the label is in {dataset.manifest_name}"
    )
    columns = _columns(dataset)
    shards = (
        DatasetShard(files=shard.file_names, rows=shard.rows, bytes=shard.bytes)
        for shard in dataset.shards
    )
    begin_phase("counting")
    score = dataset.shuffle_score(label=label) if with_shuffle_score else None
    label = manifest.storage.label
    folder = shlex.quote(str(dataset.path))
    balances, notes = _balances(dataset)
    if score is not None and score.is_weak:
        notes = (*notes, score.advice(str(dataset.path)))
    return DatasetReport(
        path=str(dataset.path),
        format=manifest.format,
        layout=manifest.storage.layout,
        label=label,
        compression=manifest.storage.compression,
        rows=manifest.rows,
        rejected_rows=manifest.rejected_rows,
        filtered_rows=manifest.filtered_rows,
        bytes=manifest.bytes,
        source_bytes=sum(source.bytes for source in manifest.sources),
        sources=tuple(source.name for source in manifest.sources),
        shards=tuple(shards),
        columns=columns,
        next_command=f"bigdata verify {folder}"
        if label is None
        else f"bigdata train {folder} --label {shlex.quote(label)}",
        memory_bytes=sum(column.bytes for column in columns),
        room=room,
        loaders=loader_lines(dataset),
        balance=balances.get(None),
        splits=tuple(
            DatasetSplit(
                name=name,
                rows=part.rows,
                shards=len(part.shards),
                bytes=part.manifest.bytes,
                balance=balances.get(name),
            )
            for name, part in dataset.splits.items()
        ),
        shuffle_score=score,
        notes=notes,
    )


def _columns(dataset: Dataset) -> tuple[DatasetColumn, ...]:
    columns = []
    for column in dataset.schema:
        known = dataset.statistics(column.name)
        columns.append(
            DatasetColumn(
                name=column.name,
                dtype=column.dtype,
                n_categories=column.n_values if column.vocabulary is not None else None,
                nulls=known.nulls,
                minimum=known.minimum,
                maximum=known.maximum,
                mean=known.mean,
                std=known.std,
                bytes=column_bytes(column, known, rows=dataset.rows),
                pandas_bytes=pandas_bytes(column, known),
            )
        )
    return tuple(columns)


def _balances(
    dataset: Dataset,
) -> tuple[dict[str | None, ClassBalance | None], tuple[str, ...]]:
    """The classes of the label by split, None for the whole; and what could not be counted."""
    balances: dict[str | None, ClassBalance | None] = {}
    try:
        for name, part in [(None, dataset), *dataset.splits.items()]:
            balances[name] = label_balance(part)
    except BigdataError as error:
        return balances, (f"the classes of the label were not counted: {error.message}",)
    return balances, ()


def loader_lines(dataset: Dataset) -> dict[str, str]:
    """Lines of Python that load the dataset in shuffled batches, by library.

    (X, y) where there is a label and no text, else a dict by column.
    """
    opened = (
        f"from bigdata_cli import open_dataset\n\ndataset = open_dataset({str(dataset.path)!r})\n"
    )
    label = dataset.storage.label
    has_text = any(column.kind is Kind.TEXT for column in dataset.schema)
    if label is not None and not has_text and len(dataset.schema) > 1:
        arguments, names = f"{_BATCH_ROWS}, shuffle=True", "X, y"
        shown = f"X: float32 (rows, {len(dataset.schema) - 1}), y: {label!r}"
    else:
        arguments, names = f"{_BATCH_ROWS}, shuffle=True, dtype=None", "batch"
        shown = "a dict by column"
    lines = {
        "NumPy": f"{opened}for {names} in dataset.to_numpy_batches({arguments}):\n"
        f"    ...  # {shown}",
        "pandas": f"{opened}for frame in dataset.iter_pandas({_BATCH_ROWS}):\n"
        "    ...  # a DataFrame",
        "tf.data": f"{opened}batches = dataset.to_tf({arguments})  # {shown}",
        "torch": "from torch.utils.data import DataLoader\n"
        f"{opened}batches = dataset.to_torch({arguments})\n"
        "loader = DataLoader(batches, batch_size=None, num_workers=2)\n"
        f"for {names} in loader:\n"
        f"    ...  # {shown}",
    }
    if dataset.format.traits.holds_examples:
        lines["tf.io"] = _parse_example(dataset)
    return lines


def _parse_example(dataset: Dataset) -> str:
    """Lines that read the records with TensorFlow alone; of wide datasets with the spec by name."""
    compression = (dataset.storage.compression or "none").partition(":")[0]
    gzip = ', compression_type="GZIP"' if compression == "gzip" else ""
    spec = dataset.format.feature_spec(dataset.manifest.to_json())
    made = f"open_dataset({str(dataset.path)!r}).feature_spec()"
    first = "from bigdata_cli import open_dataset\n"
    if len(spec) <= MAX_SHOWN_FEATURES:
        first, made = "", spec_text(spec)
    extension = dataset.format.traits.extensions[0]
    pattern = str(dataset.path / f"*{extension}*")
    n_records = 8 if dataset.storage.layout == "block" else _BATCH_ROWS
    return (
        f"{first}import tensorflow as tf\n\nspec = {made}\n"
        f"files = sorted(tf.io.gfile.glob({pattern!r}))\n"
        f"records = tf.data.TFRecordDataset(files{gzip}).batch({n_records})\n"
        "batches = records.map(lambda batch: tf.io.parse_example(batch, spec))"
    )
