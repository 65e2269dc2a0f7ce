"""What people write: tables with pollution against other readers, and values in told forms.

The kinds of pollution are those of Vitagliano et al., "Pollock: A Data Loading Benchmark" (VLDB
2023), written anew: other marks, ragged records, lines before and after the table, line ends that
lack or are mixed, quotes and escapes where none are needed.
"""

from __future__ import annotations

import csv
import io
import random
import re
import tempfile
from decimal import Decimal

from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.types.time_format import COMMON_FORMATS
from tests.fuzz import mutated, target
from tests.fuzz.blocks import parse
from tests.native.test_formatted_time import expected, micros_of

CASES = 40
ALPHABET = "ab019.-/ :é😀"
NUMBER = re.compile(r"-?(0|[1-9]\d*|[1-9]\d{0,2}(,\d{3})+)(\.\d+)?")
MARKED = Dialect(delimiter=";", thousands=",", strip="$%", null_tokens=("",))
NO_NULL = ("\x07",)


def _cell(chance: random.Random, dialect: Dialect) -> str:
    letters = ALPHABET
    if chance.random() < 0.2:
        letters += f"{dialect.delimiter}{dialect.quote or ''}\n\r"
    return "".join(chance.choices(letters, k=chance.choice([0, 1, 1, 3, 8, 20])))


def _field(text: str, chance: random.Random, dialect: Dialect) -> str:
    """A field as some program writes it: quoted where that is needed, and elsewhere at times."""
    quote = dialect.quote
    needed = any(c in text for c in f"{dialect.delimiter}\r\n") or text.startswith(quote or "\0")
    if quote is None or not (needed or chance.random() < 0.15):
        return text
    return f"{quote}{text.replace(quote, 2 * quote)}{quote}"


def _polluted(chance: random.Random, dialect: Dialect, width: int) -> bytes:
    """A table with up to three kinds of pollution."""
    ends = chance.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]])
    lines = []
    kinds = set(
        chance.sample(["short", "long", "blank", "prose", "quote", "cut"], chance.randint(0, 3))
    )
    for _ in range(chance.randint(1, 30)):
        n = width
        if "short" in kinds and chance.random() < 0.1:
            n = chance.randint(1, width)
        elif "long" in kinds and chance.random() < 0.1:
            n += chance.randint(1, 3)
        cells = [_cell(chance, dialect) for _ in range(n)]
        line = (dialect.delimiter or "").join(_field(c, chance, dialect) for c in cells)
        if "quote" in kinds and dialect.quote and chance.random() < 0.1:
            at = chance.randint(0, len(line))
            line = line[:at] + dialect.quote + line[at:]
        if "blank" in kinds and chance.random() < 0.1:
            line = ""
        if "prose" in kinds and chance.random() < 0.05:
            line = "Source: a page, of 2024"
        lines.append(line + chance.choice(ends))
    text = "".join(lines)
    if "cut" in kinds:
        text = text[: chance.randint(0, len(text))]
    return text.encode()


def _read_by_csv(data: bytes, dialect: Dialect) -> list[list[str]] | None:
    """The records by Python's reader; None where it refuses the text."""
    arguments = {"delimiter": dialect.delimiter, "doublequote": True, "strict": True}
    if dialect.quote is None:
        arguments["quoting"] = csv.QUOTE_NONE
    else:
        arguments["quotechar"] = dialect.quote
    try:
        text = io.StringIO(data.decode("utf-8"), newline="")
        return [row for row in csv.reader(text, **arguments) if row]
    except csv.Error:
        return None


@target
def polluted_tables(chance: random.Random) -> int:
    """Records of the right width are those of Python's csv, the others are set aside."""
    quote = chance.choice(['"', '"', "'", None])
    dialect = Dialect(delimiter=chance.choice(",;\t|"), quote=quote, null_tokens=NO_NULL)
    width = chance.randint(2, 5)
    data = _polluted(chance, dialect, width)
    rows = _read_by_csv(data, dialect)
    found = parse(data, dialect, ["text"] * width, skip=True)
    assert found.position == len(data), (data, dialect)
    if rows is None:
        return 0  # a quote that one of them refuses may be closed by another
    ours = [list(row.values()) for row in found.batch.to_pylist()]
    assert ours == [row for row in rows if len(row) == width], (data, dialect)
    assert len(found.rejects) == sum(len(row) != width for row in rows), (data, dialect)
    assert b"".join(r.raw for r in found.rejects) == b"" or all(
        r.raw in data for r in found.rejects
    )
    return len(rows)


@target
def mended_tables(chance: random.Random) -> int:
    """Short records are filled, long ones cut, where that is asked for."""
    dialect = Dialect(
        delimiter=",", null_tokens=NO_NULL, short_rows=chance.choice(["error", "null"]),
        long_rows=chance.choice(["error", "cut"]),
    )  # fmt: skip
    width = chance.randint(2, 5)
    data = _polluted(chance, dialect, width)
    rows = _read_by_csv(data, dialect)
    if rows is None:
        return 0
    expected_rows = []
    for row in rows:
        if len(row) < width and dialect.short_rows == "null":
            row = row + [None] * (width - len(row))
        if len(row) > width and dialect.long_rows == "cut":
            row = row[:width]
        if len(row) == width:
            expected_rows.append([value or "" for value in row])
    found = parse(data, dialect, ["text"] * width, skip=True)
    ours = [[value or "" for value in row.values()] for row in found.batch.to_pylist()]
    assert ours == expected_rows, (data, dialect)
    return len(rows)


def _by_polars(data: bytes, mark: str) -> list[list[str]] | None:
    import polars as pl

    try:
        frame = pl.read_csv(
            data, has_header=False, separator=mark, infer_schema=False, empty_string_is_null=False
        )
    except pl.exceptions.PolarsError:
        return None
    return [list(row) for row in frame.rows()]


def _by_duckdb(path: str, mark: str, width: int) -> list[list[str]] | None:
    import duckdb

    columns = {f"c{i}": "VARCHAR" for i in range(width)}
    try:
        table = duckdb.read_csv(
            path, columns=columns, header=False, sep=mark, quotechar='"', escapechar='"',
            na_values="\x07", auto_detect=False,
        )  # fmt: skip
        return [list(row) for row in table.fetchall()]
    except duckdb.Error:
        return None


@target
def other_readers(chance: random.Random) -> int:
    """Of a table that is whole, the rows are those of csv, Polars and DuckDB."""
    dialect = Dialect(delimiter=chance.choice(",;\t|"), null_tokens=NO_NULL)
    width = chance.randint(2, 5)
    rows = [[_cell(chance, dialect) for _ in range(width)] for _ in range(chance.randint(1, 60))]
    end = chance.choice(["\n", "\r\n"])
    mark = dialect.delimiter or ","
    text = "".join(mark.join(_field(c, chance, dialect) for c in row) + end for row in rows)
    data = text.encode()
    if _read_by_csv(data, dialect) != rows:
        return 0
    found = parse(data, dialect, ["text"] * width, skip=False)
    ours = [list(row.values()) for row in found.batch.to_pylist()]
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(data)
        file.flush()
        theirs = [_by_polars(data, mark), _by_duckdb(file.name, mark, width)]
    assert ours == rows, (data, ours)
    # Each of them refuses some tables and misreads others; what both say alike is looked at.
    assert theirs[0] is None or theirs[0] != theirs[1] or theirs[0] == rows, (data, theirs)
    return len(rows)


@target
def formatted_moments(chance: random.Random) -> int:
    """Dates and times in a format, whole and marred, against strptime."""
    import datetime as dt

    cases = 0
    for _ in range(CASES):
        form = chance.choice(COMMON_FORMATS)
        years = (1969, 2068) if "%y" in form else (1000, 9998)
        moment = dt.datetime(
            chance.randint(*years), chance.randint(1, 12), chance.randint(1, 28),
            chance.randrange(24), chance.randrange(60), chance.randrange(60),
        )  # fmt: skip
        zone = dt.timezone(dt.timedelta(minutes=chance.randint(-1439, 1439)))
        text = moment.replace(tzinfo=zone if "%z" in form else None).strftime(form)
        pieces = [b"0", b"/", b":", b" ", b"1", b"9", b"PM", b"Feb", b"30"]
        marred = mutated(text.encode(), chance, pieces).decode("utf-8", "replace")
        for one in (text, marred):
            if re.search(
                r"\s\s|^\s|\s$|[\t\n\v\f\r]|:\d\d:\d\d:\d\d|[+-]\d{4}\d|\.\d{7}|[/.:-] \d|[^ -~]",
                one,
            ):
                continue  # what strptime takes in other ways
            if "%z" in form and re.search(r"[+-]\d\d$", one):
                continue  # an offset of hours alone, which strptime does not know
            assert micros_of(one, form) == expected(one, form), (one, form)
            cases += 1
    return cases


@target
def marked_numbers(chance: random.Random) -> int:
    """Numbers with marks around them are those that Python reads without them."""
    texts = []
    for _ in range(CASES):
        digits = f"{chance.randint(-(10 ** chance.randint(1, 12)), 10 ** chance.randint(1, 12)):,}"
        number = digits + chance.choice(["", "", ".5", ".25", ".1"])
        sign, number = ("-", number[1:]) if number[0] == "-" else ("", number)
        text = chance.choice(["", "$", "$ "]) + sign + chance.choice(["", "$"]) + number
        text += chance.choice(["", "%", " %", "$"])
        if chance.random() < 0.3:
            text = mutated(text.encode(), chance, [b"$", b"%", b",", b".", b"-", b"0"]).decode(
                "latin-1"
            )
        texts.append("".join(c for c in text if " " <= c <= "~" and c not in ';"').strip(" "))
    data = "".join(f"{i};{text}\n" for i, text in enumerate(texts)).encode()
    chunk = parse(data, MARKED, ["int64", "text"], skip=False)
    assert chunk.rows == CASES
    for text in texts:
        bare = text.strip("$% ")
        if bare.startswith("-"):
            bare = "-" + bare[1:].lstrip("$% ")
        is_number = NUMBER.fullmatch(bare) is not None
        if is_number and "." not in bare and abs(int(bare.replace(",", ""))) >= 2**63:
            continue  # an integer that may be too large to be one
        value = parse(f"1;{text}\n".encode(), MARKED, ["int64", "null"], skip=False)
        found = value.batch.column(1)[0].as_py()
        if not text:
            assert found is None
        elif is_number:
            assert not isinstance(found, str), (text, found)
            assert Decimal(repr(found)) == Decimal(bare.replace(",", "")) or isinstance(
                found, float
            )
            assert abs(float(found) - float(bare.replace(",", ""))) <= 1e-6 * abs(float(found)), (
                text
            )
    return CASES


@target
def told_bools(chance: random.Random) -> int:
    """Columns of the texts that are true and false, and of others."""
    true, false = "Ja", "Nein"
    dialect = Dialect(delimiter=",", true_tokens=(true,), false_tokens=(false,), null_tokens=("",))
    known = {true: True, false: False, "true": True, "FALSE": False, "": None}
    texts = [chance.choice(list(known)) for _ in range(CASES)]
    if chance.random() < 0.5:
        texts[chance.randrange(CASES)] = chance.choice(
            ["ja", "Jaa", "J", "nein", "0", "2024-01-01"]
        )
    data = "".join(f"{i},{text}\n" for i, text in enumerate(texts)).encode()
    try:
        values = parse(data, dialect, ["int64", "null"], skip=False).batch.column(1).to_pylist()
    except RecordError as error:
        raise AssertionError((texts, error)) from error
    if all(text in known for text in texts):
        assert values == [known[text] for text in texts], texts
    else:
        assert values == [text or None for text in texts], texts
    return CASES
