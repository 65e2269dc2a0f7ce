/* Keys of rows, 128 bits that follow from their values and a secret, and which rows repeat one.
 *
 * The key of a row is the hash SipHash-2-4 with 128 bits (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", INDOCRYPT 2012), under the secret, of a message of whole words. Who does not
 * know the secret cannot make two rows that have the same key.
 *
 * The message has the columns one after the other. A number is a word; a text is its bytes, filled
 * up with zeros, and its size in a word after them where its code does not say it. A null is a word
 * of zeros, whatever the column. After eight columns, and after the last one, comes a word of their
 * codes, a byte each: what kind of value it is, and how long a text is. So a message can be taken
 * apart from its end on, and two rows have the same one only if they are equal. */

#include "bigdata.h"
#include "simd.h"

#include <math.h>
#include <string.h>

/* The bits of a number do not tell what it is. 0 is a null. */
enum { INTEGER = 1, BEYOND_INT64, FLOAT, BOOLEAN, MICROSECONDS, NANOSECONDS };
/* The code of a text of n bytes is EMPTY + n; of a longer one it is LONG. */
enum { EMPTY = 10, MAX_SHORT_BYTES = 230, LONG = 255 };
enum { COLUMNS_A_WORD = 8, STRIP_ROWS = 256 };

static const double TWO_63 = 9223372036854775808.0, TWO_64 = 18446744073709551616.0;
static const int64_t MICROSECONDS_A_DAY = 86400000000;

/* The states of the hashes of some rows, side by side. n_words: of the messages so far, but for
 * those that all rows have. codes: of the columns since the last word of codes. */
typedef struct {
    _Alignas(64) uint64_t a[STRIP_ROWS];
    _Alignas(64) uint64_t b[STRIP_ROWS];
    _Alignas(64) uint64_t c[STRIP_ROWS];
    _Alignas(64) uint64_t d[STRIP_ROWS];
    _Alignas(64) uint64_t codes[STRIP_ROWS];
    _Alignas(64) uint64_t n_words[STRIP_ROWS];
    uint64_t n_words_of_all;
    int64_t n;
} strip;

/* The state of one row, and the states of as many as fit a register. */
typedef struct {
    uint64_t a, b, c, d;
} state;
typedef struct {
    bd_words a, b, c, d;
} states;

enum { LANES = BD_DOUBLES };

#define ROTATED(word, bits) ((word) << (bits) | (word) >> (64 - (bits)))
#define ROUND(s)                                                                                   \
    do {                                                                                           \
        (s).a += (s).b, (s).c += (s).d;                                                            \
        (s).b = ROTATED((s).b, 13) ^ (s).a, (s).d = ROTATED((s).d, 16) ^ (s).c;                    \
        (s).a = ROTATED((s).a, 32);                                                                \
        (s).c += (s).b, (s).a += (s).d;                                                            \
        (s).b = ROTATED((s).b, 17) ^ (s).c, (s).d = ROTATED((s).d, 21) ^ (s).a;                    \
        (s).c = ROTATED((s).c, 32);                                                                \
    } while (0)

static inline state with_word(state s, uint64_t word)
{
    s.d ^= word;
    ROUND(s);
    ROUND(s);
    s.a ^= word;
    return s;
}

static inline states load_states(const strip *rows, int64_t i)
{
    states s;
    memcpy(&s.a, rows->a + i, sizeof s.a);
    memcpy(&s.b, rows->b + i, sizeof s.b);
    memcpy(&s.c, rows->c + i, sizeof s.c);
    memcpy(&s.d, rows->d + i, sizeof s.d);
    return s;
}

static inline states with_words(states s, const uint64_t *at)
{
    bd_words words;
    memcpy(&words, at, sizeof words);
    s.d ^= words;
    ROUND(s);
    ROUND(s);
    s.a ^= words;
    return s;
}

/* A word more of each message. What lies beyond the last row is hashed too, and never read. */
static void add_words(strip *rows, const uint64_t words[STRIP_ROWS])
{
    for (int64_t i = 0; i < rows->n; i += LANES) {
        const states s = with_words(load_states(rows, i), words + i);
        memcpy(rows->a + i, &s.a, sizeof s.a);
        memcpy(rows->b + i, &s.b, sizeof s.b);
        memcpy(rows->c + i, &s.c, sizeof s.c);
        memcpy(rows->d + i, &s.d, sizeof s.d);
    }
    rows->n_words_of_all++;
}

static void begin(strip *rows, const uint64_t secret[2], int64_t n)
{
    for (int64_t i = 0; i < STRIP_ROWS; i++) {
        rows->a[i] = secret[0] ^ 0x736f6d6570736575u;
        rows->b[i] = secret[1] ^ 0x646f72616e646f6du ^ 0xee;
        rows->c[i] = secret[0] ^ 0x6c7967656e657261u;
        rows->d[i] = secret[1] ^ 0x7465646279746573u;
    }
    memset(rows->codes, 0, sizeof rows->codes);
    memset(rows->n_words, 0, sizeof rows->n_words);
    rows->n_words_of_all = 0;
    rows->n = n;
}

/* The end of each message, and the keys. */
static void finish(strip *rows, uint64_t *keys)
{
    uint64_t last[STRIP_ROWS], found[2][LANES];
    for (int64_t i = 0; i < STRIP_ROWS; i++)
        last[i] = (8 * (rows->n_words[i] + rows->n_words_of_all)) << 56;
    for (int64_t i = 0; i < rows->n; i += LANES) {
        states s = with_words(load_states(rows, i), last + i);
        bd_words key;
        s.c ^= 0xee;
        for (int k = 0; k < 4; k++)
            ROUND(s);
        key = s.a ^ s.b ^ s.c ^ s.d;
        memcpy(found[0], &key, sizeof key);
        s.b ^= 0xdd;
        for (int k = 0; k < 4; k++)
            ROUND(s);
        key = s.a ^ s.b ^ s.c ^ s.d;
        memcpy(found[1], &key, sizeof key);
        const int64_t n = rows->n - i < LANES ? rows->n - i : LANES;
        for (int64_t k = 0; k < n; k++) {
            keys[2 * (i + k)] = found[0][k];
            keys[2 * (i + k) + 1] = found[1][k];
        }
    }
}

static inline bool has_bit(const uint8_t *bits, int64_t at)
{
    return bits[at >> 3] >> (at & 7) & 1;
}

static inline bool is_there(const bd_key_column *column, int64_t row)
{
    return column->validity == NULL || has_bit(column->validity, column->at + row);
}

/* Whole numbers are the same as those of a column of integers. */
static inline uint8_t float_word(double number, uint64_t *word)
{
    if (number >= -TWO_63 && number < TWO_63 && (double)(int64_t)number == number) {
        *word = (uint64_t)(int64_t)number;
        return INTEGER;
    }
    if (number >= TWO_63 && number < TWO_64) { /* all of them are whole */
        *word = (uint64_t)number;
        return BEYOND_INT64;
    }
    number = isnan(number) ? (double)NAN : number;
    memcpy(word, &number, sizeof number);
    return FLOAT;
}

static inline uint8_t time_word(int64_t nanoseconds, uint64_t *word)
{
    const bool is_whole = nanoseconds % 1000 == 0;
    *word = (uint64_t)(is_whole ? nanoseconds / 1000 : nanoseconds);
    return is_whole ? MICROSECONDS : NANOSECONDS;
}

/* The words and codes of n values from a row on. MAKE: of `value`, sets words[i] and codes[i]. */
#define FOR_EACH(type, MAKE)                                                                       \
    do {                                                                                           \
        const type *values = (const type *)column->values + column->at + row;                      \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const type value = values[i];                                                          \
            MAKE;                                                                                  \
        }                                                                                          \
    } while (0)
#define SIGNED(type)   FOR_EACH(type, (words[i] = (uint64_t)(int64_t)value, codes[i] = INTEGER))
#define UNSIGNED(type) FOR_EACH(type, (words[i] = value, codes[i] = INTEGER))

static void take_numbers(const bd_key_column *column, int64_t row, int64_t n,
                         uint64_t words[STRIP_ROWS], uint8_t codes[STRIP_ROWS])
{
    const uint8_t *bits = column->values;
    switch (column->type) {
    case BD_KEY_BOOL:
        for (int64_t i = 0; i < n; i++)
            words[i] = has_bit(bits, column->at + row + i), codes[i] = BOOLEAN;
        break;
    case BD_KEY_INT8:
        SIGNED(int8_t);
        break;
    case BD_KEY_INT16:
        SIGNED(int16_t);
        break;
    case BD_KEY_INT32:
        SIGNED(int32_t);
        break;
    case BD_KEY_INT64:
        SIGNED(int64_t);
        break;
    case BD_KEY_UINT8:
        UNSIGNED(uint8_t);
        break;
    case BD_KEY_UINT16:
        UNSIGNED(uint16_t);
        break;
    case BD_KEY_UINT32:
        UNSIGNED(uint32_t);
        break;
    case BD_KEY_UINT64:
        FOR_EACH(uint64_t, (words[i] = value, codes[i] = value >> 63 ? BEYOND_INT64 : INTEGER));
        break;
    case BD_KEY_FLOAT32:
        FOR_EACH(float, codes[i] = float_word((double)value, words + i));
        break;
    case BD_KEY_FLOAT64:
        FOR_EACH(double, codes[i] = float_word(value, words + i));
        break;
    case BD_KEY_DATE:
        FOR_EACH(int32_t, (words[i] = (uint64_t)value * (uint64_t)MICROSECONDS_A_DAY,
                           codes[i] = MICROSECONDS));
        break;
    case BD_KEY_MICROSECONDS:
        FOR_EACH(int64_t, (words[i] = (uint64_t)value, codes[i] = MICROSECONDS));
        break;
    case BD_KEY_NANOSECONDS:
        FOR_EACH(int64_t, codes[i] = time_word(value, words + i));
        break;
    default: /* nothing but nulls */
        memset(words, 0, (size_t)n * sizeof *words);
        memset(codes, 0, (size_t)n);
    }
}

static void add_numbers(strip *rows, const bd_key_column *column, int64_t row)
{
    uint64_t words[STRIP_ROWS] = {0};
    uint8_t codes[STRIP_ROWS] = {0};
    take_numbers(column, row, rows->n, words, codes);
    if (column->validity != NULL)
        for (int64_t i = 0; i < rows->n; i++)
            if (!has_bit(column->validity, column->at + row + i))
                words[i] = codes[i] = 0;
    for (int64_t i = 0; i < STRIP_ROWS; i++)
        rows->codes[i] = rows->codes[i] << 8 | codes[i];
    add_words(rows, words);
}

static void add_texts(strip *rows, const bd_key_column *column, int64_t row)
{
    const int32_t *offsets = (const int32_t *)column->values + column->at + row;
    const int64_t n = rows->n, end = offsets[n];
    for (int64_t i = 0; i < n; i++) {
        const int64_t size = offsets[i + 1] - offsets[i];
        state s = {rows->a[i], rows->b[i], rows->c[i], rows->d[i]};
        uint64_t code = 0, n_words = 1;
        if (!is_there(column, row + i)) {
            s = with_word(s, 0);
        } else {
            int64_t at = offsets[i];
            n_words = (uint64_t)(size + 7) / 8;
            for (; at + 8 <= offsets[i + 1]; at += 8)
                s = with_word(s, bd_load_u64(column->texts + at));
            const int64_t rest = offsets[i + 1] - at;
            if (rest > 0 && at + 8 <= end) {
                s = with_word(s, bd_load_u64(column->texts + at) & ((1ull << 8 * rest) - 1));
            } else if (rest > 0) {
                uint64_t word = 0;
                for (int64_t k = 0; k < rest; k++)
                    word |= (uint64_t)column->texts[at + k] << 8 * k;
                s = with_word(s, word);
            }
            code = size <= MAX_SHORT_BYTES ? EMPTY + (uint64_t)size : LONG;
            if (code == LONG) {
                s = with_word(s, (uint64_t)size);
                n_words++;
            }
        }
        rows->a[i] = s.a, rows->b[i] = s.b, rows->c[i] = s.c, rows->d[i] = s.d;
        rows->codes[i] = rows->codes[i] << 8 | code;
        rows->n_words[i] += n_words;
    }
}

void bd_key_rows(int64_t n, const bd_key_column *columns, int64_t n_columns, const uint64_t *secret,
                 uint64_t *keys)
{
    strip rows;
    for (int64_t row = 0; row < n; row += STRIP_ROWS) {
        begin(&rows, secret, n - row < STRIP_ROWS ? n - row : STRIP_ROWS);
        for (int64_t c = 0; c < n_columns; c++) {
            if (columns[c].type == BD_KEY_TEXT)
                add_texts(&rows, columns + c, row);
            else
                add_numbers(&rows, columns + c, row);
            if (c % COLUMNS_A_WORD == COLUMNS_A_WORD - 1 || c == n_columns - 1) {
                add_words(&rows, rows.codes);
                memset(rows.codes, 0, sizeof rows.codes);
            }
        }
        finish(&rows, keys + 2 * row);
    }
}

void bd_mark_known(int64_t n, const int64_t *places, int64_t n_known, const int64_t *known,
                   uint8_t *marks)
{
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        while (k < n_known && known[k] < places[i])
            k++;
        marks[i] = k < n_known && known[k] == places[i];
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
