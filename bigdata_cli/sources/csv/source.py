"""CSV and text as a source of rows, with the choice of their dialect."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import magics
from bigdata_cli.io.content import check_may_be_csv
from bigdata_cli.io.origin import find_origin
from bigdata_cli.io.paths import expand_paths, is_text_name
from bigdata_cli.options import given_options
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import Portions
from bigdata_cli.sources.csv.blocks import ByteRange, split_source
from bigdata_cli.sources.csv.detect import detect, has_decimal_commas
from bigdata_cli.sources.csv.dialect import (
    TEXT_LINES,
    Dialect,
    check_character,
    check_delimiter,
    check_marks,
    resolve_nulls,
)
from bigdata_cli.sources.csv.feed import Feed
from bigdata_cli.sources.csv.files import SourceFile, TextFiles, describe_file
from bigdata_cli.sources.csv.header import looks_like_header, match_columns, read_header, skip_lines
from bigdata_cli.sources.csv.options import SourceOptions, dialect_flags
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample, sample_units, take_sample
from bigdata_cli.sources.csv.units import Unit, UnitReader, located
from bigdata_cli.types.lattice import TypeOptions

_HEAD_BYTES = 1 << 18
_TIMED_BYTES = 2 << 20
_OF_LINES = ("skip_rows", "comment", "text", "keep_blank_lines", "encoding", "jsonl")


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

    def check_output(self, output: Path) -> None:
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
        return take_sample(
            self,
            types,
            keep=keep,
            max_bytes=max_bytes,
            skip_bad_rows=skip_bad_rows,
            max_record_bytes=max_record_bytes,
        )

    def sample_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        return sample_units(self, plan, keep, max_bytes)

    def feed(
        self,
        portions: Portions,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> Feed:
        return Feed(
            self,
            portions,
            unit_bytes=unit_bytes,
            max_record_bytes=max_record_bytes,
            strict=strict,
        )

    def located(self, file: int, error: RecordError) -> DataError:
        return located(self.files[file], error)


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
    found: _Found | None = None
    files: list[SourceFile] = []
    names: tuple[str, ...] = ()
    for name in paths:
        origin, head = find_origin(name, options.encoding, _HEAD_BYTES, tables=magics())
        if found is None:
            found = _choose_dialect(head, origin.member or name, options)
            dialect = replace(found.dialect, encoding=origin.encoding)
        is_whole = len(head) < _HEAD_BYTES
        file_names, data_start = read_header(head, name, dialect, is_whole=is_whole)
        names = names or file_names
        fields = match_columns(file_names, names, name=name, first=paths[0], header=dialect.header)
        files.append(describe_file(origin, data_start, fields))
    assert found is not None  # expand_paths gives a name or raises
    if options.null_tokens is not None:
        tokens, column_tokens = resolve_nulls(options.null_tokens, names)
        dialect = replace(dialect, null_tokens=tokens, column_null_tokens=column_tokens)
    return Source(
        files=tuple(files),
        dialect=dialect,
        names=names,
        confidence=found.confidence,
        reasons=found.reasons,
    )


@dataclass(frozen=True)
class _Found:
    """A dialect, how sure what was detected of it is, and why."""

    dialect: Dialect
    confidence: float
    reasons: tuple[str, ...]


def _choose_dialect(head: bytes, name: str, options: SourceOptions) -> _Found:
    """What the user said, and what the beginning of the file says of the rest."""
    of_csv = _csv_options(options)
    if options.text or (options.text is None and is_text_name(name) and not of_csv):
        if of_csv:
            raise UsageError(
                f"--text reads lines: it takes no {' and no '.join(of_csv)}",
                hint="--no-text reads the file as a CSV",
            )
        lines = replace(
            TEXT_LINES,
            skip_rows=options.skip_rows,
            comment=_character(options.comment, "--comment"),
            keep_blank_lines=options.keep_blank_lines,
        )
        return _Found(lines, 1.0, ())
    if options.keep_blank_lines:
        raise UsageError("--keep-blank-lines is for --text: a blank line of a CSV is no record")
    if options.delimiter is None and not options.skip_rows:
        check_may_be_csv(name, head)
    dialect = _told_dialect(options)
    text = _sample_text(head, name, dialect)
    found = detect(
        text,
        delimiter=None if options.delimiter is None else dialect.delimiter,
        quote=None if options.quote is None else dialect.quote or "",
        escape=None if options.escape is None else dialect.escape or "",
        trim=options.trim,
    )
    confidence, reasons = 1.0, found.reasons
    if options.delimiter is None:
        confidence = found.confidence
    header = options.header
    if header is None:
        header, header_confidence, reason = looks_like_header(found.records)
        confidence = min(confidence, header_confidence)
        reasons = (*reasons, ("header: " if header else "no header: ") + reason)
    if options.decimal == "." and found.delimiter != "," and has_decimal_commas(found.records):
        confidence = min(confidence, 0.5)
        reasons = (*reasons, "numbers seem to have decimal commas: --decimal , reads them")
    dialect = replace(
        dialect,
        delimiter=found.delimiter,
        quote=dialect.quote if found.quote is None else found.quote or None,
        escape=found.escape or None,
        header=header,
        trim=found.trim,
    )
    check_marks(dialect)
    return _Found(dialect, confidence, reasons)


def _csv_options(options: SourceOptions) -> list[str]:
    """The flags that were given and mean nothing for lines of text."""
    return [
        one.flag_of(value) for one, value in given_options(options) if one.field not in _OF_LINES
    ]


def _told_dialect(options: SourceOptions) -> Dialect:
    """The dialect as far as the user said it, with defaults for the rest."""
    if options.skip_rows < 0:
        raise UsageError(f"--skip-rows {options.skip_rows} is negative")
    if options.names is not None and len(set(options.names)) < len(options.names):
        raise UsageError("--names has a name twice")
    quote = '"' if options.quote is None else options.quote
    dialect = Dialect(
        delimiter=None if options.delimiter is None else check_delimiter(options.delimiter),
        quote=None if quote in ("", "none") else check_character(quote, "--quote"),
        escape=None if options.escape in ("", "none") else _character(options.escape, "--escape"),
        names=options.names,
        skip_rows=options.skip_rows,
        comment=_character(options.comment, "--comment"),
        decimal=check_character(options.decimal, "--decimal"),
        thousands=_character(options.thousands, "--thousands"),
    )
    check_marks(dialect)
    return dialect


def _character(text: str | None, option: str) -> str | None:
    return None if text is None else check_character(text, option)


def _sample_text(head: bytes, name: str, dialect: Dialect) -> str:
    """The head as text, without skipped lines, comments, and a last record that may be cut."""
    text = head[skip_lines(head, dialect.skip_rows, name) :].decode("utf-8", "replace")
    if len(head) == _HEAD_BYTES:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    if dialect.comment is None:
        return text
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(dialect.comment))
