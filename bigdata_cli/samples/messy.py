"""A CSV with everything that makes CSVs hard, in columns of every kind.

Quotes, doubled quotes, quoted commas and newlines, nulls written in several ways and the same
words in quotes (where they are text), unicode with emoji and combining characters, leading
zeros, dates, timestamps, ids of 18 digits, spaces around numbers, a column without any value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from bigdata_cli.samples.options import BLOCK_ROWS, SampleOptions
from bigdata_cli.samples.render import (
    NOTHING,
    Field,
    Number,
    Sketch,
    Texts,
    choose,
    generator,
    row_numbers,
)

COLUMNS = (
    "id", "account", "zip", "name", "remark", "city", "active", "visits", "spaced",
    "score", "température", "born", "seen", "nothing", "quoted number",
)  # fmt: skip
_FIRST_ID = 100_000_000_000_000_000
_NULLS = ("", "NA", "N/A", "null", "\\N")
_NULL_SHARE = 0.08
_FIRST_NAMES = (
    "Ada", "José", "Zoë", "Jose\u0301", "Ngọc", "Łukasz", "美咲", "Ольга", "علي", "Seán", "D'Arcy",
)  # fmt: skip
_LAST_NAMES = (
    "Lovelace", "O'Neil", "García Márquez", "van der Berg", "佐藤", "Иванова",
    "Müller-Lüdenscheidt",
)  # fmt: skip
_REMARKS = (
    "fine", "a, b, and c ", 'she said "no" ', "two\nlines ", "windows\r\nlines ", "tab\there ",
    '""', "\n", "  spaces ", "👩‍🚀 to the 🌙 ", "e\u0301 is not é ",
    "it's ", "a long remark, " * 40,
)  # fmt: skip
_WHOLE_REMARKS = (
    '""', '"NA"', '"null"', '"\n"', '","', '""""', '"  "', '"12.5.0"', "back\\slash",
    "it's", " plain ",
)  # fmt: skip
_CITIES = (
    "Zürich", "São Paulo", "İstanbul", "'s-Hertogenbosch", '"Washington, DC"', '"NA"', "東京",
)  # fmt: skip
DAYS = tuple((date(1940, 2, 27) + timedelta(days=days)).isoformat() for days in range(31_000))
CLOCK = tuple(
    f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(86_400)
)
_ZIPS = tuple(f"{number:05d}" for number in range(0, 100_000, 7))
_FRACTIONS = ("", ".250", ".000001")


def sketch(options: SampleOptions) -> Sketch:
    """The sketch of a sample of `options.n_rows` messy records.

    A field that can be null is the parts of its value, or nothing, and then a null, or nothing.
    """
    names = (f"{first} {last}" for first in _FIRST_NAMES for last in _LAST_NAMES)
    texts = tuple(quoted(name) if index % 3 else name for index, name in enumerate(names))
    spaces = Field(Texts(("", " ", "  ")), "")
    null = Field(Texts(_NULLS))
    return Sketch(
        header=(",".join(COLUMNS) + "\n").encode(),
        fields=(
            Field(Number()),
            *(Field(Number(), ""), null),
            *(Field(Texts(_ZIPS), ""), null),
            *(Field(Texts(texts), ""), null),
            Field(Texts(_WHOLE_REMARKS), ""),
            *(
                Field(Texts(['"' + quoted(text)[1:-1] for text in _REMARKS]), ""),
                Field(Number(), ""),
            ),
            *(Field(Texts(('"',)), ""), null),
            *(Field(Texts(_CITIES), ""), null),
            *(Field(Texts(("false", "true")), ""), null),
            *(Field(Number(), ""), null),
            *(spaces, Field(Number(), ""), Field(spaces.content)),
            *(Field(Number(3), ""), null),
            *(Field(Texts(("", "-")), ""), Field(Number(), ""), Field(Texts((".5e-3", ".25")), "")),
            null,
            *(Field(Texts(DAYS), ""), null),
            *(Field(Texts(DAYS), ""), Field(Texts([f"T{time}" for time in CLOCK]), "")),
            *(Field(Texts(_FRACTIONS), ""), null),
            Field(Texts(("",)), ',"'),
            Field(Number(), '"\n'),
        ),
        cells=lambda block: _cells(options.seed, block),
    )


def quoted(text: str) -> str:
    """A text as a quoted field: in quotes, and quotes within it doubled."""
    return '"' + text.replace('"', '""') + '"'


def _cells(seed: int, block: int) -> np.ndarray:
    random = generator(seed, block)

    def some(n_values: int, low: int = 0) -> np.ndarray:
        return random.integers(low, n_values, BLOCK_ROWS)

    def nullable(*parts: np.ndarray) -> list[np.ndarray]:
        return _nullable(random, parts)

    ids = _FIRST_ID + row_numbers(block) * 1_000_003
    accounts = random.integers(_FIRST_ID, 10 * _FIRST_ID, BLOCK_ROWS)
    whole = some(len(_WHOLE_REMARKS))
    is_whole = random.random(BLOCK_ROWS) < 0.25
    remark = [some(len(_REMARKS)), some(100_000_000), some(1)]
    remarks = [np.where(is_whole, NOTHING, part) for part in remark]
    spaced = np.where(random.random(BLOCK_ROWS) < _NULL_SHARE, NOTHING, some(1000, -1000))
    quoted_number = np.where(random.random(BLOCK_ROWS) < _NULL_SHARE, NOTHING, some(100_000))
    return np.stack([
        ids,
        *nullable(accounts),
        *nullable(some(len(_ZIPS))),
        *nullable(some(len(_FIRST_NAMES) * len(_LAST_NAMES))),
        *nullable(np.where(is_whole, whole, NOTHING), *remarks),
        *nullable(choose(random, [30, 20, 10, 1, 5, 2, 10])),
        *nullable(some(2)),
        *nullable(some(300, -1)),
        *(some(3), spaced, some(3)),
        *nullable(some(1_000_000)),
        *nullable(some(2), some(40), some(2)),
        *nullable(some(len(DAYS))),
        *nullable(some(len(DAYS)), some(len(CLOCK)), some(len(_FRACTIONS))),
        some(1),
        quoted_number,
    ])  # fmt: skip


def _nullable(random: np.random.Generator, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The parts of a value, left out where a null stands, and the null."""
    is_null = random.random(BLOCK_ROWS) < _NULL_SHARE
    nulls = random.integers(0, len(_NULLS), BLOCK_ROWS)
    return [
        *(np.where(is_null, NOTHING, part) for part in parts),
        np.where(is_null, nulls, NOTHING),
    ]
