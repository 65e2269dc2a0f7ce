"""How pages of Parquet are compressed: by what is smaller, or nearly so in less time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.formats.parquet.compress import (
    DELTA_LENGTH_BYTE_ARRAY,
    PLAIN,
    PageCompressor,
)

N = 20_000


def pages_of(data: bytes) -> list[memoryview]:
    middle = len(data) // 2
    return [memoryview(data[:middle]), memoryview(data[middle:])]


def prose(rng: np.random.Generator) -> bytes:
    """Words of an uneven vocabulary, with phrases that come again."""
    words = ["".join(map(chr, rng.integers(97, 123, rng.integers(2, 9)))) for _ in range(3000)]
    ranks = np.minimum(rng.zipf(1.3, (2000, 5)) - 1, 2999)
    phrases = [" ".join(words[i] for i in row) for row in ranks]
    chosen = np.minimum(rng.zipf(1.2, N * 2) - 1, 1999)
    return " ".join(phrases[i] for i in chosen).encode()


@pytest.mark.parametrize(
    ("kind", "bytes_of_text", "takes_level_1"),
    [
        ("identifiers", 36, True),
        ("identifiers", 8, True),
        ("prose", 200, False),
    ],
)
def test_texts_are_compressed_as_suits_them(
    kind: str, bytes_of_text: int, *, takes_level_1: bool
) -> None:
    rng = np.random.default_rng(4)
    make = {
        "identifiers": lambda rng: rng.bytes(18 * N).hex().encode(),
        "prose": prose,
    }
    data = make[kind](rng)
    pages = pages_of(data)
    free, low, high = (
        PageCompressor("zstd", level).chunk(
            pages, encoding=DELTA_LENGTH_BYTE_ARRAY, n_values=len(data) // bytes_of_text
        )
        for level in (None, 1, 3)
    )
    assert free is not None
    assert low is not None
    assert high is not None
    assert (free == low) == takes_level_1
    if not takes_level_1:
        assert sum(map(len, free)) < 0.97 * sum(map(len, low))
    assert sum(map(len, free)) < 1.02 * min(sum(map(len, low)), sum(map(len, high)))
    for page, compressed in zip(pages, free, strict=True):
        assert pa.Codec("zstd").decompress(compressed, len(page), asbytes=True) == bytes(page)


def test_many_pages_show_what_repeats_at_a_distance() -> None:
    rng = np.random.default_rng(5)
    hosts = [rng.bytes(9).hex() for _ in range(5_000)]
    texts = [f"https://{hosts[i]}.com/{i * 7919}" for i in rng.integers(0, 5_000, 160_000)]
    data = "".join(texts).encode()
    pages = [memoryview(data)[at : at + 500_000] for at in range(0, len(data), 500_000)]
    assert len(pages) >= 8
    free, low = (
        PageCompressor("zstd", level).chunk(
            pages, encoding=DELTA_LENGTH_BYTE_ARRAY, n_values=len(texts)
        )
        for level in (None, 1)
    )
    assert free is not None
    assert low is not None
    assert sum(map(len, free)) < 0.95 * sum(map(len, low))


def test_numbers_without_anything_to_find_stay_as_they_are() -> None:
    rng = np.random.default_rng(5)
    pages = pages_of(rng.bytes(8 * N))
    assert PageCompressor("zstd", None).chunk(pages, encoding=PLAIN, n_values=N) is None
    repeated = pages_of(rng.bytes(N) * 8)  # at a distance
    found = PageCompressor("zstd", None).chunk(repeated, encoding=PLAIN, n_values=N)
    assert found is not None
    assert sum(map(len, found)) < 3 * N


def test_floats_of_many_exponents_have_their_bytes_apart() -> None:
    rng = np.random.default_rng(6)
    floats = rng.normal(size=65_536) * 10.0 ** rng.integers(-8, 8, 65_536)
    values = np.array([float(f"{x:.6e}") for x in floats]).view(np.uint8).reshape(-1, 8)
    assert PageCompressor("zstd", None).splitting_pays(values)


def test_prices_have_their_bytes_together() -> None:
    rng = np.random.default_rng(7)
    prices = np.round(rng.exponential(100, 65_536), 2).view(np.uint8).reshape(-1, 8)
    assert not PageCompressor("zstd", None).splitting_pays(prices)
