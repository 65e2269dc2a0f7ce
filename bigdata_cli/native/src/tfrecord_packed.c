/* Encodes rows as the layout packed: lists of a row's columns. */

#include "tfrecord_encode.h"
#include "tfrecord_wire.h"

/* The head of a list whose key is "label" or shorter, with slack. */
enum { LIST_HEAD = BD_LIST_HEAD + 16 };

/* What stands before the values of a list, whose key is short; returns its bytes. */
static int64_t list_head(const struct bd_tfrecord_plan *plan, const struct bd_tfrecord_list *list,
                         int64_t payload, uint8_t head[LIST_HEAD])
{
    const uint8_t *key = plan->keys + list->key_at;
    return bd_put_list_head(head, list->kind, key, list->key_size, payload) - head;
}

/* The columns of a list; returns -1, or the column that cannot be stored. */
static int put_float_list(struct bd_tile *tile, const struct bd_tfrecord_list *list)
{
    uint8_t head[LIST_HEAD] = {0};
    const int64_t size = list_head(tile->plan, list, 4ll * list->count, head);
    for (int r = 0; r < tile->count; r++) {
        bd_copy_short(tile->at[r], head, size);
        tile->at[r] += size;
    }
    for (int c = list->first; c < list->first + list->count; c++) {
        const struct bd_open_column *column = &tile->columns[c];
        const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
        uint32_t bits[BD_TILE];
        if (!bd_tile_floats(column, tile->row, tile->count, valid, bits))
            return c;
        const int64_t offset = 4ll * (c - list->first);
        for (int r = 0; r < tile->count; r++)
            bd_store_u32(tile->at[r] + offset, bits[r]);
    }
    for (int r = 0; r < tile->count; r++)
        tile->at[r] += 4ll * list->count;
    return -1;
}

/* Likewise; also fills some_null: the rows in which one is. */
static int put_int_list(struct bd_tile *tile, const struct bd_tfrecord_list *list,
                        uint64_t *some_null)
{
    /* How many bytes the head takes is known at the end: it is guessed, and mostly right. */
    const int64_t guess = bd_list_head_bytes(list->kind, list->key_size, list->count);
    uint8_t *begin[BD_TILE];
    for (int r = 0; r < tile->count; r++)
        begin[r] = tile->at[r] += guess;
    *some_null = 0;
    for (int c = list->first; c < list->first + list->count; c++) {
        const struct bd_open_column *column = &tile->columns[c];
        const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
        int64_t numbers[BD_TILE];
        if (!bd_tile_integers(column, tile->row, tile->count, valid, numbers))
            return c;
        uint64_t any = 0;
        if (!bd_all_rows(tile, valid)) {
            *some_null |= ~valid;
            for (int r = 0; r < tile->count; r++)
                numbers[r] &= -(int64_t)(valid >> r & 1);
        }
        for (int r = 0; r < tile->count; r++)
            any |= (uint64_t)numbers[r];
        if (any < 0x80)
            for (int r = 0; r < tile->count; r++)
                *tile->at[r]++ = (uint8_t)numbers[r];
        else if (any < 0x4000)
            for (int r = 0; r < tile->count; r++)
                tile->at[r] = bd_proto_put_varint14(tile->at[r], (uint64_t)numbers[r]);
        else
            for (int r = 0; r < tile->count; r++)
                tile->at[r] = bd_proto_put_varint(tile->at[r], (uint64_t)numbers[r]);
    }
    uint8_t head[LIST_HEAD] = {0};
    int64_t size = 0, known = -1;
    for (int r = 0; r < tile->count; r++) {
        const int64_t payload = tile->at[r] - begin[r];
        uint8_t *start = begin[r] - guess;
        if (payload != known)
            size = list_head(tile->plan, list, payload, head);
        known = payload;
        if (size != guess)
            memmove(start + size, begin[r], (size_t)payload);
        for (int64_t k = 0; k < size; k++)
            start[k] = head[k];
        tile->at[r] = start + size + payload;
    }
    return -1;
}

/* 1 or 0 for each column, in the rows in which one of them is null. */
static void put_valid_list(struct bd_tile *tile, const struct bd_tfrecord_list *list,
                           uint64_t some_null)
{
    const uint8_t *key = tile->plan->keys + list->key_at;
    uint8_t *begin[BD_TILE];
    for (int r = 0; r < tile->count; r++)
        if (some_null >> r & 1) {
            begin[r] = bd_put_list_head(tile->at[r], list->kind, key, list->key_size, list->count);
            memset(begin[r], 1, (size_t)list->count);
            tile->at[r] = begin[r] + list->count;
        }
    for (int k = 0; some_null && k < list->count; k++) {
        const struct bd_open_column *column = &tile->columns[list->first + k];
        const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
        if (!bd_all_rows(tile, valid))
            for (int r = 0; r < tile->count; r++)
                if (!(valid >> r & 1))
                    begin[r][k] = 0;
    }
}

int bd_put_packed(struct bd_tile *tile)
{
    uint64_t some_null = 0;
    int wrong = -1;
    for (int f = 0; f < tile->plan->n_lists && wrong < 0; f++) {
        const struct bd_tfrecord_list *list = &tile->plan->lists[f];
        if (list->kind == BD_TFRECORD_FLOAT)
            wrong = put_float_list(tile, list);
        else if (list->kind == BD_TFRECORD_INT)
            wrong = put_int_list(tile, list, &some_null);
        else
            put_valid_list(tile, list, some_null);
    }
    return wrong;
}
