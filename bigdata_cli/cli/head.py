"""`bigdata head`."""

from __future__ import annotations

from typing import Any

import click

from bigdata_cli.cli.options import PlaceOf, RequestCommand, request_options
from bigdata_cli.export.options import HeadOptions
from bigdata_cli.options import request_of
from bigdata_cli.url import Place

_MAX_WIDTH = 40


@click.command("head", cls=RequestCommand)
@click.argument("path", type=PlaceOf(), metavar="DATASET")
@request_options(HeadOptions)
def head_command(path: Place, **given: Any) -> None:
    """Show the first rows of a dataset or a file, as a table with types.

    DATASET is a dataset of any format and layout, or whatever `bigdata convert` takes. The types of
    a file are those that a sample shows.

    \b
    bigdata head trips-parquet
    bigdata head trips.csv -n 3 --columns id,fare
    """
    from bigdata_cli.cli.render import print_table, shorten
    from bigdata_cli.export.head import cell_texts, run
    from bigdata_cli.types.dtype import Kind, kind_of

    table, dtypes = run(path, request_of(HeadOptions, given))
    columns = [
        ["null" if text is None else shorten(text, width=_MAX_WIDTH) for text in cell_texts(column)]
        for column in table.columns
    ]
    print_table(
        None,
        table.column_names,
        list(zip(*columns, strict=True)),
        subtitles=dtypes,
        right=[kind_of(dtype) in (Kind.INT, Kind.FLOAT) for dtype in dtypes],
        hide_first=table.column_names[::-1],
        shown_by="--columns",
    )
