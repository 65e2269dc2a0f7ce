/* Codes of categories: values of a batch's dictionary in the vocabulary of the dataset. */

#include "arrays.h"

static uint64_t hash(const uint8_t *text, int64_t n)
{
    const uint64_t odd = 0x9e3779b97f4a7c15ull;
    uint64_t sum = (uint64_t)n * odd;
    for (; n >= 8; text += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        sum = (sum ^ word) * odd;
        sum ^= sum >> 32;
    }
    uint64_t word = 0;
    memcpy(&word, text, (size_t)n);
    sum = (sum ^ word) * odd;
    return sum ^ sum >> 32;
}

void bd_vocabulary_build(const bd_vocabulary *vocabulary)
{
    memset(vocabulary->slots, 0xff, (size_t)(vocabulary->mask + 1) * sizeof(int32_t));
    for (int64_t i = 0; i < vocabulary->n; i++) {
        const int64_t first = vocabulary->offsets[i];
        uint64_t at = hash(vocabulary->bytes + first, vocabulary->offsets[i + 1] - first);
        while (vocabulary->slots[at &= (uint64_t)vocabulary->mask] >= 0)
            at++;
        vocabulary->slots[at] = (int32_t)i;
    }
}

static int32_t find(const bd_vocabulary *vocabulary, const uint8_t *text, int64_t n)
{
    for (uint64_t at = hash(text, n);; at++) {
        const int32_t code = vocabulary->slots[at &= (uint64_t)vocabulary->mask];
        if (code < 0)
            return -1;
        const int64_t first = vocabulary->offsets[code];
        if (vocabulary->offsets[code + 1] - first == n &&
            memcmp(vocabulary->bytes + first, text, (size_t)n) == 0)
            return code;
    }
}

void bd_find_codes(const struct ArrowArray *dictionary, const bd_vocabulary *vocabulary,
                   int32_t *lookup)
{
    const int32_t *offsets = (const int32_t *)dictionary->buffers[1];
    const uint8_t *bytes = dictionary->buffers[2], *validity = bd_validity(dictionary);
    for (int64_t i = 0; i < dictionary->length; i++) {
        const int64_t at = dictionary->offset + i;
        const int64_t n = offsets[at + 1] - offsets[at];
        /* An empty text may come without a buffer of bytes. */
        const uint8_t *text = n ? bytes + offsets[at] : (const uint8_t *)"";
        const bool is_null = validity != NULL && !bd_bits(validity, at, 1);
        lookup[i] = is_null ? -1 : find(vocabulary, text, n);
    }
}

int64_t bd_coded_bytes(const int32_t *codes, const uint8_t *validity, int64_t first, int64_t n,
                       const int32_t *offsets)
{
    int64_t total = 0;
    for (int64_t i = first; i < first + n; i++)
        if (validity == NULL || (validity[i >> 3] >> (i & 7) & 1))
            total += offsets[codes[i] + 1] - offsets[codes[i]];
    return total;
}
