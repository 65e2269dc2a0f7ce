"""Compiled passes over the cells of a column: gather text, encode a dictionary, measure numbers."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import byte_at, load_u64, store_u64
from bigdata_cli.sources.kernel import ESCAPED, NO_VALUE

_NOT_ASCII = np.uint64(0x8080808080808080)
_NEARLY = 1 - 1e-9
_HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_FIRST_SLOTS = 1024


def dictionary_slots(max_values: int) -> int:
    """Slots of a table for so many values: it doubles where more than half of it is taken.

    >>> dictionary_slots(512), dictionary_slots(513)
    (1024, 2048)
    """
    slots = _FIRST_SLOTS
    while slots < 2 * max_values:
        slots *= 2
    return slots


@compiled
def _doubled(block, start, rules):
    """The quote that is doubled in a field with this content, -1 in an unquoted one."""
    return rules.quote if start > 0 and byte_at(block, start - 1) == rules.quote else -1


@compiled
def text_offsets(block, cells, flags, rules, offsets):
    """Fill the int32 offsets (n + 1,) of the unescaped text of the cells; returns its bytes."""
    total = 0
    for row in range(len(cells)):
        offsets[row] = total
        flag = flags[row]
        if flag == NO_VALUE:
            continue
        n = cells[row] & 0xFFFFFFFF
        if flag == ESCAPED:
            start = cells[row] >> 32
            stop = start + n
            p = start
            quote = _doubled(block, start, rules)
            while p < stop:
                c = byte_at(block, p)
                if c == quote or c == rules.escape:
                    p += 1
                    n -= 1
                p += 1
        total += n
    offsets[len(cells)] = total
    return total


@compiled
def gather_text(block, cells, flags, rules, offsets, data):
    """Copy the text of the cells into `data` at `offsets`, without escapes and doubled quotes.

    data: with room for eight bytes more. Returns whether all bytes are ASCII.
    """
    seen = np.uint64(0)
    for row in range(len(cells)):
        out = offsets[row]
        n = offsets[row + 1] - out
        start = cells[row] >> 32
        if flags[row] == ESCAPED:
            quote = _doubled(block, start, rules)
            for i in range(n):
                c = byte_at(block, start)
                if c == quote or c == rules.escape:
                    start += 1
                data[out + i] = block[start]
                seen |= np.uint64(block[start])
                start += 1
        else:
            # Whole words: what is too much, the next text overwrites.
            for i in range(0, n - 7, 8):
                word = load_u64(block, start + i)
                seen |= word
                store_u64(data, out + i, word)
            if n & 7:
                word = load_u64(block, start + (n & -8))
                seen |= word & ((np.uint64(1) << np.uint64(8 * (n & 7))) - np.uint64(1))
                store_u64(data, out + (n & -8), word)
    return seen & _NOT_ASCII == 0


@compiled
def encode_dictionary(offsets, data, flags, codes, firsts, hashes, slots):
    """Codes of equal texts, numbered as they first appear; returns their number, -1 for too many.

    offsets: int32 (n + 1,), data: uint8, eight bytes longer than the texts. codes: int32 (n,),
    firsts: int32, the row where each text first stands; both are filled. Its length is the most
    values that there may be; hashes: uint64, as long, and slots: int32, as `dictionary_slots` says,
    are overwritten. Open addressing over a multiplicative hash (Knuth, "Sorting and Searching",
    section 6.4) of words.
    """
    n_rows = len(codes)
    max_values = len(firsts)
    size = _FIRST_SLOTS
    slots[:size] = -1
    n_values = 0
    for row in range(n_rows):
        if flags[row] == NO_VALUE:
            codes[row] = -1
            continue
        start = offsets[row]
        n = offsets[row + 1] - start
        h = np.uint64(n)
        for i in range(0, n - 7, 8):
            h = (h ^ load_u64(data, start + i)) * _HASH_FACTOR
            h ^= h >> np.uint64(32)
        if n & 7:
            rest = (np.uint64(1) << np.uint64(8 * (n & 7))) - np.uint64(1)
            h = (h ^ (load_u64(data, start + (n & -8)) & rest)) * _HASH_FACTOR
            h ^= h >> np.uint64(32)
        slot = np.int64(h & np.uint64(size - 1))
        while True:
            code = slots[slot]
            if code < 0:
                if n_values == max_values:
                    return -1
                slots[slot] = n_values
                firsts[n_values] = row
                hashes[n_values] = h
                codes[row] = n_values
                n_values += 1
                break
            if hashes[code] == h:
                other = offsets[firsts[code]]
                if offsets[firsts[code] + 1] - other == n:
                    if _same(data, other, start, n):
                        codes[row] = code
                        break
            slot = (slot + 1) & (size - 1)
        if 2 * n_values > size:
            size *= 2
            slots[:size] = -1
            for code in range(n_values):
                slot = np.int64(hashes[code] & np.uint64(size - 1))
                while slots[slot] >= 0:
                    slot = (slot + 1) & (size - 1)
                slots[slot] = code
    return n_values


@compiled
def _same(data, a, b, n):
    """Whether the n bytes at two places are the same."""
    for i in range(0, n - 7, 8):
        if load_u64(data, a + i) != load_u64(data, b + i):
            return False
    if n & 7:
        differ = load_u64(data, a + (n & -8)) ^ load_u64(data, b + (n & -8))
        return differ << np.uint64(64 - 8 * (n & 7)) == 0
    return True


@compiled(error_model="numpy")
def measure(values, flags):
    """(finite values, infinite values, minimum, maximum, mean, M2, error of float32).

    values: int64, uint64 or float64 (n,); flags: rows with NO_VALUE are left out. Minimum,
    maximum, mean and M2 are those of the finite values; the error is relative, and 1 where float32
    overflows.
    """
    count = 0
    n_infinite = 0
    total = 0.0
    low = values[0]
    high = values[0]
    error = 0.0
    for row in range(len(values)):
        if flags[row] == NO_VALUE:
            continue
        value = values[row]
        wide = np.float64(value)
        if not np.isfinite(wide):
            n_infinite += 1
            continue
        if count == 0:
            low = value
            high = value
        count += 1
        if value < low:
            low = value
        if value > high:
            high = value
        total += wide
        error = _worse(error, wide)
    mean = total / count if count else 0.0
    m2 = 0.0
    for row in range(len(values)):
        if flags[row] != NO_VALUE:
            miss = np.float64(values[row]) - mean
            if np.isfinite(miss):
                m2 += miss * miss
    return count, n_infinite, low, high, mean, m2, min(error, 1.0)


@compiled(error_model="numpy")
def measure_all(values):
    """What `measure` gives for values that are all there; infinite is -1 where not all are finite.

    Then nothing else is right. In four lanes, which processors add at once; what they come to does
    not depend on the processor.
    """
    n = len(values)
    whole = n & -4
    low_a = low_b = low_c = low_d = values[0]
    high_a = high_b = high_c = high_d = values[0]
    sum_a = sum_b = sum_c = sum_d = 0.0
    for i in range(0, whole, 4):
        a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
        low_a, low_b, low_c, low_d = min(a, low_a), min(b, low_b), min(c, low_c), min(d, low_d)
        high_a, high_b = max(a, high_a), max(b, high_b)
        high_c, high_d = max(c, high_c), max(d, high_d)
        sum_a += np.float64(a)
        sum_b += np.float64(b)
        sum_c += np.float64(c)
        sum_d += np.float64(d)
    for i in range(whole, n):
        low_a, high_a = min(values[i], low_a), max(values[i], high_a)
        sum_a += np.float64(values[i])
    low, high = (
        min(low_a, low_b, low_c, low_d),
        max(high_a, high_b, high_c, high_d),
    )
    total = (sum_a + sum_b) + (sum_c + sum_d)
    if not np.isfinite(total):
        return n, np.int64(-1), low, high, 0.0, 0.0, 0.0
    error = 0.0
    enough = 0.0
    for i in range(0, whole, 4):
        a, b = np.float64(values[i]), np.float64(values[i + 1])
        c, d = np.float64(values[i + 2]), np.float64(values[i + 3])
        # A quotient is computed only where it may be larger than the largest.
        if (
            (_miss(a) > enough * abs(a))
            | (_miss(b) > enough * abs(b))
            | (_miss(c) > enough * abs(c))
            | (_miss(d) > enough * abs(d))
        ):
            for k in range(i, i + 4):
                error = _worse(error, np.float64(values[k]))
            enough = _NEARLY * error
    mean = total / n
    m2_a = m2_b = m2_c = m2_d = 0.0
    for i in range(0, whole, 4):
        a, b = np.float64(values[i]) - mean, np.float64(values[i + 1]) - mean
        c, d = np.float64(values[i + 2]) - mean, np.float64(values[i + 3]) - mean
        m2_a += a * a
        m2_b += b * b
        m2_c += c * c
        m2_d += d * d
    for i in range(whole, n):
        error = _worse(error, np.float64(values[i]))
        m2_a += (np.float64(values[i]) - mean) ** 2
    m2 = (m2_a + m2_b) + (m2_c + m2_d)
    return n, np.int64(0), low, high, mean, m2, min(error, 1.0)


@compiled(error_model="numpy", inline="always")
def _miss(value):
    """How far float32 is from a value."""
    return abs(np.float64(np.float32(value)) - value)


@compiled(error_model="numpy")
def _worse(error, value):
    """The larger of a relative error, and that of float32 for this value."""
    miss = _miss(value)
    return max(error, miss / abs(value)) if miss > _NEARLY * error * abs(value) else error
