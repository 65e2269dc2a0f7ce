/* Distinct texts: open addressing over multiplicative hashes of words (Knuth, "Sorting and
 * Searching", section 6.4). */

#include <stdlib.h>

#include "parser.h"

static const uint64_t FACTOR = 0x9E3779B97F4A7C15u;
static const int64_t FIRST_SLOTS = 256;

/* Slots that the first caches hold: with more of them a look-up waits for memory. */
static const int64_t CACHED_SLOTS = 4096;

static const uint32_t NO_TEXT = UINT32_MAX;

/* A place of the table. For texts of up to 8 bytes the hash and the size tell which text it is. */
typedef struct {
    uint64_t hash;
    int32_t code;
    uint32_t size; /* NO_TEXT: the place is free */
} slot;

bool bd_reserve(bd_buffer *buffer, int64_t size)
{
    if (size <= buffer->capacity)
        return true;
    const int64_t grown = buffer->capacity + buffer->capacity / 2;
    const int64_t capacity = ((size > grown ? size : grown) + 63) / 64 * 64;
    uint8_t *data = realloc(buffer->data, (size_t)capacity);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* One-to-one on 64 bits, so that words that differ have hashes that differ. */
static inline uint64_t mix(uint64_t word)
{
    word *= FACTOR;
    word ^= word >> 32;
    word *= FACTOR;
    return word ^ word >> 29;
}

/* The product of two words, folded: each bit of the result depends on many of both. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* See bd_hash_text. Of longer texts two words at a time; the last two may overlap what was read. */
static inline uint64_t hash_text(const uint8_t *text, int64_t n)
{
    if (n <= 8) {
        const uint64_t word = bd_load_u64(text);
        return mix(n == 8 ? word : word & ~(UINT64_MAX << (8 * n)));
    }
    uint64_t hash = (uint64_t)n * FACTOR;
    int64_t i = 0;
    for (; i + 16 < n; i += 16)
        hash = fold(hash ^ bd_load_u64(text + i), FACTOR ^ bd_load_u64(text + i + 8));
    const uint64_t first = bd_load_u64(text + (n > 16 ? n - 16 : 0));
    return mix(fold(hash ^ first, FACTOR ^ bd_load_u64(text + n - 8)));
}

uint64_t bd_hash_text(const uint8_t *text, int64_t n)
{
    return hash_text(text, n);
}

/* Whether two texts of n bytes are equal; 8 bytes after each must be readable. */
static inline bool are_equal(const uint8_t *a, const uint8_t *b, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        if (bd_load_u64(a + i) != bd_load_u64(b + i))
            return false;
    const uint64_t last = ~(UINT64_MAX << (8 * (n - i)));
    return ((bd_load_u64(a + i) ^ bd_load_u64(b + i)) & last) == 0;
}

static void free_slots(slot *slots, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        slots[i].size = NO_TEXT;
}

bool bd_dictionary_clear(bd_dictionary *dictionary, int64_t max_values)
{
    dictionary->n_values = 0;
    dictionary->text_bytes = 0;
    dictionary->max_values = max_values;
    dictionary->full = false;
    if (dictionary->n_slots == 0)
        dictionary->n_slots = FIRST_SLOTS;
    if (!bd_reserve(&dictionary->slots, dictionary->n_slots * (int64_t)sizeof(slot)) ||
        !bd_reserve(&dictionary->offsets, 1024) || !bd_reserve(&dictionary->hashes, 1024) ||
        !bd_reserve(&dictionary->texts, 1024))
        return false;
    free_slots((slot *)dictionary->slots.data, dictionary->n_slots);
    ((int32_t *)dictionary->offsets.data)[0] = 0;
    return true;
}

void bd_dictionary_free(bd_dictionary *dictionary)
{
    free(dictionary->slots.data);
    free(dictionary->offsets.data);
    free(dictionary->hashes.data);
    free(dictionary->texts.data);
}

/* Twice as many slots; the values keep their numbers. */
static bool grow(bd_dictionary *dictionary)
{
    const int64_t n_slots = 2 * dictionary->n_slots;
    if (!bd_reserve(&dictionary->slots, n_slots * (int64_t)sizeof(slot)))
        return false;
    slot *slots = (slot *)dictionary->slots.data;
    const uint64_t *hashes = (const uint64_t *)dictionary->hashes.data;
    const int32_t *offsets = (const int32_t *)dictionary->offsets.data;
    free_slots(slots, n_slots);
    dictionary->n_slots = n_slots;
    for (int64_t code = 0; code < dictionary->n_values; code++) {
        uint64_t at = hashes[code] & (uint64_t)(n_slots - 1);
        while (slots[at].size != NO_TEXT)
            at = (at + 1) & (uint64_t)(n_slots - 1);
        const uint32_t size = (uint32_t)(offsets[code + 1] - offsets[code]);
        slots[at] = (slot){hashes[code], (int32_t)code, size};
    }
    return true;
}

/* A new value; its slot is `at`. Returns its number, or what bd_dictionary_code returns. */
static int64_t add(bd_dictionary *dictionary, uint64_t at, uint64_t hash, const uint8_t *text,
                   int64_t n)
{
    const int64_t code = dictionary->n_values;
    if (code == dictionary->max_values) {
        dictionary->full = true;
        return -1;
    }
    if (!bd_reserve(&dictionary->offsets, 4 * (code + 2)) ||
        !bd_reserve(&dictionary->hashes, 8 * (code + 1)) ||
        !bd_reserve(&dictionary->texts, dictionary->text_bytes + n + 16))
        return -2;
    memcpy(dictionary->texts.data + dictionary->text_bytes, text, (size_t)n);
    dictionary->text_bytes += n;
    ((int32_t *)dictionary->offsets.data)[code + 1] = (int32_t)dictionary->text_bytes;
    ((uint64_t *)dictionary->hashes.data)[code] = hash;
    ((slot *)dictionary->slots.data)[at] = (slot){hash, (int32_t)code, (uint32_t)n};
    dictionary->n_values = code + 1;
    if (2 * dictionary->n_values > dictionary->n_slots && !grow(dictionary))
        return -2;
    return code;
}

/* Whether the text in a slot is this one. */
static inline bool holds(const bd_dictionary *dictionary, const slot *place, uint64_t hash,
                         const uint8_t *text, int64_t n)
{
    if (place->hash != hash || place->size != (uint32_t)n)
        return false;
    const int32_t *offsets = (const int32_t *)dictionary->offsets.data;
    return n <= 8 || are_equal(dictionary->texts.data + offsets[place->code], text, n);
}

int64_t bd_dictionary_code_hashed(bd_dictionary *dictionary, uint64_t hash, const uint8_t *text,
                                  int64_t n)
{
    const uint64_t mask = (uint64_t)(dictionary->n_slots - 1);
    const slot *slots = (const slot *)dictionary->slots.data;
    uint64_t at = hash & mask;
    for (; slots[at].size != NO_TEXT; at = (at + 1) & mask)
        if (holds(dictionary, slots + at, hash, text, n))
            return slots[at].code;
    return add(dictionary, at, hash, text, n);
}

int64_t bd_dictionary_number(bd_dictionary *dictionary, const bd_texts *texts, int64_t n,
                             int32_t *codes)
{
    uint64_t hashes[BD_RUN_ROWS];
    const bool is_cached = dictionary->n_slots <= CACHED_SLOTS;
    for (int64_t i = 0; i < n && !is_cached; i++) {
        hashes[i] = hash_text(texts->starts[i], texts->sizes[i]);
        const uint64_t at = hashes[i] & (uint64_t)(dictionary->n_slots - 1);
        __builtin_prefetch((const slot *)dictionary->slots.data + at);
    }
    for (int64_t i = 0; i < n; i++) {
        codes[i] = -1;
        if (!texts->valid[i])
            continue;
        const uint8_t *text = texts->starts[i];
        const int64_t size = texts->sizes[i];
        const uint64_t hash = is_cached ? hash_text(text, size) : hashes[i];
        const slot *place =
            (const slot *)dictionary->slots.data + (hash & (uint64_t)(dictionary->n_slots - 1));
        if (holds(dictionary, place, hash, text, size)) {
            codes[i] = place->code;
            continue;
        }
        if (size > texts->max_size)
            return i;
        const int64_t code = bd_dictionary_code_hashed(dictionary, hash, text, size);
        if (code < 0)
            return code == -2 ? -2 : i;
        codes[i] = (int32_t)code;
    }
    return n;
}

void bd_dictionary_fetch(const bd_dictionary *dictionary, const uint64_t *hashes, int64_t n)
{
    enum { SLOTS_AHEAD = 16, TEXTS_AHEAD = 8 };
    const uint64_t mask = (uint64_t)(dictionary->n_slots - 1);
    const slot *slots = (const slot *)dictionary->slots.data;
    if (n > SLOTS_AHEAD)
        __builtin_prefetch(slots + (hashes[SLOTS_AHEAD] & mask));
    if (n > TEXTS_AHEAD) {
        const slot *place = slots + (hashes[TEXTS_AHEAD] & mask);
        if (place->size > 8 && place->size != NO_TEXT) {
            const int32_t *offsets = (const int32_t *)dictionary->offsets.data;
            __builtin_prefetch(dictionary->texts.data + offsets[place->code]);
        }
    }
}

int64_t bd_dictionary_find(const bd_dictionary *dictionary, uint64_t hash, const uint8_t *text,
                           int64_t n)
{
    const uint64_t mask = (uint64_t)(dictionary->n_slots - 1);
    const slot *slots = (const slot *)dictionary->slots.data;
    for (uint64_t at = hash & mask; slots[at].size != NO_TEXT; at = (at + 1) & mask)
        if (holds(dictionary, slots + at, hash, text, n))
            return slots[at].code;
    return -1;
}
