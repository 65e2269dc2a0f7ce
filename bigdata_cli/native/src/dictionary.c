/* Distinct texts: open addressing over a multiplicative hash of words (Knuth, "Sorting and
 * Searching", section 6.4). */

#include <stdlib.h>

#include "parser.h"

static const uint64_t FACTOR = 0x9E3779B97F4A7C15u;
static const int64_t FIRST_SLOTS = 256;

/* A place of the table. For texts of up to 8 bytes the hash and the size tell which text it is. */
typedef struct {
    uint64_t hash;
    int32_t code; /* -1: free */
    uint32_t size;
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

uint64_t bd_hash_text(const uint8_t *text, int64_t n)
{
    const uint64_t last = (n & 7) ? UINT64_MAX >> (64 - 8 * (n & 7)) : 0;
    if (n <= 8)
        return mix(n == 8 ? bd_load_u64(text) : bd_load_u64(text) & last);
    uint64_t hash = (uint64_t)n;
    for (int64_t i = 0; i + 8 <= n; i += 8)
        hash = mix(hash ^ bd_load_u64(text + i));
    return last ? mix(hash ^ (bd_load_u64(text + (n & ~(int64_t)7)) & last)) : hash;
}

static void free_slots(slot *slots, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        slots[i].code = -1;
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
        while (slots[at].code >= 0)
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
        !bd_reserve(&dictionary->texts, dictionary->text_bytes + n + 8))
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

int64_t bd_dictionary_code_hashed(bd_dictionary *dictionary, uint64_t hash, const uint8_t *text,
                                  int64_t n)
{
    const uint64_t mask = (uint64_t)(dictionary->n_slots - 1);
    const slot *slots = (const slot *)dictionary->slots.data;
    uint64_t at = hash & mask;
    while (slots[at].code >= 0) {
        if (slots[at].hash == hash && slots[at].size == (uint32_t)n) {
            const int32_t *offsets = (const int32_t *)dictionary->offsets.data;
            const uint8_t *other = dictionary->texts.data + offsets[slots[at].code];
            if (n <= 8 || memcmp(other, text, (size_t)n) == 0)
                return slots[at].code;
        }
        at = (at + 1) & mask;
    }
    return add(dictionary, at, hash, text, n);
}

int64_t bd_dictionary_find(const bd_dictionary *dictionary, uint64_t hash, const uint8_t *text,
                           int64_t n)
{
    const uint64_t mask = (uint64_t)(dictionary->n_slots - 1);
    const slot *slots = (const slot *)dictionary->slots.data;
    const int32_t *offsets = (const int32_t *)dictionary->offsets.data;
    for (uint64_t at = hash & mask; slots[at].code >= 0; at = (at + 1) & mask) {
        if (slots[at].hash == hash && slots[at].size == (uint32_t)n &&
            memcmp(dictionary->texts.data + offsets[slots[at].code], text, (size_t)n) == 0)
            return slots[at].code;
    }
    return -1;
}
