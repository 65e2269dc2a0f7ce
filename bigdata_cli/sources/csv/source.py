"""CSV and text as a source of rows, with the choice of their dialect."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from msgspec import structs

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import magics
from bigdata_cli.io.origin import Origin, find_origin
from bigdata_cli.io.paths import expand_paths
from bigdata_cli.io.places import with_ends_ahead
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import ShardLocator
from bigdata_cli.sources.csv.blocks import ByteRange, split_source
from bigdata_cli.sources.csv.choice import (
    Found,
    Head,
    choose_dialect,
    expected_columns,
    find_footer,
    layout_of_file,
)
from bigdata_cli.sources.csv.dates import date_hints, typed, with_date_formats
from bigdata_cli.sources.csv.dialect import MADE_UP, Dialect, check_tokens, resolve_nulls
from bigdata_cli.sources.csv.feed import Feed
from bigdata_cli.sources.csv.files import SourceFile, TextFiles, describe_file
from bigdata_cli.sources.csv.footer import data_end, tail_of
from bigdata_cli.sources.csv.header import (
    header_records,
    header_start,
    match_columns,
    read_header,
)
from bigdata_cli.sources.csv.layout import Layout
from bigdata_cli.sources.csv.options import MAX_RECORD_BYTES, SourceOptions, dialect_flags
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample, sample_units, take_sample
from bigdata_cli.sources.csv.units import Unit, UnitReader, located
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.url import Place

_HEAD_BYTES = 1 << 18
_TAIL_BYTES = 1 << 14
_TIMED_BYTES = 2 << 20


@dataclass(frozen=True, kw_only=True)
class Source(TextFiles):
    """Text files as a `RowSource`."""

    @property
    def in_pieces(self) -> Self | None:
        return None if self.is_stream else self

    @property
    def flags(self) -> tuple[str, ...]:
        return dialect_flags(self.dialect)

    @property
    def layers(self) -> frozenset[str]:
        return frozenset(layer for file in self.files for layer in file.origin.layers)

    def until(self, file: int, end: int) -> Self:
        before, last, after = self.files[:file], self.files[file], self.files[file + 1 :]
        unread = (one.until(one.data_start) for one in after)
        return replace(self, files=(*before, last.until(end), *unread))

    def check_output(self, output: Place) -> None:
        """Text files are in no folder that is written into."""

    def split(self, n_shards: int) -> tuple[tuple[ByteRange, ...], ...]:
        return split_source(self, n_shards)

    def reader(self) -> UnitReader:
        return UnitReader(self)

    def read_seconds(self) -> float:
        if not self.is_stream or self.comes_once:
            return 0.0
        started = time.thread_time()
        text, _ = self.files[0].origin.head(_TIMED_BYTES)
        return (time.thread_time() - started) / max(len(text), 1)

    def arrow_batches(self, max_bytes: int) -> None:
        """Text has no Arrow types before it is parsed."""

    def sample(
        self,
        types: TypeOptions,
        *,
        keep: Sequence[str],
        max_bytes: int,
        skip_bad_rows: bool,
        max_record_bytes: int,
    ) -> Sample:
        fixed = typed(self.dialect, types.fixed)
        return take_sample(
            self,
            replace(types, fixed={name: fixed[name] for name in keep if name in fixed}),
            keep=keep,
            max_bytes=max_bytes,
            skip_bad_rows=skip_bad_rows,
            max_record_bytes=max_record_bytes,
        )

    def sample_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        return sample_units(self, plan, keep, max_bytes)

    def feed(
        self,
        locate: ShardLocator,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> Feed:
        return Feed(
            self,
            locate,
            unit_bytes=unit_bytes,
            max_record_bytes=max_record_bytes,
            strict=strict,
        )

    def steps_entry(self, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
        return ()

    def located(self, file: int, error: RecordError) -> DataError:
        return located(self.files[file], error)

    def hints(self, plan: ParsePlan) -> dict[str, str]:
        return date_hints(self, plan)


def open_source(paths: Sequence[str | Path], options: SourceOptions | None = None) -> Source:
    """Look at the files and say what they are.

    Raises UsageError for a missing file or wrong option, DataError for a file
    that is empty, damaged or no text, or files whose columns differ.
    """
    options = options or SourceOptions()
    paths = expand_paths(paths)
    if options.nested != "refuse":
        raise UsageError(
            f"--nested is for JSON lines, and {paths[0]} is not read as such", hint="--jsonl"
        )
    found: Found | None = None
    names: tuple[str, ...] = ()
    files: list[SourceFile] = []
    notes: list[str] = []
    is_named = options.names not in (None, MADE_UP)
    for name in with_ends_ahead(paths):
        origin, data = find_origin(
            name, options.encoding, _HEAD_BYTES, tables=magics(), may_be_empty=is_named
        )
        head = _with_lines(Head(name=name, data=data, is_whole=len(data) < _HEAD_BYTES), origin)
        if found is None:
            is_alone = len(paths) == 1
            found, dialect, notes = _of_first_file(head, origin, options, is_alone=is_alone)
            layout = found.layout
        elif not dialect.is_text:
            layout = layout_of_file(head, dialect, options)
            _check_beginning(name, layout, paths[0], dialect, options)
            later = structs.replace(found, dialect=dialect, layout=layout)
            _check_end(head, origin, later, options)
        head = _with_first_record(head, origin, dialect)
        read = read_header(
            head.data,
            name,
            dialect,
            is_whole=head.is_whole,
            n_expected=expected_columns(layout, dialect.trailing_delimiter),
        )
        notes += [note for note in read.notes if note not in notes]
        if dialect.repeated_header == "drop" and not files:
            dialect = replace(dialect, header_line=read.line)
        names = names or read.names
        fields = _fields(name, read.names, names, first=paths[0], dialect=dialect)
        end = _end_of_data(origin, dialect)
        files.append(describe_file(origin, read.end, fields, data_end=end))
    assert found is not None  # expand_paths gives a name or raises
    if options.null_tokens is not None:
        tokens, column_tokens = resolve_nulls(options.null_tokens, names)
        dialect = replace(dialect, null_tokens=tokens, column_null_tokens=column_tokens)
    check_tokens(dialect)
    source = Source(
        files=tuple(files),
        dialect=dialect,
        names=names,
        confidence=found.confidence,
        reasons=found.reasons,
        notes=tuple(notes),
    )
    return source if not options.date_formats else with_date_formats(source, options.date_formats)


def _of_first_file(
    head: Head, origin: Origin, options: SourceOptions, *, is_alone: bool
) -> tuple[Found, Dialect, list[str]]:
    """What was found in the first file, the dialect of all files, and notes on them."""
    found = choose_dialect(head, origin.member or head.name, options)
    dialect, notes = replace(found.dialect, encoding=origin.encoding), list(found.notes)
    if options.skip_footer is None:
        n_lines, note = find_footer(head, _tail(head, origin), found, is_alone=is_alone)
        dialect = replace(dialect, skip_footer=n_lines)
        notes += [note] if note else []
    return found, dialect, notes


def _end_of_data(origin: Origin, dialect: Dialect) -> int | None:
    """Where the lines below the table begin; None where it ends with the file, or in a stream."""
    if not dialect.skip_footer or origin.is_stream or origin.path is None:
        return None
    return data_end(origin.path, origin.size, dialect.skip_footer)


def _fields(
    name: str, header: tuple[str, ...], names: tuple[str, ...], *, first: str, dialect: Dialect
) -> tuple[int, ...]:
    """By field of a file the number of its column; raises where its columns are others."""
    fields = match_columns(header, names, name=name, first=first, header=dialect.header)
    if dialect.long_rows == "join" and fields != tuple(range(len(fields))):
        raise UsageError(
            f"--long-rows join: the columns of {name} have another order than {first}",
            hint="convert them one by one",
        )
    return (*fields, -1) if dialect.trailing_delimiter else fields


def _check_beginning(
    name: str, layout: Layout, first: str, dialect: Dialect, options: SourceOptions
) -> None:
    """Raise DataError where the table of a file begins on another line than that of the first."""
    n_lines = layout.lines if layout.is_sure else 0
    if options.skip_rows is None and n_lines != dialect.skip_rows:
        raise DataError(
            f"{name} has {n_lines:,} lines before its table, {first} has {dialect.skip_rows:,}",
            hint="--skip-rows N says how many, the same for all files; convert them one by one",
        )


def _tail(head: Head, origin: Origin) -> bytes:
    """The end of a file, as far as it is known before all is read; nothing of other streams."""
    if head.is_whole:
        return head.data[-_TAIL_BYTES:]
    if origin.is_stream or origin.path is None:
        return b""
    return tail_of(origin.path, origin.size, _TAIL_BYTES)


def _check_end(head: Head, origin: Origin, found: Found, options: SourceOptions) -> None:
    """Raise DataError where other lines follow the table of a file than that of the first."""
    n_lines, _ = find_footer(head, _tail(head, origin), found, is_alone=False)
    if options.skip_footer is None and n_lines != found.dialect.skip_footer:
        raise DataError(
            f"{head.name} has {n_lines:,} lines below its table, the first file "
            f"{found.dialect.skip_footer:,}",
            hint="--skip-footer N says how many, the same for all files; convert them one by one",
        )


def _with_lines(head: Head, origin: Origin) -> Head:
    """A head that holds more than one line, as far as a record may be long."""
    while not head.is_whole and len(head.data) < MAX_RECORD_BYTES:
        if head.data.count(b"\n") + head.data.count(b"\r") > 1:
            break
        head = _longer(head, origin)
    return head


def _longer(head: Head, origin: Origin) -> Head:
    n_bytes = 4 * len(head.data)
    data, _ = origin.head(n_bytes)
    return Head(name=head.name, data=data, is_whole=len(data) < n_bytes)


def _with_first_record(head: Head, origin: Origin, dialect: Dialect) -> Head:
    """A head that holds the whole first record, as far as a record may be long."""
    while not head.is_whole and len(head.data) < MAX_RECORD_BYTES and not dialect.is_text:
        start = header_start(head.data, head.name, dialect)
        if header_records(head.data, start, dialect, is_whole=False)[0] is not None:
            break
        head = _longer(head, origin)
    return head
