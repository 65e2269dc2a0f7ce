"""The memory of a sample's columns, in pandas and in the dtypes that they would get."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigdata_cli.tables.sample import read_parts

if TYPE_CHECKING:
    import pandas as pd

    from bigdata_cli.sources.dialect import Dialect
    from bigdata_cli.tables import TableSource

EXAMPLE_BYTES = 100_000
EXAMPLE_ROWS = 1000
TABLE_BYTES = 8 << 20
MAX_EXAMPLES = 3
_ONE_CHARACTER = "\x1f"


@dataclass(frozen=True, kw_only=True)
class PandasColumn:
    """What pandas makes of a column: its dtype, and its bytes with all Python objects."""

    dtype: str
    bytes: int


def pandas_columns(
    records: bytes, names: Sequence[str], dialect: Dialect, *, scale: float
) -> tuple[PandasColumn, ...]:
    """What pandas.read_csv makes of `records`, told their dialect, in the order of `names`.

    Of text, every line is a value. Bytes are multiplied by `scale`.
    """
    import pandas as pd

    if dialect.delimiter is None:
        lines = records.decode("utf-8", "replace").split("\n")
        frame = pd.DataFrame({0: [line.removesuffix("\r") for line in lines[: _lines(records)]]})
    else:
        frame = _read(records, len(names), dialect)
    sizes = frame.memory_usage(deep=True, index=False)
    return tuple(
        PandasColumn(dtype=str(frame.dtypes.iloc[place]), bytes=round(sizes.iloc[place] * scale))
        for place in range(len(names))
    )


def examples(records: bytes, names: Sequence[str], dialect: Dialect) -> tuple[tuple[str, ...], ...]:
    """Up to three values of each column that are not null, as they stand in the file."""
    start = records[:EXAMPLE_BYTES]
    if len(start) < len(records):
        start = start[: start.rfind(b"\n") + 1] or records
    if dialect.delimiter is None:
        lines = start.decode("utf-8", "replace").splitlines()
        return (tuple(dict.fromkeys(line for line in lines if line))[:MAX_EXAMPLES],)
    frame = _read(start, len(names), dialect, dtype=str, keep_default_na=False)
    return tuple(
        tuple(
            value.replace(_ONE_CHARACTER, dialect.delimiter)
            for value in _some_values(frame.iloc[:, place], dialect.tokens_of(name))
        )
        for place, name in enumerate(names)
    )


def table_columns(
    source: TableSource, rows: int
) -> tuple[tuple[PandasColumn, ...], tuple[tuple[str, ...], ...]]:
    """What pandas.read_parquet makes of each column, for `rows` rows, and some of its values."""
    batches = [batch for _, _, batch in read_parts(source, source.names, TABLE_BYTES)]
    scale = rows / max(1, sum(batch.num_rows for batch in batches))
    found, shown = [], []
    for name in source.names:
        # Files may hold the same column in types that pandas holds otherwise.
        series = [batch.column(name).to_pandas() for batch in batches]
        n_bytes = sum(one.memory_usage(index=False, deep=True) for one in series)
        found.append(PandasColumn(dtype=str(series[0].dtype), bytes=round(scale * n_bytes)))
        values = batches[0].column(name).slice(0, EXAMPLE_ROWS).drop_null().to_pylist()
        shown.append(tuple(dict.fromkeys(map(str, values)))[:MAX_EXAMPLES])
    return tuple(found), tuple(shown)


def _some_values(series: pd.Series, null_tokens: Sequence[str]) -> tuple[str, ...]:
    nulls = {"", *null_tokens}
    found: dict[str, None] = {}
    for value in series:
        if isinstance(value, str) and value.strip() not in nulls:
            found[value] = None
            if len(found) == MAX_EXAMPLES:
                break
    return tuple(found)


def _read(records: bytes, n_columns: int, dialect: Dialect, **options: Any) -> pd.DataFrame:
    """A DataFrame with columns 0 … n_columns - 1; records that pandas refuses are left out."""
    import csv

    import pandas as pd

    delimiter = dialect.delimiter or ""
    if len(delimiter) > 1:
        # pandas' fast reader takes one character, and a pattern otherwise.
        records = records.replace(delimiter.encode(), _ONE_CHARACTER.encode())
        delimiter = _ONE_CHARACTER
    if dialect.comment is not None:
        # pandas would also cut a line where the character stands within it.
        records = re.sub(rb"(?m)^" + re.escape(dialect.comment.encode()) + rb".*\n?", b"", records)
    if dialect.quote:
        options["quotechar"] = dialect.quote
    else:
        options["quoting"] = csv.QUOTE_NONE
    if "dtype" not in options:
        options |= {"decimal": dialect.decimal, "thousands": dialect.thousands}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pd.read_csv(
            io.BytesIO(records),
            sep=delimiter,
            escapechar=dialect.escape,
            skipinitialspace=dialect.trim,
            header=None,
            names=range(n_columns),
            index_col=False,
            encoding_errors="replace",
            on_bad_lines="skip",
            **options,
        )


def _lines(records: bytes) -> int:
    return records.count(b"\n") + (not records.endswith(b"\n") and bool(records))
