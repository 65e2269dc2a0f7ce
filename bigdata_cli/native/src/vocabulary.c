/* Sets of distinct texts that outlive a block: those of a shard. */

#include <stdlib.h>

#include "parser.h"

struct bd_vocabulary {
    bd_dictionary texts;
    int64_t max_bytes;
};

bd_vocabulary *bd_vocabulary_new(int64_t max_values, int64_t max_bytes)
{
    bd_vocabulary *vocabulary = calloc(1, sizeof *vocabulary);
    if (vocabulary != NULL && !bd_dictionary_clear(&vocabulary->texts, max_values)) {
        bd_vocabulary_free(vocabulary);
        return NULL;
    }
    if (vocabulary != NULL)
        vocabulary->max_bytes = max_bytes;
    return vocabulary;
}

void bd_vocabulary_free(bd_vocabulary *vocabulary)
{
    if (vocabulary != NULL) {
        bd_dictionary_free(&vocabulary->texts);
        free(vocabulary);
    }
}

int64_t bd_vocabulary_add(bd_vocabulary *vocabulary, int64_t n, const uint64_t *hashes,
                          const int32_t *offsets, const uint8_t *texts)
{
    for (int64_t i = 0; i < n; i++) {
        bd_dictionary_fetch(&vocabulary->texts, hashes + i, n - i);
        const int64_t code = bd_dictionary_code_hashed(
            &vocabulary->texts, hashes[i], texts + offsets[i], offsets[i + 1] - offsets[i]);
        if (code < 0)
            return code;
        if (vocabulary->texts.text_bytes > vocabulary->max_bytes)
            return -1;
    }
    return vocabulary->texts.n_values;
}

int32_t bd_vocabulary_holds(const bd_vocabulary *vocabulary, int64_t n, const uint64_t *hashes,
                            const int32_t *offsets, const uint8_t *texts)
{
    for (int64_t i = 0; i < n; i++) {
        bd_dictionary_fetch(&vocabulary->texts, hashes + i, n - i);
        if (bd_dictionary_find(&vocabulary->texts, hashes[i], texts + offsets[i],
                               offsets[i + 1] - offsets[i]) < 0)
            return 0;
    }
    return 1;
}

int64_t bd_vocabulary_bytes(const bd_vocabulary *vocabulary)
{
    return vocabulary->texts.text_bytes;
}

void bd_vocabulary_copy(const bd_vocabulary *vocabulary, int32_t *offsets, uint8_t *texts)
{
    const bd_dictionary *all = &vocabulary->texts;
    memcpy(offsets, all->offsets.data, (size_t)(4 * (all->n_values + 1)));
    memcpy(texts, all->texts.data, (size_t)all->text_bytes);
}

void bd_hash_texts(int64_t n, const int32_t *offsets, const uint8_t *texts, uint64_t *hashes)
{
    for (int64_t i = 0; i < n; i++)
        hashes[i] = bd_hash_text(texts + offsets[i], offsets[i + 1] - offsets[i]);
}
