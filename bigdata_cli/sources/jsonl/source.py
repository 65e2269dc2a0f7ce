"""JSON lines opened as a source of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import magics
from bigdata_cli.io.origin import find_origin
from bigdata_cli.io.paths import expand_paths
from bigdata_cli.options import given_options
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.dialect import check_character, check_skip
from bigdata_cli.sources.csv.files import SourceFile, describe_file
from bigdata_cli.sources.csv.header import skip_lines
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import Source
from bigdata_cli.sources.jsonl.dialect import JsonDialect
from bigdata_cli.sources.jsonl.keys import find_keys
from bigdata_cli.types.lattice import TypeOptions

_HEAD_BYTES = 1 << 18
_OWN_OPTIONS = ("jsonl", "nested", "names", "skip_rows", "comment", "encoding")


def open_json_lines(paths: Sequence[str | Path], options: SourceOptions | None = None) -> Source:
    """Look at the files, and find the keys of their objects.

    Raises UsageError for a missing file and for options of CSV, DataError for a file that is empty,
    damaged or no text.
    """
    options = options or SourceOptions(jsonl=True)
    paths = expand_paths(paths)
    dialect = _dialect(options, paths[0])
    files: list[SourceFile] = []
    for name in paths:
        origin, head = find_origin(name, options.encoding, _HEAD_BYTES, tables=magics())
        if not files:
            dialect = replace(dialect, encoding=origin.encoding)
        files.append(describe_file(origin, skip_lines(head, dialect.skip_rows, name), ()))
    source = Source(files=tuple(files), dialect=dialect, names=("",))
    names = options.names or find_keys(source)
    if not names:
        _raise_no_keys(source)
    fields = tuple(range(len(names)))
    return replace(
        source,
        files=tuple(replace(file, fields=fields) for file in files),
        dialect=replace(dialect, names=names),
        names=names,
    )


def _dialect(options: SourceOptions, name: str) -> JsonDialect:
    foreign = [
        one.flag_of(value) for one, value in given_options(options) if one.field not in _OWN_OPTIONS
    ]
    if foreign:
        raise UsageError(
            f"{name} is read as JSON lines, which take no {' and no '.join(foreign)}",
            hint="--no-jsonl reads it as a CSV, --text as lines",
        )
    if options.names is not None and len(set(options.names)) < len(options.names):
        raise UsageError("--names has a name twice")
    comment = options.comment
    return JsonDialect(
        nested=options.nested,
        names=options.names,
        skip_rows=check_skip(options.skip_rows, "--skip-rows"),
        comment=None if comment is None else check_character(comment, "--comment"),
    )


def _raise_no_keys(source: Source) -> None:
    """Raise DataError: what is wrong with the first line that is wrong, or that there is none."""
    named = replace(source, dialect=replace(source.dialect, names=()), names=("",))
    named.sample(
        TypeOptions(),
        keep=(),
        max_bytes=1 << 20,
        skip_bad_rows=False,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    raise DataError(f"{source.files[0].name} has no objects with keys")
