"""The protocol of sources: everything that a conversion asks of text files or tables.

`Source` (text) and `TableSource` (Parquet files, datasets) implement it. Nothing else in a
conversion depends on the kind of source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from bigdata_cli.url import Place

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.dataset.manifest import SourceEntry
    from bigdata_cli.errors import DataError
    from bigdata_cli.sources.bad_values import RecordError
    from bigdata_cli.sources.csv.blocks import ByteRange
    from bigdata_cli.sources.csv.records import ParsePlan
    from bigdata_cli.sources.csv.sample import Sample
    from bigdata_cli.sources.csv.units import Unit
    from bigdata_cli.types.lattice import TypeOptions

ShardLocator = Callable[[int], tuple[int, int | None]]
"""(shard, where it ends) of a position in a whole source: data bytes of text, rows of tables.
None: no end. Positions do not go back."""


def all_in_one(position: int) -> tuple[int, int | None]:
    """The `ShardLocator` of a source that is not divided."""
    return 0, None


class FedRows(Protocol):
    """Rows of one file and one shard, not parsed yet.

    consumed: bytes of the source that were read up to here, counted in its files.
    """

    @property
    def shard(self) -> int: ...
    @property
    def file(self) -> int: ...
    @property
    def consumed(self) -> int: ...

    def parse(self, fields: Sequence[int], plan: ParsePlan) -> Unit:
        """The rows as a chunk, or what is wrong with one; fields: of `RowSource.fields_of`."""
        ...

    def line(self, position: int) -> int:
        """The line of a position (`Chunk.places`), or the row of a table, from 1."""
        ...

    def record(self, position: int, plan: ParsePlan) -> bytes:
        """The record that starts at a position, as the file of rejected records has it."""
        ...

    def end_of(self, position: int, plan: ParsePlan) -> int:
        """Where the record that starts at a position ends, as `RowSource.until` takes it."""
        ...


class RowFeed(Protocol):
    """The rows of a source in order, read in threads of its own; a context manager."""

    def __iter__(self) -> Iterator[FedRows]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...

    def entries(self) -> tuple[SourceEntry, ...]:
        """The files as they were when they were read."""
        ...


class PieceReader(Protocol):
    """Reads and parses pieces of files, from any thread; a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...

    def start_of(self, piece: ByteRange) -> int | None:
        """Where the first record of a piece starts, None where that is to be guessed."""
        ...

    def parse(
        self, piece: ByteRange, start: int | None, fields: Sequence[int], plan: ParsePlan
    ) -> Unit:
        """The records that start in a piece, from `start` or where one seems to start."""
        ...

    def expect(self, piece: ByteRange) -> None:
        """Say that a piece will be parsed next, from its start to its end."""

    def record(self, file: int, position: int, plan: ParsePlan) -> bytes:
        """The record that starts at a position of a file."""
        ...


class RowsInPieces(Protocol):
    """The rows of files that can be read from anywhere."""

    def split(self, n_shards: int) -> tuple[tuple[ByteRange, ...], ...]:
        """The ranges of bytes of equal shards."""
        ...

    def reader(self) -> PieceReader:
        """What reads pieces of these ranges."""
        ...


class SourcePart(Protocol):
    """A file or a dataset of a source, with its name as the user gave it."""

    @property
    def name(self) -> str: ...
    @property
    def is_remote(self) -> bool:
        """Whether it is at an address, and not on this machine."""
        ...

    def entry(self) -> SourceEntry: ...

    def check_unchanged(self) -> None:
        """Raise SourceLostError where it is gone, DataError where it was written to meanwhile."""
        ...


class HowWritten(Protocol):
    """How a source is written, as the manifest has it. is_text: lines are rows."""

    @property
    def is_text(self) -> bool: ...
    def to_json(self) -> dict[str, Any]: ...


class RowSource(Protocol):
    """A source of rows.

    names: its columns. stem: what a dataset made of it is called. bytes: to be read, counted
    in the files. is_stream: it is read from its start; comes_once: and cannot be read again.
    in_pieces: the same rows from anywhere, None for a stream. total_rows: of its files, where they
    are known beforehand. confidence, reasons: of what was detected; notes: what of it the user has
    to know in any case. flags: the words of a command line that
    have it read in this way; none for tables. is_shaped: its rows are not those of its files, but
    made of them. layers: compressions around its bytes.
    """

    @property
    def files(self) -> Sequence[SourcePart]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def dialect(self) -> HowWritten: ...
    @property
    def confidence(self) -> float: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def stem(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def is_stream(self) -> bool: ...
    @property
    def in_pieces(self) -> RowsInPieces | None: ...
    @property
    def comes_once(self) -> bool: ...
    @property
    def total_rows(self) -> int | None: ...
    @property
    def flags(self) -> tuple[str, ...]: ...
    @property
    def is_shaped(self) -> bool: ...
    @property
    def layers(self) -> frozenset[str]: ...

    def read_seconds(self) -> float:
        """Seconds for a byte of text that one thread has to decompress or decode; 0 for others."""
        ...

    def arrow_batches(self, max_bytes: int) -> Iterator[pa.RecordBatch] | None:
        """Rows of all columns as they are stored, of about `max_bytes`; None for text."""
        ...

    def check_output(self, output: Place) -> None:
        """Raise UsageError where writing there would harm the source."""
        ...

    def until(self, file: int, end: int) -> Self:
        """The rows up to a position of a file; those after it are not read.

        end: of text where a record ends, of a table the number of rows.
        """
        ...

    def fields_of(self, keep: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """Per file and field of a record, the index of its column in `keep`, -1 for no column."""
        ...

    def sample(
        self,
        types: TypeOptions,
        *,
        keep: Sequence[str],
        max_bytes: int,
        skip_bad_rows: bool,
        max_record_bytes: int,
    ) -> Sample:
        """What pieces of it show of the whole; raises DataError where none can be read."""
        ...

    def sample_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        """Parsed pieces of it, of about `max_bytes` together."""
        ...

    def feed(
        self,
        locate: ShardLocator,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> RowFeed:
        """Its rows from the start. strict: bytes that do not decode are an error."""
        ...

    def hints(self, plan: ParsePlan) -> Mapping[str, str]:
        """What to say of columns that the plan has as text, if they stay so."""
        ...

    def steps_entry(self, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
        """What a manifest says of how its rows are made of those of its files; empty if they are
        these."""
        ...

    def located(self, file: int, error: RecordError) -> DataError:
        """The error of a record of that file as the user reads it: where, what, why."""
        ...
