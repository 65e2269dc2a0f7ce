/* What all records of a shard share: the heads of their features, and how many bytes they take. */

#include "tfrecord_encode.h"
#include "tfrecord_wire.h"

enum {
    /* Of the head of a single value, besides its key, as long as no length takes two bytes. */
    SHORT_HEAD = 10,
    MAX_SHORT = 0x7f,
};

/* Heads of single values of few bytes: piece after piece 32 bytes, and 32 bytes that are 0xff where
 * a length stands, to which the bytes of the value are added. */
static int64_t head_pieces(const struct bd_tfrecord_list *list)
{
    const int64_t size = list->key_size + SHORT_HEAD;
    return size < MAX_SHORT ? 2 * ((size + 31) / 32 * 32) : 0;
}

int64_t bd_tfrecord_heads_bytes(const struct bd_tfrecord_plan *plan)
{
    int64_t total = 0;
    for (int f = 0; f < plan->n_lists; f++)
        total += head_pieces(&plan->lists[f]);
    return total;
}

void bd_tfrecord_heads(const struct bd_tfrecord_plan *plan)
{
    static const uint8_t TAGS[] = {0x1a, 0x12, 0x0a, 0x1a};
    int32_t at = 0;
    for (int f = 0; f < plan->n_lists; f++) {
        struct bd_tfrecord_list *list = &plan->lists[f];
        const int32_t n_bytes = (int32_t)head_pieces(list);
        list->head_at = at;
        list->head_size = n_bytes ? list->key_size + SHORT_HEAD : 0;
        /* The entry's length is the largest: it counts all of the head but two bytes. */
        list->max_payload = n_bytes ? MAX_SHORT - (list->head_size - 2) : -1;
        if (n_bytes == 0)
            continue;
        uint8_t head[MAX_SHORT + 33] = {0}, grows[MAX_SHORT + 33] = {0};
        const int after_key = 4 + list->key_size;
        const uint8_t key_head[] = {0x0a, (uint8_t)(list->head_size - 2), 0x0a,
                                    (uint8_t)list->key_size};
        const uint8_t list_head[] = {0x12, 4, TAGS[list->kind], 2, 0x0a, 0};
        memcpy(head, key_head, sizeof key_head);
        memcpy(head + 4, plan->keys + list->key_at, (size_t)list->key_size);
        memcpy(head + after_key, list_head, sizeof list_head);
        grows[1] = grows[after_key + 1] = grows[after_key + 3] = grows[after_key + 5] = 0xff;
        for (int k = 0; k < n_bytes / 2; k += 32) {
            memcpy(plan->heads + at + 2 * k, head + k, 32);
            memcpy(plan->heads + at + 2 * k + 32, grows + k, 32);
        }
        at += n_bytes;
    }
}

/* The most bytes of a value, without those of a text. */
static int64_t value_bytes(int type)
{
    switch (type) {
    case BD_TFRECORD_BOOL:
        return 1;
    case BD_TFRECORD_UINT8:
        return 2;
    case BD_TFRECORD_UINT16:
        return 3;
    case BD_TFRECORD_UINT32:
        return 5;
    case BD_TFRECORD_FLOAT32:
    case BD_TFRECORD_FLOAT64:
        return 4;
    default: /* a negative number, or a tag and the length of a text */
        return BD_MAX_VARINT;
    }
}

int64_t bd_tfrecord_lists_bytes(const struct bd_tfrecord_plan *plan, int64_t rows)
{
    int64_t total = 0;
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        total += list->key_size + BD_LIST_HEAD;
        for (int k = list->first; k < list->first + list->count; k++)
            total +=
                list->kind == BD_TFRECORD_VALID ? rows : rows * value_bytes(plan->columns[k].type);
    }
    return total;
}

bool bd_tfrecord_is_text(const struct bd_tfrecord_column *column)
{
    return column->type == BD_TFRECORD_TEXT || column->type == BD_TFRECORD_CATEGORY ||
           column->type == BD_TFRECORD_UINT64;
}

int64_t bd_tfrecord_bound(const struct bd_tfrecord_plan *plan,
                          const struct bd_tfrecord_batches *batches, int64_t *scratch_bytes)
{
    const int64_t framing = BD_RECORD_HEAD + 4;
    int64_t n_rows = 0, text = 0;
    for (int64_t b = 0; b < batches->n_batches; b++) {
        n_rows += batches->batches[b]->length;
        for (int c = 0; c < plan->n_columns; c++)
            if (bd_tfrecord_is_text(&plan->columns[c])) {
                const struct bd_open_column open =
                    bd_open_column(&plan->columns[c], batches->batches[b], NULL);
                text += bd_text_bytes(&open, batches->batches[b]->length);
            }
    }
    const int64_t opened =
        batches->n_batches * plan->n_columns * (int64_t)sizeof(struct bd_open_column);
    if (plan->layout == BD_TFRECORD_BLOCK) {
        *scratch_bytes = opened;
        const int64_t n_records = (n_rows + plan->block_rows - 1) / plan->block_rows;
        const int64_t heads = bd_tfrecord_lists_bytes(plan, 0) + framing;
        return n_records * heads + bd_tfrecord_lists_bytes(plan, n_rows) + text + BD_TFRECORD_SLACK;
    }
    const int64_t row = bd_tfrecord_lists_bytes(plan, 1) + framing;
    /* A place of a row begins and ends at multiples of 64 bytes, and has slack. */
    *scratch_bytes = opened + BD_TILE * (row + BD_TFRECORD_SLACK + 4 * 64) + text;
    return n_rows * row + text + BD_TFRECORD_SLACK;
}
