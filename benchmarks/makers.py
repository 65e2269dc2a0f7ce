"""Makers of rows: each gives a block of rows of a shape from random numbers, as text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.cells import (
    days,
    decimals,
    grid,
    hexadecimals,
    integers,
    joined,
    long_tailed,
    moments,
    pick,
    quoted,
    rows,
    texts,
    times,
)

Random = np.random.Generator
_NEW_YEAR = 1_704_067_200
"""2024-01-01 in seconds since 1970."""


def floats(random: Random, first: int, n: int) -> memoryview:
    """As HIGGS is distributed: float32 printed by `%.18e`."""
    values = random.standard_normal((n, 29)).astype(np.float32)
    values[:, 15:] = np.exp(values[:, 15:] * 0.5)
    values[:, 0] = values[:, 0] > 0
    line = ",".join(["%.18e"] * 29) + "\n"
    return memoryview((line * n % tuple(values.ravel().tolist())).encode())


def taxi(random: Random, first: int, n: int) -> memoryview:
    start = _NEW_YEAR + (first + np.arange(n)) // 3 + random.integers(0, 600, n)
    seconds = (random.lognormal(6.5, 0.6, n)).astype(np.int64)
    miles = np.minimum(seconds * random.integers(15, 60, n) // 100, 9_999)
    fare = 250 + miles * 250 // 50 * 50 // 100 * 10
    tip = np.where(random.random(n) < 0.6, fare * random.integers(10, 30, n) // 100, 0)
    tolls = np.where(random.random(n) < 0.06, 655, 0)
    return rows([
        pick(["1", "2", "6"], random.choice(3, n, p=[0.3, 0.69, 0.01])),
        times(start),
        times(start + seconds),
        pick(["1", "2", "3", "4", "5", "6", ""],
             random.choice(7, n, p=[0.72, 0.13, 0.05, 0.02, 0.03, 0.02, 0.03])),
        decimals(miles, 2),
        pick(["1", "2", "3", "4", "5", "99"],
             random.choice(6, n, p=[0.93, 0.03, 0.01, 0.01, 0.01, 0.01])),
        pick(['"N"', '"Y"'], (random.random(n) < 0.01).astype(np.int8)),
        integers(random.integers(1, 266, n)),
        integers(random.integers(1, 266, n)),
        pick(["1", "2", "3", "4"], random.choice(4, n, p=[0.7, 0.28, 0.01, 0.01])),
        decimals(fare, 2),
        pick(["0.00", "0.50", "1.00", "2.50"], random.integers(0, 4, n)),
        pick(["0.50", "0.00"], (random.random(n) < 0.01).astype(np.int8)),
        decimals(tip, 2),
        decimals(tolls, 2),
        pick(["0.30", "1.00"], (random.random(n) < 0.5).astype(np.int8)),
        decimals(fare + tip + tolls + 380, 2),
    ])  # fmt: skip


def transactions_quoted(random: Random, first: int, n: int) -> memoryview:
    """Those of `bigdata sample`, with quotes around the type and both names."""
    from bigdata_cli.samples.options import BLOCK_ROWS, SampleOptions
    from bigdata_cli.samples.render import Texts, render
    from bigdata_cli.samples.transactions import TYPES, sketch

    seed = int(random.integers(1 << 31))
    plain = sketch(SampleOptions(kind="transactions", n_rows=BLOCK_ROWS, seed=seed))
    fields = list(plain.fields)
    fields[1] = replace(fields[1], content=Texts([f'"{name}"' for name in TYPES]))
    for index, end in ((2, ',"C'), (3, '",'), (5, ',"'), (7, '",')):
        fields[index] = replace(fields[index], end=end)
    quoted_names = replace(plain, fields=tuple(fields))
    return memoryview(b"".join(render(quoted_names, plain.cells(0)[:, :n])))


_CLICK_VALUES = (12, 40, 300, 1_500, 8_000, 30_000, 200_000, 1_500_000, 9_000_000)


def clicks(random: Random, first: int, n: int) -> memoryview:
    columns = [integers((random.random(n) < 0.26).astype(np.int8))]
    for index in range(13):
        values = np.minimum(random.lognormal(1 + index % 5, 1 + index % 3 * 0.7, n), 2e9)
        whole = values.astype(np.int64) - (index % 4 == 1)
        columns.append(integers(whole, random.random(n) < 0.2))
    for n_values in _CLICK_VALUES:
        names = hexadecimals(long_tailed(random, n, n_values) + n_values * 7919, quotes=True)
        columns.append(names)
    return rows(columns)


_WORDS = (
    "the", "a", "and", "it", "this", "was", "is", "for", "of", "to", "book", "product", "great",
    "terrible", "would", "recommend", "again", "delivery", "arrived", "broken", "quality", "price",
    "expensive", "cheap", "wonderful", "my", "daughter", "loved", "returned", "because", "never",
    "buy", "five", "stars", "packaging", "don't", "isn't", "café", "naïve", "unbelievable",
    "disappointed", "really", "very", "good", "bad", "sound", "battery", "lasts", "hours", "screen",
)  # fmt: skip
_WORDS_AND_SPACE = tuple(f"{word} " for word in _WORDS)
_PIECES = (
    *(f"{word} " for word in _WORDS * 4), *(f"{word}, " for word in _WORDS),
    *(f"{word}. " for word in _WORDS), *(f'""{word}"" ' for word in _WORDS[:20]),
    "\n", ".\n\n", "<br /><br />", "; ", "— ", "... ",
)  # fmt: skip


def reviews(random: Random, first: int, n: int) -> memoryview:
    lengths = np.minimum(random.lognormal(4, 0.9, n).astype(np.int64) + 3, 3_000)
    short = random.integers(2, 9, n)
    helpful = long_tailed(random, n, 300)
    return rows([
        integers(first + np.arange(n) + 1),
        joined("B0", hexadecimals(long_tailed(random, n, 80_000))),
        joined("A", hexadecimals(long_tailed(random, n, 2_000_000) + 10**9)),
        integers(helpful),
        integers(helpful + long_tailed(random, n, 40)),
        integers(random.choice(5, n, p=[0.09, 0.05, 0.08, 0.14, 0.64]) + 1),
        integers(_NEW_YEAR - long_tailed(random, n, 400_000_000) // 86_400 * 86_400),
        quoted(texts(_WORDS_AND_SPACE, random.integers(0, len(_WORDS), short.sum()), short)),
        quoted(texts(_PIECES, random.integers(0, len(_PIECES), lengths.sum()), lengths)),
    ])  # fmt: skip


def pixels(random: Random, first: int, n: int) -> memoryview:
    """A label and 28 × 28 pixels: strokes in the middle, four in five cells zero, as in MNIST."""
    side = np.arange(28)
    inside = (np.abs(side - 14) < 11)[:, None] & (np.abs(side - 14) < 10)[None, :]
    cells = np.zeros((n, 28, 28), np.int32)
    for _ in range(3):
        centre, slope, width = (
            random.uniform(*span, (n, 1, 1)) for span in ((8, 20), (-0.8, 0.8), (0.8, 1.6))
        )
        distance = np.abs(side[None, None, :] - centre - slope * (side[None, :, None] - 14))
        ink = np.clip(1.6 - distance / width, 0, 1) * inside
        cells = np.maximum(cells, (255 * ink).astype(np.int32))
    grey = np.flatnonzero((cells > 0) & (cells < 255))
    cells.ravel()[grey] ^= random.integers(0, 16, len(grey), np.int32)
    labels = random.integers(0, 10, (n, 1))
    return grid(np.hstack([labels, cells.reshape(n, -1)]), [str(i) for i in range(256)])


def wide(random: Random, first: int, n: int) -> memoryview:
    return grid(random.integers(0, 10, (n, 11_000)), [str(digit) for digit in range(10)])


_MATRIX_TEXTS = 200_000


def matrix(random: Random, first: int, n: int) -> memoryview:
    values = np.rint(random.standard_normal(_MATRIX_TEXTS) * 1e6).astype(np.int64)
    words = decimals(values, 6).to_pylist()
    return grid(random.integers(0, len(words), (n, 5_000)), words)


_AGENTS = tuple(
    f'"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) {browser}/{version}.0.0.0"'
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7",
                   "X11; Linux x86_64", "iPhone; CPU iPhone OS 17_2 like Mac OS X")
    for browser in ("Chrome", "Safari", "Firefox", "Edg")
    for version in range(100, 125)
)  # fmt: skip
_PATHS = tuple(
    f"/{area}/{page}" for area in ("api/v1", "static", "shop", "blog", "user")
    for page in (*_WORDS, *(f"item-{number}" for number in range(400)))
)  # fmt: skip


def weblog(random: Random, first: int, n: int) -> memoryview:
    agents = long_tailed(random, n, len(_AGENTS))
    address = random.integers(0, 256, (4, n))
    levels = random.choice(3, n, p=[0.93, 0.05, 0.02])
    return rows([
        moments(1000 * _NEW_YEAR + (first + np.arange(n)) * 37 + random.integers(0, 30, n)),
        pick(["INFO", "WARN", "ERROR"], levels),
        joined(*(integers(part) for part in address), between="."),
        pick(["GET", "POST", "PUT", "HEAD"], random.choice(4, n, p=[0.8, 0.15, 0.03, 0.02])),
        pick(_PATHS, long_tailed(random, n, len(_PATHS))),
        pick(["200", "304", "404", "500", "301"],
             random.choice(5, n, p=[0.85, 0.06, 0.05, 0.02, 0.02])),
        integers(random.lognormal(8, 2, n).astype(np.int64)),
        pick(["", "https://www.example.com/", "https://search.example.org/?q=a+b"],
             random.choice(3, n, p=[0.6, 0.25, 0.15])),
        pick(_AGENTS, agents),
        decimals(random.lognormal(9, 1.2, n).astype(np.int64), 3),
    ])  # fmt: skip


def sparse(random: Random, first: int, n: int) -> memoryview:
    """A row number and 300 columns, of which one value in twenty is there."""
    table = [""] + [str(number) for number in range(1000)]
    table += decimals(random.integers(0, 10**6, 4_000), 3).to_pylist()
    table += pick(_WORDS, np.arange(len(_WORDS))).to_pylist()
    starts, counts = (1, 1001, 5001), (1000, 4000, len(_WORDS))
    kinds = np.arange(300) % 3
    cells = np.stack([
        starts[kind] + random.integers(0, counts[kind], n, np.int32) for kind in kinds
    ], axis=1)  # fmt: skip
    cells[random.random((n, 300), np.float32) < 0.95] = 0
    cells[:, 0] = 1 + random.integers(0, 1000, n)
    return grid(cells, table)


def dates(random: Random, first: int, n: int) -> memoryview:
    """Dates and times in every second column, small numbers between them."""
    columns = []
    for index in range(10):
        day = 19_000 + random.integers(-3_000, 800, n)
        empty = random.random(n) < 0.02 * index
        columns.append(integers(random.integers(0, 10 ** (1 + index % 4), n)))
        columns.append(days(day, empty) if index % 3 else times(
            day * 86_400 + random.integers(0, 86_400, n)))  # fmt: skip
    return rows(columns)


TAXI = (
    "VendorID", "tpep_pickup_datetime", "tpep_dropoff_datetime", "passenger_count",
    "trip_distance", "RatecodeID", "store_and_fwd_flag", "PULocationID", "DOLocationID",
    "payment_type", "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount",
    "improvement_surcharge", "total_amount",
)  # fmt: skip
REVIEWS = (
    "Id", "ProductId", "UserId", "Helpful", "Votes", "Score", "Time", "Summary", "Text",
)  # fmt: skip
WEBLOG = (
    "time", "level", "client", "method", "path", "status", "bytes", "referrer", "agent", "ms",
)  # fmt: skip
