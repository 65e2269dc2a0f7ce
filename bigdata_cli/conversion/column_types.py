"""The dtypes of columns that the user asks for: `--type`, `--all-text`, `--schema`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.strict_json import decode
from bigdata_cli.types.column_entry import schema_from_json
from bigdata_cli.types.dtype import parse_dtype
from bigdata_cli.types.lattice import TypeOptions


def asked_types(source: RowSource, keep: Sequence[str], options: ConvertOptions) -> TypeOptions:
    """The dtypes that the user fixed: `--schema`, over it `--all-text`, patterns, and names."""
    fixed: dict[str, str] = {}
    if options.schema is not None:
        for name, dtype in read_schema(options.schema).items():
            if name not in source.names and name not in keep:
                raise UsageError(
                    f'--schema: there is no column "{name}"', hint=did_you_mean(name, source.names)
                )
            fixed[name] = dtype
    if options.all_text:
        fixed |= dict.fromkeys(keep, "text")
    named = {name: dtype for name, dtype in options.types.items() if name in keep}
    for pattern, dtype in options.types.items():
        if pattern in named:
            continue
        matches = [name for name in keep if fnmatchcase(name, pattern)]
        if not matches:
            is_pattern = any(character in pattern for character in "*?[")
            raise UsageError(
                f'--type: no column matches "{pattern}"'
                if is_pattern
                else f'--type: there is no column "{pattern}"',
                hint=did_you_mean(pattern, keep),
            )
        fixed |= dict.fromkeys(matches, parse_dtype(dtype))
    fixed |= {name: parse_dtype(dtype) for name, dtype in named.items()}
    # A column of nulls has no dtype worth keeping to: it is free again.
    fixed = {name: dtype for name, dtype in fixed.items() if dtype != "null" and name in keep}
    if source.dialect.is_text and any(dtype != "text" for dtype in fixed.values()):
        raise UsageError("lines of text have dtype text", hint="--no-text reads the file as a CSV")
    return TypeOptions(float_mode=options.float_mode, fixed=fixed)


def named_types(options: ConvertOptions) -> TypeOptions:
    """The dtypes that the user fixed by the names of columns, whether these are there or not."""
    return TypeOptions(
        float_mode=options.float_mode,
        fixed={name: parse_dtype(dtype) for name, dtype in options.types.items()},
    )


def read_schema(schema: Path | Mapping[str, Any]) -> dict[str, str]:
    """The dtypes in a `--schema`: a manifest, a plan, a list of columns, or dtypes by column."""
    where = "--schema"
    data: Any = schema
    if isinstance(schema, Path):
        where = f"--schema: {schema}"
        try:
            data = decode(schema.read_bytes(), Any)
        except FileNotFoundError as error:
            raise UsageError(f"{where} does not exist") from error
        except (OSError, ValueError) as error:
            raise UsageError(f"{where} is not JSON: {error}") from error
    columns = data.get("columns") if isinstance(data, Mapping) else data
    try:
        if isinstance(data, Mapping) and not isinstance(columns, list):
            return {name: parse_dtype(_text(dtype)) for name, dtype in data.items()}
        return {column.name: column.dtype for column in schema_from_json(columns)}
    except UsageError as error:
        raise UsageError(
            f"{where}: {error.message}", hint="bigdata convert … --dry-run --json prints one"
        ) from error


def _text(dtype: object) -> str:
    if not isinstance(dtype, str):
        raise UsageError(f"{dtype!r} is not a dtype")
    return dtype
