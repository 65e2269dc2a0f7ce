/* Encodes Arrow batches as records of the layout block: lists of a column's values over many rows,
 * which may be those of several batches.
 *
 * Lengths stand before what they count, and are known after it. How many bytes they take is
 * guessed from the list, or the record, before, and what was written is moved where that is wrong.
 */

#include "tfrecord_encode.h"
#include "tfrecord_wire.h"

/* Rows [row, row + count) of a batch. */
struct span {
    const struct bd_open_column *columns;
    int64_t row, count;
};

static uint8_t *put_ints(const struct bd_open_column *column, const struct span *span, uint8_t *out)
{
    for (int64_t done = 0; done < span->count; done += BD_TILE) {
        const int64_t row = span->row + done;
        const int count = (int)(span->count - done < BD_TILE ? span->count - done : BD_TILE);
        const uint64_t valid = bd_tile_valid(column, row, count);
        int64_t numbers[BD_TILE];
        bd_tile_integers(column, row, count, valid, numbers);
        uint64_t any = 0;
        for (int r = 0; r < count; r++) {
            numbers[r] &= -(int64_t)(valid >> r & 1);
            any |= (uint64_t)numbers[r];
        }
        if (any < 0x80) {
            for (int r = 0; r < count; r++)
                out[r] = (uint8_t)numbers[r];
            out += count;
        } else if (any < 0x4000) {
            for (int r = 0; r < count; r++)
                out = bd_proto_put_varint14(out, (uint64_t)numbers[r]);
        } else {
            for (int r = 0; r < count; r++)
                out = bd_proto_put_varint(out, (uint64_t)numbers[r]);
        }
    }
    return out;
}

/* NULL for a number beyond float32. */
static uint8_t *put_floats(const struct bd_open_column *column, const struct span *span,
                           uint8_t *out)
{
    for (int64_t done = 0; done < span->count; done += BD_TILE) {
        const int64_t row = span->row + done;
        const int count = (int)(span->count - done < BD_TILE ? span->count - done : BD_TILE);
        uint32_t bits[BD_TILE];
        if (!bd_tile_floats(column, row, count, bd_tile_valid(column, row, count), bits))
            return NULL;
        memcpy(out, bits, (size_t)count * 4);
        out += 4 * count;
    }
    return out;
}

static uint8_t *put_texts(const struct bd_open_column *column, const struct span *span,
                          uint8_t *out)
{
    for (int64_t done = 0; done < span->count; done += BD_TILE) {
        const int64_t row = span->row + done;
        const int count = (int)(span->count - done < BD_TILE ? span->count - done : BD_TILE);
        struct bd_tile_texts texts;
        bd_tile_texts(column, row, count, bd_tile_valid(column, row, count), &texts);
        for (int r = 0; r < count; r++) {
            *out++ = 0x0a;
            out = bd_proto_put_varint(out, (uint64_t)texts.lengths[r]);
            if (texts.lengths[r])
                out = bd_put_text(out, texts.starts[r], texts.lengths[r],
                                  bd_readable_end(column, &texts));
        }
    }
    return out;
}

/* 1 or 0 for each row; `out` where all are 1, as there is no list then. */
static uint8_t *put_valid(const struct bd_open_column *column, const struct span *span,
                          uint8_t *out, bool *some_null)
{
    for (int64_t done = 0; done < span->count; done += BD_TILE) {
        const int count = (int)(span->count - done < BD_TILE ? span->count - done : BD_TILE);
        const uint64_t valid = bd_tile_valid(column, span->row + done, count);
        for (int r = 0; r < count; r++) {
            out[r] = (uint8_t)(valid >> r & 1);
            *some_null |= !(valid >> r & 1);
        }
        out += count;
    }
    return out;
}

/* The spans of batches that a record is made of: rows [row, row + count) of all batches. */
struct record_rows {
    const struct bd_tfrecord_plan *plan;
    const struct bd_tfrecord_batches *batches;
    const struct bd_open_column *columns;
    int64_t first_batch, row, count;
};

/* Write the values of a list; NULL for a number beyond float32. */
static uint8_t *put_values(const struct record_rows *rows, const struct bd_tfrecord_list *list,
                           uint8_t *out)
{
    uint8_t *const start = out;
    bool some_null = false;
    int64_t left = rows->count, row = rows->row;
    for (int64_t b = rows->first_batch; left > 0; b++, row = 0) {
        const int64_t there = rows->batches->batches[b]->length - row;
        const struct span span = {.row = row, .count = there < left ? there : left};
        const struct bd_open_column *column =
            &rows->columns[b * rows->plan->n_columns + list->first];
        left -= span.count;
        if (list->kind == BD_TFRECORD_INT)
            out = put_ints(column, &span, out);
        else if (list->kind == BD_TFRECORD_BYTES)
            out = put_texts(column, &span, out);
        else if (list->kind == BD_TFRECORD_VALID)
            out = put_valid(column, &span, out, &some_null);
        else if ((out = put_floats(column, &span, out)) == NULL)
            return NULL;
    }
    return list->kind == BD_TFRECORD_VALID && !some_null ? start : out;
}

/* Write the lists of a record; returns their end, or NULL and the column that cannot be stored.
 * payloads: of the last list of each kind, to guess by. */
static uint8_t *put_lists(const struct record_rows *rows, int64_t payloads[4], uint8_t *out,
                          int *wrong)
{
    const struct bd_tfrecord_plan *plan = rows->plan;
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        const uint8_t *key = plan->keys + list->key_at;
        const int64_t guess = bd_list_head_bytes(list->kind, list->key_size, payloads[list->kind]);
        uint8_t *values = out + guess;
        uint8_t *end = put_values(rows, list, values);
        if (end == NULL) {
            *wrong = list->first;
            return NULL;
        }
        const int64_t payload = end - values;
        if (payload == 0 && list->kind == BD_TFRECORD_VALID)
            continue;
        payloads[list->kind] = payload;
        const int64_t head = bd_list_head_bytes(list->kind, list->key_size, payload);
        if (head != guess)
            memmove(out + head, values, (size_t)payload);
        /* The last varint may spill over the head into the values: they are written after it. */
        uint8_t first[BD_MAX_VARINT];
        memcpy(first, out + head, sizeof first);
        bd_put_list_head(out, list->kind, key, list->key_size, payload);
        memcpy(out + head, first, sizeof first);
        out += head + payload;
    }
    return out;
}

int64_t bd_tfrecord_encode_blocks(const struct bd_tfrecord_plan *plan,
                                  const struct bd_tfrecord_batches *batches,
                                  const struct bd_open_column *columns,
                                  const struct bd_crc32c_method *method, uint8_t *out)
{
    uint8_t *const start = out;
    int64_t payloads[4] = {plan->block_rows, 4ll * plan->block_rows, 8ll * plan->block_rows,
                           plan->block_rows};
    int64_t features_bytes = payloads[1] * plan->n_lists;
    int64_t left = 0;
    for (int64_t b = 0; b < batches->n_batches; b++)
        left += batches->batches[b]->length;
    struct record_rows rows = {.plan = plan, .batches = batches, .columns = columns};
    while (left > 0) {
        rows.count = left < plan->block_rows ? left : plan->block_rows;
        left -= rows.count;
        const int64_t guess = bd_record_head_bytes(features_bytes);
        int wrong = -1;
        uint8_t *end = put_lists(&rows, payloads, out + guess, &wrong);
        if (end == NULL)
            return -1 - wrong;
        features_bytes = end - out - guess;
        const int64_t head = bd_record_head_bytes(features_bytes);
        if (head != guess)
            memmove(out + head, out + guess, (size_t)features_bytes);
        bd_put_record_head(out + head, features_bytes);
        end = out + head + features_bytes;
        bd_put_crcs(method, out, end);
        out = end + 4;
        for (rows.row += rows.count; rows.first_batch < batches->n_batches &&
                                     rows.row >= batches->batches[rows.first_batch]->length;
             rows.first_batch++)
            rows.row -= batches->batches[rows.first_batch]->length;
    }
    return out - start;
}
