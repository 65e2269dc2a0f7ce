/* Dictionaries of numbers: codes of the values, and the distinct values.
 *
 * Where the values lie in a small range a table of the range tells the code, else a hash table
 * does. Dictionaries are sorted, or nearly so, which makes them small. */

#include "parquet.h"

static inline __attribute__((always_inline)) void mark(const void *values, const int width,
                                                       int64_t n, uint64_t low, uint32_t *ranks)
{
    const uint64_t mask = ~(uint64_t)0 >> (64 - 8 * width);
    for (int64_t i = 0; i < n; i++)
        ranks[(bd_number_at(values, width, i) - low) & mask] = 1;
}

/* Which of low … low + span occur: `ranks` (span + 1 of them, zeroed here) gets the rank of each
 * that does, counted from 0. Returns how many do. */
int64_t bd_count_in_range(const void *values, int width, int64_t n, uint64_t low, uint64_t span,
                          uint32_t *ranks)
{
    memset(ranks, 0, (size_t)(span + 1) * 4);
    switch (width) {
    case 1:
        mark(values, 1, n, low, ranks);
        break;
    case 2:
        mark(values, 2, n, low, ranks);
        break;
    case 4:
        mark(values, 4, n, low, ranks);
        break;
    default:
        mark(values, 8, n, low, ranks);
    }
    uint32_t rank = 0;
    for (uint64_t i = 0; i <= span; i++) {
        const uint32_t found = ranks[i];
        ranks[i] = rank;
        rank += found;
    }
    return rank;
}

static inline __attribute__((always_inline)) void look_up(const void *values, const int width,
                                                          int64_t n, uint64_t low,
                                                          const uint32_t *ranks, bool is_dense,
                                                          uint32_t *codes)
{
    const uint64_t mask = ~(uint64_t)0 >> (64 - 8 * width);
    if (is_dense) {
        for (int64_t i = 0; i < n; i++)
            codes[i] = (uint32_t)((bd_number_at(values, width, i) - low) & mask);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        codes[i] = ranks[(bd_number_at(values, width, i) - low) & mask];
}

/* The codes and the dictionary, whose arrays are there, by the ranks. */
void bd_code_in_range(const void *values, int width, int64_t n, uint64_t low, uint64_t span,
                      const uint32_t *ranks, struct bd_dictionary *dictionary)
{
    const bool is_dense = (uint64_t)dictionary->distinct == span + 1;
    switch (width) {
    case 1:
        look_up(values, 1, n, low, ranks, is_dense, dictionary->codes);
        break;
    case 2:
        look_up(values, 2, n, low, ranks, is_dense, dictionary->codes);
        break;
    case 4:
        look_up(values, 4, n, low, ranks, is_dense, dictionary->codes);
        break;
    default:
        look_up(values, 8, n, low, ranks, is_dense, dictionary->codes);
    }
    for (uint64_t i = 0; i <= span; i++) {
        const uint32_t next = i < span ? ranks[i + 1] : (uint32_t)dictionary->distinct;
        if (next > ranks[i])
            dictionary->values[ranks[i]] = low + i;
    }
}

struct slot {
    uint64_t value;
    uint32_t code; /* + 1; 0: free */
    uint32_t unused;
};

static inline uint64_t place_of(uint64_t value, int shift)
{
    return (value ^ value >> 32) * 0x9e3779b97f4a7c15u >> shift;
}

static void fill_slots(struct slot *slots, int bits, const struct bd_dictionary *dictionary)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    memset(slots, 0, sizeof *slots << bits);
    for (int64_t i = 0; i < dictionary->distinct; i++) {
        uint64_t at = place_of(dictionary->values[i], 64 - bits);
        while (slots[at].code)
            at = (at + 1) & mask;
        slots[at] = (struct slot){dictionary->values[i], (uint32_t)i + 1, 0};
    }
}

/* Codes by hashing; false where there are more than `limit` distinct values. `slots` has room for
 * 4 * limit of them, in a power of two. */
static inline __attribute__((always_inline)) bool
code_all(const void *values, const int width, const bool is_signed, int64_t n, int bits,
         int64_t limit, struct slot *slots, struct bd_dictionary *dictionary)
{
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    fill_slots(slots, bits, dictionary);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t value = bd_extended(values, width, is_signed, i);
        uint64_t at = place_of(value, 64 - bits);
        while (slots[at].code && slots[at].value != value)
            at = (at + 1) & mask;
        if (!slots[at].code) {
            if (dictionary->distinct == limit)
                return false;
            dictionary->values[dictionary->distinct++] = value;
            slots[at] = (struct slot){value, (uint32_t)dictionary->distinct, 0};
            if (dictionary->distinct > (int64_t)(mask >> 1)) {
                bits += 2;
                mask = ((uint64_t)1 << bits) - 1;
                dictionary->codes[i] = (uint32_t)dictionary->distinct - 1;
                fill_slots(slots, bits, dictionary);
                continue;
            }
        }
        dictionary->codes[i] = slots[at].code - 1;
    }
    return true;
}

/* Sort by the 32 bits from the highest in which values differ, by counting their bytes. The order
 * of values that are alike in them is that in which they came. ranks: of each value. `other` and
 * `places`: room for as many. */
static void sort_values(uint64_t *values, uint32_t *ranks, int64_t n, uint64_t *other,
                        uint32_t *places, uint32_t *other_places)
{
    uint64_t differ = 0;
    for (int64_t i = 1; i < n; i++)
        differ |= values[i] ^ values[0];
    const int top = bd_bits_of(differ), shift = top > 32 ? top - 32 : 0;
    for (int64_t i = 0; i < n; i++)
        places[i] = (uint32_t)i;
    for (int at = shift; at < top; at += 8) {
        int64_t counts[256] = {0}, next = 0;
        for (int64_t i = 0; i < n; i++)
            counts[values[i] >> at & 0xff]++;
        for (int i = 0; i < 256; i++) {
            const int64_t count = counts[i];
            counts[i] = next;
            next += count;
        }
        for (int64_t i = 0; i < n; i++) {
            const int64_t to = counts[values[i] >> at & 0xff]++;
            other[to] = values[i];
            other_places[to] = places[i];
        }
        memcpy(values, other, (size_t)n * 8);
        memcpy(places, other_places, (size_t)n * 4);
    }
    for (int64_t i = 0; i < n; i++)
        ranks[places[i]] = (uint32_t)i;
}

/* Sort a dictionary, and change the codes. False where the arena is too small. */
static bool sort_dictionary(struct bd_dictionary *dictionary, int64_t n, struct bd_arena *arena)
{
    const int64_t distinct = dictionary->distinct;
    uint64_t *other = bd_take(arena, distinct * 8);
    uint32_t *ranks = bd_take(arena, distinct * 4);
    uint32_t *places = bd_take(arena, distinct * 4);
    uint32_t *other_places = bd_take(arena, distinct * 4);
    if (!other || !ranks || !places || !other_places)
        return false;
    sort_values(dictionary->values, ranks, distinct, other, places, other_places);
    for (int64_t i = 0; i < n; i++)
        dictionary->codes[i] = ranks[dictionary->codes[i]];
    return true;
}

enum { SHARE_BITS = 5 };

/* The hashes of `n` values that lie in the first of 1 << SHARE_BITS parts of their range; none is
 * 0. `hashes` has room for n. Returns how many. */
static inline __attribute__((always_inline)) int64_t hashes_of(const void *values, const int width,
                                                               int64_t first, int64_t n,
                                                               uint64_t *hashes)
{
    int64_t kept = 0;
    for (int64_t i = first; i < first + n; i++) {
        const uint64_t value = bd_number_at(values, width, i);
        uint64_t hash = (value ^ value >> 32) * 0x9e3779b97f4a7c15u;
        hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
        hashes[kept] = hash | (uint64_t)1 << 63;
        kept += hash << 1 >> (64 - SHARE_BITS) == 0;
    }
    return kept;
}

/* How many of `n` values (at least 16,384) are distinct, about: of those alone whose hash lies in a
 * part of its range all are counted. That is off by some percent, however often values repeat, and
 * takes a tenth of making the dictionary. -1 where the arena is too small. */
int64_t bd_count_by_hash(const void *values, int width, int64_t n, struct bd_arena *arena)
{
    enum { STEP = 512 };
    uint64_t hashes[STEP];
    const struct bd_arena before = *arena;
    const int bits = bd_bits_of((uint64_t)n >> SHARE_BITS) + 2;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t *slots = bd_take(arena, (int64_t)8 << bits); /* 0: free */
    *arena = before;
    if (!slots)
        return -1;
    memset(slots, 0, (size_t)8 << bits);
    int64_t found = 0;
    for (int64_t at = 0; at < n && found < (int64_t)(mask >> 1) - STEP; at += STEP) {
        const int64_t step = n - at < STEP ? n - at : STEP;
        const int64_t kept = width == 8   ? hashes_of(values, 8, at, step, hashes)
                             : width == 4 ? hashes_of(values, 4, at, step, hashes)
                                          : hashes_of(values, width, at, step, hashes);
        for (int64_t i = 0; i < kept; i++) {
            uint64_t slot = hashes[i] >> 20 & mask;
            while (slots[slot] && slots[slot] != hashes[i])
                slot = (slot + 1) & mask;
            found += !slots[slot];
            slots[slot] = hashes[i];
        }
    }
    return found << SHARE_BITS;
}

/* Codes by hashing; false where there are more than `limit` (at least 1) distinct values, or the
 * arena is too small. `estimate`: how many there may be. */
bool bd_code_by_hash(const void *values, int width, bool is_signed, int64_t n, int64_t estimate,
                     int64_t limit, struct bd_arena *arena, struct bd_dictionary *dictionary)
{
    const struct bd_arena before = *arena;
    const int64_t expected = estimate < limit ? estimate : limit;
    const int bits = bd_bits_of((uint64_t)expected) + 1;
    int most = bits;
    while ((int64_t)1 << (most - 1) <= limit)
        most += 2;
    struct slot *slots = bd_take(arena, (int64_t)sizeof *slots << most);
    if (!slots)
        return false;
    dictionary->distinct = 0;
    bool fits;
    if (width == 4)
        fits = is_signed ? code_all(values, 4, true, n, bits, limit, slots, dictionary)
                         : code_all(values, 4, false, n, bits, limit, slots, dictionary);
    else if (width == 8)
        fits = code_all(values, 8, false, n, bits, limit, slots, dictionary);
    else
        fits = code_all(values, width, is_signed, n, bits, limit, slots, dictionary);
    *arena = before; /* the slots are of no use any more */
    fits = fits && sort_dictionary(dictionary, n, arena);
    *arena = before;
    return fits;
}
