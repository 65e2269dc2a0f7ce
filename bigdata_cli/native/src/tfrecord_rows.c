/* Encodes rows as the layout rows: a feature of one value per column, none where it is null. */

#include "tfrecord_encode.h"
#include "tfrecord_wire.h"

typedef uint8_t bytes32 __attribute__((vector_size(32)));

/* Bytes of the longest head of the plan, and what is written beyond it. */
enum { HEAD_ROOM = 0x7f + 33 };

/* What stands before a single value of few bytes, as `bd_tfrecord_heads` has made it. */
struct head {
    const uint8_t *pieces;
    int64_t size, max_payload;
};

/* Write a head for a value of `payload` bytes; up to 31 bytes after its end are overwritten. */
static inline void put_head(uint8_t *out, const struct head *head, uint8_t payload)
{
    const bytes32 more = (bytes32){0} + payload;
    for (int64_t k = 0; k < head->size; k += 32) {
        bytes32 piece, grows;
        memcpy(&piece, head->pieces + 2 * k, 32);
        memcpy(&grows, head->pieces + 2 * k + 32, 32);
        piece += grows & more;
        memcpy(out + k, &piece, 32);
    }
}

/* Copy a head that has been written for one payload, likewise. */
static inline void copy_head(uint8_t *out, const uint8_t *head, int64_t size)
{
    for (int64_t k = 0; k < size; k += 32)
        memcpy(out + k, head + k, 32);
}

/* Values whose heads have lengths of several bytes, of a kind that is no text. */
static void put_long_heads(struct bd_tile *tile, const struct bd_tfrecord_list *list,
                           const int64_t *numbers, uint64_t valid)
{
    const uint8_t *key = tile->plan->keys + list->key_at;
    for (int r = 0; r < tile->count; r++)
        if (valid >> r & 1) {
            const uint64_t number = (uint64_t)numbers[r];
            const bool is_float = list->kind == BD_TFRECORD_FLOAT;
            uint8_t *at = bd_put_list_head(tile->at[r], list->kind, key, list->key_size,
                                           is_float ? 4 : bd_proto_varint_bytes(number));
            if (is_float)
                bd_store_u32(at, (uint32_t)number);
            tile->at[r] = is_float ? at + 4 : bd_proto_put_varint(at, number);
        }
}

/* One integer in each row that has one; what is written of others is overwritten. */
static void put_ints(struct bd_tile *tile, const struct bd_tfrecord_list *list,
                     const struct head *of_plan, const int64_t *numbers, uint64_t valid)
{
    const struct head head = *of_plan;
    const int count = tile->count;
    uint8_t **const rows = tile->at;
    uint64_t any = 0;
    for (int r = 0; r < count; r++)
        any |= (uint64_t)numbers[r];
    if (head.max_payload < BD_MAX_VARINT) {
        put_long_heads(tile, list, numbers, valid);
    } else if (any < 0x80) {
        uint8_t written[HEAD_ROOM];
        put_head(written, &head, 1);
        for (int r = 0; r < count; r++) {
            uint8_t *at = rows[r];
            copy_head(at, written, head.size);
            at[head.size] = (uint8_t)numbers[r];
            rows[r] = at + (valid >> r & 1 ? head.size + 1 : 0);
        }
    } else if (any < 0x4000) {
        for (int r = 0; r < count; r++) {
            uint8_t *at = rows[r];
            put_head(at, &head, numbers[r] > 0x7f ? 2 : 1);
            uint8_t *end = bd_proto_put_varint14(at + head.size, (uint64_t)numbers[r]);
            rows[r] = valid >> r & 1 ? end : at;
        }
    } else {
        for (int r = 0; r < count; r++) {
            uint8_t *at = rows[r];
            const int n = bd_proto_varint_bytes((uint64_t)numbers[r]);
            put_head(at, &head, (uint8_t)n);
            bd_proto_put_varint_of(at + head.size, (uint64_t)numbers[r], n);
            rows[r] = at + (valid >> r & 1 ? head.size + n : 0);
        }
    }
}

static void put_floats(struct bd_tile *tile, const struct bd_tfrecord_list *list,
                       const struct head *head, const uint32_t *bits, uint64_t valid)
{
    const int count = tile->count;
    const int64_t size = head->size;
    uint8_t **const rows = tile->at;
    if (head->max_payload < 4) {
        int64_t numbers[BD_TILE];
        for (int r = 0; r < count; r++)
            numbers[r] = bits[r];
        put_long_heads(tile, list, numbers, valid);
        return;
    }
    uint8_t written[HEAD_ROOM];
    put_head(written, head, 4);
    for (int r = 0; r < count; r++) {
        uint8_t *at = rows[r];
        copy_head(at, written, size);
        bd_store_u32(at + size, bits[r]);
        rows[r] = at + (valid >> r & 1 ? size + 4 : 0);
    }
}

static void put_texts(struct bd_tile *tile, const struct bd_tfrecord_list *list,
                      const struct head *head, const struct bd_tile_texts *texts,
                      const uint8_t *text_end, uint64_t valid)
{
    const uint8_t *key = tile->plan->keys + list->key_at;
    for (int r = 0; r < tile->count; r++) {
        const int64_t length = texts->lengths[r];
        uint8_t *at = tile->at[r];
        if (!(valid >> r & 1))
            continue;
        if (length <= head->max_payload) {
            put_head(at, head, (uint8_t)length);
            at += head->size;
        } else {
            at = bd_put_list_head(at, list->kind, key, list->key_size, bd_message_bytes(length));
            *at++ = 0x0a;
            at = bd_proto_put_varint(at, (uint64_t)length);
        }
        tile->at[r] = bd_put_text(at, texts->starts[r], length, text_end);
    }
}

/* The feature of a column; false for a number beyond float32. */
static bool put_feature(struct bd_tile *tile, const struct bd_tfrecord_list *list)
{
    const struct bd_open_column *column = &tile->columns[list->first];
    const struct head head = {tile->plan->heads + list->head_at, list->head_size,
                              list->max_payload};
    const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
    if (list->kind == BD_TFRECORD_BYTES) {
        struct bd_tile_texts texts;
        bd_tile_texts(column, tile->row, tile->count, valid, &texts);
        put_texts(tile, list, &head, &texts, bd_readable_end(column, &texts), valid);
        return true;
    }
    if (list->kind == BD_TFRECORD_FLOAT) {
        uint32_t bits[BD_TILE];
        const bool fits = bd_tile_floats(column, tile->row, tile->count, valid, bits);
        put_floats(tile, list, &head, bits, valid);
        return fits;
    }
    int64_t numbers[BD_TILE];
    bd_tile_integers(column, tile->row, tile->count, valid, numbers);
    put_ints(tile, list, &head, numbers, valid);
    return true;
}

int bd_put_rows(struct bd_tile *tile)
{
    for (int f = 0; f < tile->plan->n_lists; f++)
        if (!put_feature(tile, &tile->plan->lists[f]))
            return tile->plan->lists[f].first;
    return -1;
}
