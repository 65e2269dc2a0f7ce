"""The rows that a model predicts: of a dataset, or of any file as if it had become such a one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from msgspec import structs

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.manifest_names import has_manifest, is_manifest_name
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES
from bigdata_cli.sources.tally import Tally
from bigdata_cli.sources.typed_rows import TypedRows, source_rows
from bigdata_cli.strict_json import JsonError
from bigdata_cli.training.evaluate import as_dataset
from bigdata_cli.training.predict_options import PredictOptions
from bigdata_cli.transforms.prepare import Prepared, open_like
from bigdata_cli.types.dtype import Column, Kind, Schema, kind_of
from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.training.bag import Bag
    from bigdata_cli.training.saved import TrainedModel
    from bigdata_cli.training.tree_model import TreeModel

_BATCH_BYTES = 1 << 20
"""Of a source, parsed at a time."""


class RowsToPredict(Protocol):
    """Rows with a schema.

    Attributes:
        path: What messages call them.
        total_rows: How many there are; None where it is not known.
        notes: What of them is not as in the dataset that the model was trained on, so far.
    """

    @property
    def path(self) -> Place: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def total_rows(self) -> int | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

    def blocks(self, names: Sequence[str], max_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in order, these columns of them."""
        ...


def rows_to_predict(
    given: str | Path | Dataset, model: TrainedModel | TreeModel | Bag, options: PredictOptions
) -> RowsToPredict:
    """The rows of a dataset as they are; those of other files as the model's dataset was made.

    Raises:
        UsageError: There is no such dataset or file; a file lacks columns; the model does not say
            how its dataset was made.
        DataError: The file cannot be read.
    """
    if not isinstance(given, Dataset):
        given = options.cached.place(given)
    if _is_dataset(given):
        dataset = as_dataset(given, options.cached)
        if options.columns:
            dataset.select(options.columns)
        return DatasetRows(dataset)
    assert not isinstance(given, Dataset)
    done = model.preprocessing
    if done is None:
        raise UsageError(
            f"{given} is not a dataset, and this model does not record how to prepare a file: "
            "it was saved by an older version",
            hint=f"bigdata convert '{given}' --like DATASET, which it was trained on, makes one to "
            "predict",
        )
    label = model.target.column.name
    done = structs.replace(done, label=label)
    known = {column.name for column in done.columns}
    wanted = (*model.features.column_names, label, *options.columns)
    try:
        prepared = open_like(
            [given],
            options.source,
            done,
            whose="the model's dataset",
            keep=tuple(dict.fromkeys(name for name in wanted if name in known)),
            # How wide a column is follows from the rows of the dataset, and the model has only seen
            # numbers.
            types={
                column.name: "int64"
                for column in done.columns
                if kind_of(column.dtype) is Kind.INT and column.dtype != "uint64"
            },
            also=tuple(dict.fromkeys(name for name in wanted if name not in known)),
            skip_bad_rows=options.on_bad_row == "skip",
        )
    except JsonError as error:
        raise DataError(f"the model does not say how its dataset was made: {error}") from error
    return _raw_rows(given, prepared, done.schema, options)


def _is_dataset(given: Place | Dataset) -> bool:
    if isinstance(given, Dataset):
        return True
    return is_manifest_name(given.name) or has_manifest(given)


@dataclass(frozen=True)
class DatasetRows:
    """The rows of a dataset."""

    dataset: Dataset
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Place:
        return self.dataset.path

    @property
    def schema(self) -> Schema:
        return self.dataset.schema

    @property
    def total_rows(self) -> int | None:
        return self.dataset.rows

    def blocks(self, names: Sequence[str], max_rows: int) -> Iterator[pa.RecordBatch]:
        at_once = self.dataset.read_rows([self.schema[name] for name in names])
        return self.dataset.read(names, max_rows=min(max_rows, at_once))


def _raw_rows(path: Place, prepared: Prepared, known: Schema, options: PredictOptions) -> RawRows:
    source = prepared.source
    with _other_hint():
        sample = source.sample(
            prepared.types,
            keep=prepared.keep,
            max_bytes=SAMPLE_BYTES,
            skip_bad_rows=options.on_bad_row == "skip",
            max_record_bytes=MAX_RECORD_BYTES,
        )
    rows = RawRows(path=path, prepared=prepared, schema=_schema(prepared, known))
    rows.rows = source_rows(str(path), source, sample.plan, exact=True, on_chunk=rows.count)
    rows.total_rows = sample.estimated_rows if sample.size_known else None
    return rows


@contextmanager
def _other_hint() -> Iterator[None]:
    """The types are those of the model's dataset: there is no `--type` to say others."""
    try:
        yield
    except DataError as error:
        if error.hint is not None and "--type" in error.hint:
            error.hint = (
                "that is its type in the model's dataset; --on-bad-row skip gives such rows no "
                "prediction"
            )
        raise


def _schema(prepared: Prepared, known: Schema) -> Schema:
    """The columns, with the vocabularies of the dataset."""
    return Schema(
        tuple(
            replace(known[name], dtype=prepared.types.fixed[name])
            if name in known.names
            else Column(name=name, dtype="text")
            for name in prepared.keep
        )
    )


@dataclass(kw_only=True)
class RawRows:
    """The rows of files, as if they had been converted `--like` a dataset; read once."""

    path: Place
    prepared: Prepared
    schema: Schema
    total_rows: int | None = None
    rows: TypedRows = field(init=False)
    tally: Tally = field(default_factory=Tally)
    n_rejected: int = 0

    def count(self, chunk: Chunk) -> None:
        """Take what was not kept of a chunk."""
        self.tally += chunk.tally
        self.n_rejected += len(chunk.rejects)

    def blocks(self, names: Sequence[str], max_rows: int) -> Iterator[pa.RecordBatch]:
        with _other_hint():
            for batch in self.rows.batches(_BATCH_BYTES):
                chosen = batch.select(list(names))
                for start in range(0, chosen.num_rows, max_rows):
                    yield chosen.slice(start, max_rows)

    @property
    def notes(self) -> tuple[str, ...]:
        tally = self.tally
        notes = [*self.prepared.source.notes]
        if tally.filtered:
            notes.append(
                f"no prediction for {tally.filtered:,} rows, which the filters of the model's "
                "dataset leave out"
            )
        if self.n_rejected:
            notes.append(f"no prediction for {self.n_rejected:,} rows, which cannot be kept")
        for name, n_values in sorted(tally.unknown.items()):
            notes.append(
                f'column "{name}": values that the model does not know are taken as null, in '
                f"{n_values:,} rows"
            )
        return tuple(notes)
