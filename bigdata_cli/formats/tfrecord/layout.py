"""What stands in a record of each TFRecord layout: the one description that all sides share.

rows: a feature per column, of one value; null is an absent feature. packed: `x`, the floats of a
row, `i`, its integers, `i.valid` where one of them is null, `label`. block: a list per column over
many rows, and `COL.valid` where the block has nulls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.matrix import feature_columns
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Kind, Schema

INT, FLOAT, BYTES, VALID = 0, 1, 2, 3
"""Kinds of a list; VALID is an Int64List of validity, left out where all rows are valid."""
BLOCK_ROWS = 1_024
"""Rows of a record of the layout block (the last of a table may have fewer)."""


@dataclass(frozen=True, kw_only=True)
class FeatureList:
    """A feature of the records: its key, its kind of list, and the columns whose values it holds.

    A list of kind VALID holds the validity of its columns.
    """

    key: str
    kind: int
    columns: tuple[Column, ...]


def stored_kind(column: Column, layout: str) -> int:
    """The list that holds a column: INT, FLOAT or BYTES.

    >>> stored_kind(Column(name="a", dtype="uint64"), "rows") == BYTES
    True
    """
    if column.kind is Kind.FLOAT:
        return FLOAT
    if column.kind is Kind.TEXT or column.dtype == "uint64":
        return BYTES
    return BYTES if column.kind is Kind.CATEGORY and layout != "packed" else INT


def feature_lists(schema: Schema, options: StorageOptions) -> tuple[FeatureList, ...]:
    """The features of a record, in the order in which they are written."""
    if options.layout == "packed":
        return _packed_lists(schema, options)
    lists = []
    for column in schema:
        kind = stored_kind(column, options.layout)
        lists.append(FeatureList(key=column.name, kind=kind, columns=(column,)))
        if options.layout == "block":
            key = column.name + VALIDITY_SUFFIX
            lists.append(FeatureList(key=key, kind=VALID, columns=(column,)))
    return tuple(lists)


def _packed_lists(schema: Schema, options: StorageOptions) -> tuple[FeatureList, ...]:
    features = feature_columns(schema, options)
    floats = tuple(column for column in features if column.kind is Kind.FLOAT)
    integers = tuple(column for column in features if column.kind is not Kind.FLOAT)
    lists = []
    if floats:
        lists.append(FeatureList(key="x", kind=FLOAT, columns=floats))
    if integers:
        lists.append(FeatureList(key="i", kind=INT, columns=integers))
        lists.append(FeatureList(key="i" + VALIDITY_SUFFIX, kind=VALID, columns=integers))
    if options.label is not None:
        label = schema[options.label]
        kind = stored_kind(label, options.layout)
        lists.append(FeatureList(key="label", kind=kind, columns=(label,)))
    return tuple(lists)


def check_layout(schema: Schema, options: StorageOptions) -> None:
    """Raise UsageError where the layout cannot hold the schema."""
    if options.layout == "packed":
        _check_packed(schema, options)
    if options.layout == "block":
        names = frozenset(schema.names)
        for column in schema:
            mask = column.name + VALIDITY_SUFFIX
            if mask in names:
                raise UsageError(
                    f'the column "{mask}" has the name of the validity of "{column.name}"',
                    hint=f"--layout rows, or --drop '{mask}'",
                )


def _check_packed(schema: Schema, options: StorageOptions) -> None:
    feature_columns(schema, options)
    for column in schema:
        if column.name == options.label and column.kind is Kind.TEXT:
            raise UsageError(
                f'the label "{column.name}" is text, and layout packed holds numbers only',
                hint=f"--type '{column.name}=category', or --layout rows",
            )
        if column.dtype == "uint64":
            raise UsageError(
                f'column "{column.name}" is uint64, and layout packed holds integers up to '
                f"{2**63 - 1:,} only",
                hint=f"--layout rows, or --type '{column.name}=text' with --layout rows",
            )


def feature_spec(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a reader needs to know of the features of a dataset's records, from its manifest.

    `manifest` is the manifest as JSON. Returns a dict for each key:

    - `type`: "int64", "float" or "bytes", as in `tf.int64`, `tf.float32`, `tf.string`;
    - `shape`: [] for one value, [n] for n values, "ragged" for any number of them;
    - `default`: the value of a feature that is absent, or None where that cannot be;
    - `columns`: the columns whose values it holds, in order.

    In TensorFlow a shape with numbers is `tf.io.FixedLenFeature(shape, type, default)`, "ragged"
    `tf.io.VarLenFeature(type)`: a column with nulls that is not float, whose absence no value can
    stand for, and every list of the layout block, whose records hold up to 1,024 rows.

    >>> spec = feature_spec({"layout": "rows", "label": None, "columns": [
    ...     {"name": "fare", "dtype": "float64", "statistics": {"count": 3, "nulls": 1}}]})
    >>> spec["fare"]
    {'type': 'float', 'shape': [], 'default': nan, 'columns': ['fare']}
    """
    from bigdata_cli.types.column_entry import schema_from_json

    schema = schema_from_json(manifest["columns"])
    nullable = {column["name"] for column in manifest["columns"] if _may_be_null(column)}
    options = StorageOptions(layout=manifest["layout"], label=manifest["label"])
    spec: dict[str, dict[str, Any]] = {}
    for entry in feature_lists(schema, options):
        has_nulls = any(column.name in nullable for column in entry.columns)
        if entry.kind == VALID and not has_nulls:
            continue
        spec[entry.key] = {
            "type": {FLOAT: "float", BYTES: "bytes"}.get(entry.kind, "int64"),
            **_shape(entry, options.layout, has_nulls=has_nulls),
            "columns": [column.name for column in entry.columns],
        }
    return spec


def _may_be_null(column: Mapping[str, Any]) -> bool:
    """Whether a column of a manifest has nulls; where no statistics are known, it may."""
    return "statistics" not in column or column["statistics"]["nulls"] > 0


def _shape(entry: FeatureList, layout: str, *, has_nulls: bool) -> dict[str, Any]:
    if layout == "block":
        return {"shape": "ragged", "default": None}
    if layout == "packed":
        if entry.kind == VALID:
            return {"shape": [len(entry.columns)], "default": [1] * len(entry.columns)}
        return {"shape": [] if entry.key == "label" else [len(entry.columns)], "default": None}
    if not has_nulls:
        return {"shape": [], "default": None}
    if entry.kind == FLOAT:
        return {"shape": [], "default": float("nan")}
    return {"shape": "ragged", "default": None}
