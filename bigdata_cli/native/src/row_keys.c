/* Keys of rows, 128 bits that follow from their values and a secret, and which rows repeat one.
 *
 * The key of a row starts as zeros, and each column makes a new one of it and of its value: the
 * hash SipHash-2-4 with 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * INDOCRYPT 2012) under the secret. Who does not know it cannot make two values that have the same
 * key. */

#include "bigdata.h"
#include "simd.h"

#include <string.h>

typedef struct {
    uint64_t a, b, c, d;
} state;

static inline uint64_t rotated(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline state rounds(state s, int n)
{
    for (int i = 0; i < n; i++) {
        s.a += s.b, s.c += s.d;
        s.b = rotated(s.b, 13) ^ s.a, s.d = rotated(s.d, 16) ^ s.c;
        s.a = rotated(s.a, 32);
        s.c += s.b, s.a += s.d;
        s.b = rotated(s.b, 17) ^ s.c, s.d = rotated(s.d, 21) ^ s.a;
        s.c = rotated(s.c, 32);
    }
    return s;
}

static inline state with_word(state s, uint64_t word)
{
    s.d ^= word;
    s = rounds(s, 2);
    s.a ^= word;
    return s;
}

static inline state begun(const uint64_t secret[2])
{
    return (state){secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du ^ 0xee,
                   secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
}

/* last: the bytes of the message beyond whole words, and its size in the highest byte. */
static inline void finish(state s, uint64_t last, uint64_t key[2])
{
    s = with_word(s, last);
    s.c ^= 0xee;
    s = rounds(s, 4);
    key[0] = s.a ^ s.b ^ s.c ^ s.d;
    s.b ^= 0xdd;
    s = rounds(s, 4);
    key[1] = s.a ^ s.b ^ s.c ^ s.d;
}

static void key_numbers(int64_t n, const uint64_t *values, const uint8_t *tags,
                        const uint64_t *secret, uint64_t *keys)
{
    for (int64_t i = 0; i < n; i++) {
        state s = begun(secret);
        s = with_word(s, keys[2 * i]);
        s = with_word(s, keys[2 * i + 1]);
        s = with_word(s, tags[i]);
        if (tags[i] != 0) /* a null is the same in a column of numbers and in one of texts */
            s = with_word(s, values[i]);
        finish(s, (uint64_t)(tags[i] != 0 ? 32 : 24) << 56, keys + 2 * i);
    }
}

/* The states of some rows, one in each lane. */
typedef struct {
    bd_words a, b, c, d;
} states;

static inline bd_words all_rotated(bd_words words, int bits)
{
    return words << bits | words >> (64 - bits);
}

static inline void all_rounds(states *s, int n)
{
    for (int i = 0; i < n; i++) {
        s->a += s->b, s->c += s->d;
        s->b = all_rotated(s->b, 13) ^ s->a, s->d = all_rotated(s->d, 16) ^ s->c;
        s->a = all_rotated(s->a, 32);
        s->c += s->b, s->a += s->d;
        s->b = all_rotated(s->b, 17) ^ s->c, s->d = all_rotated(s->d, 21) ^ s->a;
        s->c = all_rotated(s->c, 32);
    }
}

static inline void with_words(states *s, bd_words words)
{
    s->d ^= words;
    all_rounds(s, 2);
    s->a ^= words;
}

/* The same as key_numbers of rows that all have a value, one row in each lane. Returns how many
 * rows were taken. */
static int64_t key_lanes(int64_t n, const uint64_t *values, const uint8_t *tags,
                         const uint64_t *secret, uint64_t *keys)
{
    enum { LANES = BD_DOUBLES };
    const state first = begun(secret);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        states s = {(bd_words){0} + first.a, (bd_words){0} + first.b, (bd_words){0} + first.c,
                    (bd_words){0} + first.d};
        uint64_t lanes[3][LANES];
        bd_words words[4];
        bool have_values = true;
        for (int k = 0; k < LANES; k++) {
            lanes[0][k] = keys[2 * (i + k)];
            lanes[1][k] = keys[2 * (i + k) + 1];
            lanes[2][k] = tags[i + k];
            have_values &= tags[i + k] != 0;
        }
        if (!have_values)
            return i;
        memcpy(words, lanes, sizeof lanes);
        memcpy(words + 3, values + i, sizeof *words);
        for (int k = 0; k < 4; k++)
            with_words(&s, words[k]);
        with_words(&s, (bd_words){0} + ((uint64_t)32 << 56));
        s.c ^= 0xee;
        all_rounds(&s, 4);
        words[0] = s.a ^ s.b ^ s.c ^ s.d;
        s.b ^= 0xdd;
        all_rounds(&s, 4);
        words[1] = s.a ^ s.b ^ s.c ^ s.d;
        memcpy(lanes, words, 2 * sizeof *words);
        for (int k = 0; k < LANES; k++) {
            keys[2 * (i + k)] = lanes[0][k];
            keys[2 * (i + k) + 1] = lanes[1][k];
        }
    }
    return i;
}

void bd_key_numbers(int64_t n, const uint64_t *values, const uint8_t *tags, const uint64_t *secret,
                    uint64_t *keys)
{
    int64_t i = 0;
    while (i < n) {
        i += key_lanes(n - i, values + i, tags + i, secret, keys + 2 * i);
        const int64_t left = n - i < BD_DOUBLES ? n - i : BD_DOUBLES;
        key_numbers(left, values + i, tags + i, secret, keys + 2 * i);
        i += left;
    }
}

void bd_key_texts(int64_t n, const int32_t *offsets, const uint8_t *texts, const uint8_t *tags,
                  const uint64_t *secret, uint64_t *keys)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *text = texts + offsets[i];
        const int64_t size = tags[i] != 0 ? offsets[i + 1] - offsets[i] : 0;
        state s = begun(secret);
        s = with_word(s, keys[2 * i]);
        s = with_word(s, keys[2 * i + 1]);
        s = with_word(s, tags[i]);
        int64_t at = 0;
        for (; at + 8 <= size; at += 8) {
            uint64_t word;
            memcpy(&word, text + at, 8);
            s = with_word(s, word);
        }
        uint64_t last = (uint64_t)(24 + size) << 56;
        for (int64_t rest = 0; at + rest < size; rest++)
            last |= (uint64_t)text[at + rest] << (8 * rest);
        finish(s, last, keys + 2 * i);
    }
}

void bd_divide_rows(int64_t n, const uint64_t *keys, const int64_t *places, int64_t *bounds,
                    uint64_t *divided_keys, int64_t *divided_places)
{
    int64_t at[BD_ROW_PARTS] = {0};
    for (int64_t i = 0; i < n; i++)
        at[keys[2 * i] >> 56]++;
    int64_t start = 0;
    for (int64_t part = 0; part < BD_ROW_PARTS; part++) {
        const int64_t count = at[part];
        bounds[part] = at[part] = start;
        start += count;
    }
    bounds[BD_ROW_PARTS] = n;
    for (int64_t i = 0; i < n; i++) {
        const int64_t to = at[keys[2 * i] >> 56]++;
        memcpy(divided_keys + 2 * to, keys + 2 * i, 16);
        divided_places[to] = places[i];
    }
}

/* Rows whose slots are fetched before the first of them is looked at. */
enum { AHEAD = 16 };

int64_t bd_find_repeated(int64_t n, const uint64_t *keys, bool backwards, uint64_t part,
                         int64_t part_bits, uint64_t *table, int64_t n_slots, int64_t n_used,
                         uint8_t *repeated)
{
    const uint64_t mask = (uint64_t)n_slots - 1;
    for (int64_t k = 0; k < n; k++) {
        const int64_t i = backwards ? n - 1 - k : k;
        if (k + AHEAD < n)
            __builtin_prefetch(table +
                               2 * (keys[2 * (backwards ? i - AHEAD : i + AHEAD) + 1] & mask));
        const uint64_t first = keys[2 * i];
        const uint64_t second = first == 0 && keys[2 * i + 1] == 0 ? 1 : keys[2 * i + 1];
        if (part_bits > 0 && second >> (64 - part_bits) != part)
            continue;
        uint64_t slot = second & mask;
        uint64_t *at = table + 2 * slot;
        while ((at[0] | at[1]) != 0 && (at[0] != first || at[1] != second)) {
            slot = (slot + 1) & mask;
            at = table + 2 * slot;
        }
        if ((at[0] | at[1]) != 0) {
            repeated[i] = 1;
            continue;
        }
        if (2 * (n_used + 1) > n_slots)
            return -1;
        at[0] = first, at[1] = second;
        n_used++;
    }
    return n_used;
}
