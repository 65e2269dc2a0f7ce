"""Makers of rows as single fields of work write them: logs, surveys, genomes, registers, physics.

None of them was looked at when the parser and the encoders were made.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.cells import (
    days,
    decimals,
    grid,
    hexadecimals,
    integers,
    joined,
    long_tailed,
    pick,
    printed,
    quoted,
    rows,
    text_bytes,
    times,
)

Random = np.random.Generator
_NEW_YEAR = 1_704_067_200
"""2024-01-01 in seconds since 1970."""


def onehot(random: Random, first: int, n: int) -> memoryview:
    """A label and 400 columns of 0 and 1, a few of them often 1."""
    share = np.minimum(0.5, 1.5 / np.arange(1, 402))
    return grid(random.random((n, 401), np.float32) < share, ["0", "1"])


def _offsets(seconds: np.ndarray, zone: np.ndarray) -> pa.Array:
    """`2024-03-01T12:34:56+02:00`."""
    text = times(seconds)
    parts = (pc.utf8_slice_codeunits(text, 0, 10), pc.utf8_slice_codeunits(text, 11))
    return joined(parts[0], "T", parts[1], pick(["+00:00", "+01:00", "+02:00", "-05:00"], zone))


def _uuids(random: Random, n: int) -> pa.Array:
    parts = [hexadecimals(random.integers(0, 1 << 62, n)) for _ in range(4)]
    cut = pc.utf8_slice_codeunits
    middle = [cut(part, *ends) for part in parts[1:3] for ends in ((0, 4), (4, 8))]
    return joined(parts[0], middle[0], middle[1], middle[2],
                  joined(middle[3], parts[3]), between="-")  # fmt: skip


EVENTS = ("id", "at", "received", "session", "kind", "value", "device")


def events(random: Random, first: int, n: int) -> memoryview:
    """Events of an application: UUIDs and times with an offset from UTC."""
    at = _NEW_YEAR + (first + np.arange(n)) // 8 + random.integers(0, 60, n)
    zone = random.integers(0, 4, n)
    return rows([
        _uuids(random, n),
        _offsets(at, zone),
        _offsets(at + long_tailed(random, n, 600), np.zeros(n, np.int8)),
        _uuids(random, n // 6 + 1).take(pa.array(np.arange(n) // 6)),
        pick(["page_view", "click", "scroll", "purchase", "login"],
             random.choice(5, n, p=[0.5, 0.3, 0.15, 0.02, 0.03])),
        decimals(random.integers(0, 10**6, n), 3, random.random(n) < 0.7),
        pick(["ios", "android", "web"], random.integers(0, 3, n)),
    ])  # fmt: skip


_HOSTS = tuple(
    f"{name}{number}.example.{end}" for name in ("cdn", "www", "api", "img", "static", "mail")
    for number in range(300) for end in ("com", "org", "net", "de", "io")
)  # fmt: skip
FLOWS = ("start", "source", "destination", "port", "protocol", "packets", "bytes", "url")


def flows(random: Random, first: int, n: int) -> memoryview:
    """Network flows: addresses and URLs."""
    at = 1_000 * _NEW_YEAR + (first + np.arange(n)) * 3
    hosts = pick(_HOSTS, long_tailed(random, n, len(_HOSTS)))
    ids = integers(long_tailed(random, n, 10**7))
    keys = hexadecimals(random.integers(0, 1 << 40, n))
    return rows([
        decimals(at, 3),
        joined("10", *(integers(random.integers(0, 256, n)) for _ in range(3)), between="."),
        joined(*(integers(random.integers(1, 255, n)) for _ in range(4)), between="."),
        pick(["443", "80", "53", "22", "8080"],
             random.choice(5, n, p=[0.7, 0.15, 0.1, 0.03, 0.02])),
        pick(["TCP", "UDP", "ICMP"], random.choice(3, n, p=[0.85, 0.13, 0.02])),
        integers(long_tailed(random, n, 5_000) + 1),
        integers(long_tailed(random, n, 4_000_000) + 40),
        joined("https://", hosts, "/items/", ids, "?ref=", keys),
    ])  # fmt: skip


_ANSWERS = (
    '"Strongly agree"', '"Agree"', '"Neither agree nor disagree"', '"Disagree"',
    '"Strongly disagree"', '"Prefer not to say"', '""',
)  # fmt: skip


def survey(random: Random, first: int, n: int) -> memoryview:
    """A number and 39 answers in quotes, of seven each."""
    choices = random.choice(7, (n, 39), p=[0.2, 0.35, 0.2, 0.1, 0.05, 0.05, 0.05])
    numbers = random.integers(0, 10**6, (n, 1)) + len(_ANSWERS)
    table = [*_ANSWERS, *(f'"{number}"' for number in range(10**6))]
    return grid(np.hstack([numbers, choices]), table)


LEDGER = ("transfer", "account", "counterparty", "booked", "amount", "balance", "batch")


def ledger(random: Random, first: int, n: int) -> memoryview:
    """Bookings: identifiers of 16 to 19 digits, sums in the smallest unit."""
    big = 9_000_000_000_000_000_000
    accounts = random.integers(10**15, 10**16, 50_000)
    return rows([
        integers(1_700_000_000_000_000_000 + (first + np.arange(n)) * 1_048_573),
        integers(accounts[long_tailed(random, n, 50_000)]),
        integers(random.integers(10**18, big, n)),
        integers((_NEW_YEAR + first + np.arange(n)) * 1_000_000 + random.integers(0, 10**6, n)),
        integers(random.integers(-(10**9), 10**9, n)),
        integers(random.integers(-(10**17), 10**17, n)),
        integers(random.integers(10**15, 10**18, n)),
    ])  # fmt: skip


_FIRST = (
    "Anna", "Łukasz", "José", "Søren", "Zoë", "Müller", "Peter", "Mary", "Jürgen", "Olivia", "Noah",
    "Emma", "李娜", "王伟", "Иван", "Ольга", "محمد", "Chloé", "Ángel", "Maria",
)  # fmt: skip
_SYLLABLES = ("ber", "man", "son", "ski", "ová", "dott", "ller", "øre", "ing", "ton", "ar", "el")
PEOPLE = ("number", "name", "email", "born", "street", "city", "phone", "balance", "vip")


def people(random: Random, first: int, n: int) -> memoryview:
    """A register: names in several scripts, addresses, telephone numbers."""
    parts = [pick(_SYLLABLES, random.integers(0, len(_SYLLABLES), n)) for _ in range(3)]
    family = pc.utf8_capitalize(joined(*parts))
    given = pick(_FIRST, random.integers(0, len(_FIRST), n))
    house = integers(random.integers(1, 200, n))
    return rows([
        integers(first + np.arange(n) + 1),
        joined(given, family, between=" "),
        joined(joined(*parts), integers(random.integers(0, 9_999, n)),
               pick(["@example.com", "@example.org"], random.integers(0, 2, n))),
        days(random.integers(-10_000, 12_000, n), random.random(n) < 0.05),
        quoted(joined(house, " ", family, " Street, Apt ", integers(random.integers(1, 90, n)))),
        pick(("München", "São Paulo", "New York", "Kraków", "東京", "Paris", "Lagos"),
             random.integers(0, 7, n)),
        joined("+1-555-", integers(random.integers(100, 999, n)), "-",
               integers(random.integers(1_000, 9_999, n))),
        decimals(random.integers(-10**7, 10**7, n), 2, random.random(n) < 0.1),
        pick(["true", "false"], (random.random(n) < 0.9).astype(np.int8)),
    ])  # fmt: skip


EUROPEAN = ("Artikel", "Datum", "Menge", "Preis", "Rabatt", "Umsatz", "Steuer", "Filiale", "Land")


def european(random: Random, first: int, n: int) -> memoryview:
    """Sales with semicolons between fields and commas before decimals."""
    amount = random.integers(1, 500, n)
    price = long_tailed(random, n, 200_000) + 99

    def comma(values: np.ndarray, places: int) -> pa.Array:
        return pc.replace_substring(decimals(values, places), ".", ",")

    columns = [
        integers(long_tailed(random, n, 90_000) + 10_000),
        days(19_700 + random.integers(0, 400, n)),
        integers(amount),
        comma(price, 2),
        comma(random.integers(0, 400, n), 1),
        comma(amount * price, 2),
        comma(amount * price * 19, 4),
        pick([f"Filiale {number}" for number in range(200)], random.integers(0, 200, n)),
        pick(["Österreich", "Deutschland", "Schweiz"], random.integers(0, 3, n)),
    ]
    return rows(columns, delimiter=";")


GENOMES = ("chrom", "pos", "id", "ref", "alt", "qual", "filter", "info", "format", "sample1",
           "sample2", "sample3")  # fmt: skip


def genomes(random: Random, first: int, n: int) -> memoryview:
    """Variants as in VCF: tabs between fields, colons and semicolons within them."""

    def genotype() -> pa.Array:
        calls = pick(["0/0", "0/1", "1/1", "./."], random.choice(4, n, p=[0.6, 0.25, 0.1, 0.05]))
        depth = integers(random.integers(5, 60, n))
        return joined(calls, depth, integers(random.integers(1, 99, n)), between=":")

    bases = pick(["A", "C", "G", "T"], np.arange(4))
    info = joined("AC=", integers(random.integers(1, 6, n)), ";AF=",
                  decimals(random.integers(1, 1_000, n), 3), ";DP=",
                  integers(random.integers(20, 900, n)))  # fmt: skip
    columns = [
        pick([f"chr{number}" for number in range(1, 23)], (first + np.arange(n)) // 300_000 % 22),
        integers((first + np.arange(n)) % 300_000 * 800 + random.integers(0, 800, n)),
        pc.if_else(pa.array(random.random(n) < 0.4), ".",
                   joined("rs", integers(random.integers(1, 10**9, n)))),
        bases.take(pa.array(random.integers(0, 4, n))),
        bases.take(pa.array(random.integers(0, 4, n))),
        decimals(random.integers(3_000, 999_999, n), 2),
        pick(["PASS", "LowQual"], (random.random(n) < 0.1).astype(np.int8)),
        info,
        pick(["GT:DP:GQ"], np.zeros(n, np.int8)),
        *(genotype() for _ in range(3)),
    ]  # fmt: skip
    return rows(columns, delimiter="\t")


PAYLOADS = ("at", "topic", "partition", "payload")


def payloads(random: Random, first: int, n: int) -> memoryview:
    """Messages: an object of JSON in quotes, so that each of its quotes stands twice."""
    payload = joined(
        '"{""user_id"": ', integers(long_tailed(random, n, 10**6)), ', ""action"": ""',
        pick(["view", "add_to_cart", "remove", "checkout"], random.integers(0, 4, n)),
        '"", ""items"": [', integers(random.integers(1, 10**5, n)), ", ",
        integers(random.integers(1, 10**5, n)), '], ""price"": ',
        decimals(random.integers(1, 10**6, n), 2), ', ""token"": ""',
        hexadecimals(random.integers(0, 1 << 62, n)), '""}"',
    )  # fmt: skip
    return rows([
        times(_NEW_YEAR + (first + np.arange(n)) // 20),
        pick(["orders", "clicks", "users"], random.choice(3, n, p=[0.2, 0.7, 0.1])),
        integers(random.integers(0, 32, n)),
        payload,
    ])  # fmt: skip


def physics(random: Random, first: int, n: int) -> memoryview:
    """A number and 15 floats with exponents, of 3 to 17 digits."""
    columns = [integers(first + np.arange(n))]
    for index in range(15):
        values = random.standard_normal(n) * 10.0 ** random.integers(-12, 12, n)
        columns.append(printed(values, f"%.{2 + index}e"))
    return rows(columns)


def hashes(random: Random, first: int, n: int) -> memoryview:
    """Files of a store: a digest of 64 digits each, a name that few have in common."""
    digests = [hexadecimals(random.integers(0, 1 << 62, n)) for _ in range(8)]
    parents = [hexadecimals(long_tailed(random, n, 400_000) + 7_919 * part) for part in range(2)]
    return rows(
        [
            joined(*digests),
            integers(long_tailed(random, n, 10**9)),
            joined(*parents),
            times(_NEW_YEAR - random.integers(0, 10**8, n)),
        ]
    )


QUOTES = ("symbol", "date", "open", "high", "low", "close", "volume", "adjusted", "exchange")
_SYMBOLS = tuple(
    "".join(chr(65 + number // 26**place % 26) for place in range(4)) for number in range(6_000)
)


def quotes(random: Random, first: int, n: int) -> memoryview:
    """Prices of shares by day: CR LF at the ends of lines."""
    number = first + np.arange(n)
    level = 1_000 + long_tailed(random, n, 50_000)
    columns = [
        pick(_SYMBOLS, number // 2_500 % len(_SYMBOLS)),
        days(10_000 + number % 2_500),
        *(decimals(np.maximum(level + random.integers(-200, 200, n), 1), 2) for _ in range(4)),
        integers(random.integers(0, 10**8, n)),
        decimals(level * 1_000_000 + random.integers(0, 10**6, n), 8),
        pick(["NYSE", "NASDAQ", "AMEX"], random.integers(0, 3, n)),
    ]
    return text_bytes(joined(joined(*columns, between=","), "\r\n"))
