"""What is done to rows and columns on their way from CSV to Parquet, as Polars and DuckDB do it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Shaping:
    """At most one of these. where: a condition in SQL. derive: "NAME = EXPRESSION", in SQL.

    dedup: columns, of which the first row of equal ones is kept; DuckDB keeps any. standardize:
    columns. sort: a column that rows are sorted by. shuffle: whether rows are put in random order.
    """

    where: str = ""
    derive: str = ""
    dedup: tuple[str, ...] = ()
    standardize: tuple[str, ...] = ()
    sort: str = ""
    shuffle: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a peer that shapes rows."""
    parser.add_argument("--where", default="", help="a condition in SQL")
    parser.add_argument("--derive", default="", help="NAME = EXPRESSION in SQL")
    parser.add_argument("--dedup", default="", help="columns whose values are to be unique")
    parser.add_argument("--standardize", default="", help="columns that get mean 0, deviation 1")
    parser.add_argument("--sort", default="", help="the column that rows are sorted by")
    parser.add_argument("--shuffle", action="store_true", help="rows in random order")


def shaping_of(options: argparse.Namespace) -> Shaping:
    """What the arguments ask for."""
    return Shaping(
        where=options.where,
        derive=options.derive,
        dedup=tuple(filter(None, options.dedup.split(","))),
        standardize=tuple(filter(None, options.standardize.split(","))),
        sort=options.sort,
        shuffle=options.shuffle,
    )


def in_polars(frame: Any, asked: Shaping) -> Any:
    """A lazy frame whose rows are shaped."""
    import polars as pl

    if asked.where:
        frame = frame.filter(pl.sql_expr(asked.where))
    if asked.derive:
        name, expression = map(str.strip, asked.derive.split("=", 1))
        frame = frame.with_columns(pl.sql_expr(expression).alias(name))
    if asked.dedup:
        frame = frame.unique(list(asked.dedup), keep="first", maintain_order=True)
    if asked.standardize:
        columns = map(pl.col, asked.standardize)
        frame = frame.with_columns((one - one.mean()) / one.std(ddof=0) for one in columns)
    if asked.sort:
        frame = frame.sort(asked.sort, maintain_order=True, nulls_last=True)
    if asked.shuffle:
        frame = frame.collect().sample(fraction=1.0, shuffle=True, seed=0).lazy()
    return frame


def in_duckdb(rows: str, asked: Shaping) -> str:
    """A query of rows that are shaped. rows: what stands after FROM."""
    if asked.where:
        return f"FROM {rows} WHERE {asked.where}"
    if asked.derive:
        name, expression = map(str.strip, asked.derive.split("=", 1))
        return f'SELECT *, {expression} AS "{name}" FROM {rows}'
    if asked.dedup:
        keys = ", ".join(f'"{name}"' for name in asked.dedup)
        return f"SELECT DISTINCT ON ({keys}) * FROM {rows}"
    if asked.standardize:
        made = ", ".join(
            f'("{name}" - (SELECT avg("{name}") FROM {rows})) '
            f'/ (SELECT stddev_pop("{name}") FROM {rows}) AS "{name}"'
            for name in asked.standardize
        )
        return f"SELECT * REPLACE ({made}) FROM {rows}"
    if asked.sort:
        return f'FROM {rows} ORDER BY "{asked.sort}"'
    return f"FROM {rows} ORDER BY random()" if asked.shuffle else f"FROM {rows}"
