/* Records that are read by a template; see tfrecord_template.h. */

#include "tfrecord_template.h"

#include "tfrecord_parse.h"

/* Where the values of a Feature that is nothing but so many packed floats begin, or -1. */
static int64_t packed_floats(const uint8_t *data, int64_t at, int64_t end, int64_t count)
{
    struct bd_proto_field field = {0};
    if (at >= end || bd_proto_next_field(data, at, end, &field) != end || field.number != 2 ||
        field.wire != BD_MESSAGE || field.begin >= field.end)
        return -1;
    if (bd_proto_next_field(data, field.begin, field.end, &field) != end || field.number != 1 ||
        field.wire != BD_MESSAGE || field.end - field.begin != 4 * count)
        return -1;
    return field.begin;
}

/* Where the value of a Feature that is nothing but one short text or integer begins, or -1. */
static int64_t one_value(const uint8_t *data, int64_t at, int64_t end, int kind)
{
    const int64_t size = end - at - 4;
    if (size <= 0 || size >= 0x7e)
        return -1;
    if (data[at] != (kind == BD_TFRECORD_BYTES ? 0x0a : 0x1a) || data[at + 1] != size + 2 ||
        data[at + 2] != 0x0a || data[at + 3] != size)
        return -1;
    if (kind != BD_TFRECORD_BYTES)
        for (int64_t k = 0; k < size; k++)
            if ((data[at + 4 + k] < 0x80) != (k == size - 1))
                return -1;
    return at + 4;
}

bool bd_value_places_of(const struct bd_tfrecord_plan *plan, const uint8_t *data, int64_t start,
                        const int64_t *spans, int64_t *places)
{
    int64_t before = start;
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        const int64_t at = spans[2 * f], end = spans[2 * f + 1];
        int64_t begin = -1;
        if (at < before)
            return false;
        if (list->kind == BD_TFRECORD_FLOAT)
            begin = packed_floats(data, at, end, list->count);
        else if (list->count == 1)
            begin = one_value(data, at, end, list->kind);
        if (begin < 0)
            return false;
        places[2 * f] = begin - start;
        places[2 * f + 1] = end - start;
        before = end;
    }
    return true;
}

int64_t bd_plan_moves(const struct bd_tfrecord_plan *plan, const struct bd_tfrecord_places *into,
                      const struct bd_tfrecord_scratch *scratch, int64_t size, int64_t *n_moves)
{
    int64_t n = 0, n_floats = 0;
    memset(scratch->mask, 0xff, (size_t)size);
    memset(scratch->mask + size, 0, BD_PADDING);
    for (int f = 0; f < plan->n_lists; f++) {
        /* Of an integer the highest bit of each byte says whether another follows. */
        const int64_t at = scratch->places[2 * f], end = scratch->places[2 * f + 1];
        const bool is_int =
            plan->lists[f].kind != BD_TFRECORD_FLOAT && plan->lists[f].kind != BD_TFRECORD_BYTES;
        memset(scratch->mask + at, is_int ? 0x80 : 0, (size_t)(end - at));
    }
    for (int floats = 1; floats >= 0; floats--) {
        for (int f = 0; f < plan->n_lists; f++) {
            const struct bd_tfrecord_list *list = &plan->lists[f];
            if (!(list->flags & BD_TFRECORD_WANTED) || floats != (list->kind == BD_TFRECORD_FLOAT))
                continue;
            const int64_t at = scratch->places[2 * f];
            scratch->moves[n++] = (struct bd_tfrecord_move){
                at,
                scratch->places[2 * f + 1] - at,
                list->count,
                into->firsts[f],
                into->strides[f],
                into->steps[f],
                list->kind,
            };
        }
        if (floats)
            n_floats = n;
    }
    *n_moves = n;
    return n_floats;
}

bool bd_matches_template(const uint8_t *record, const uint8_t *template, int64_t size,
                         const uint8_t *mask)
{
    /* No branch within 64 bytes, so that it becomes vector instructions; the padding after the
     * records is read, and the mask is 0 there. */
    for (int64_t k = 0; k < size; k += 64) {
        uint64_t differing = 0;
        for (int i = 0; i < 64; i += 8)
            differing |= (bd_load_u64(record + k + i) ^ bd_load_u64(template + k + i)) &
                         bd_load_u64(mask + k + i);
        if (differing)
            return false;
    }
    return true;
}

void bd_read_by_template(const uint8_t *data, int64_t start, const struct bd_tfrecord_move *moves,
                         int64_t n_floats, int64_t n_moves, const struct bd_tfrecord_places *into,
                         int64_t offset)
{
    const uint8_t *record = data + start;
    for (int64_t m = 0; m < n_floats; m++) {
        const struct bd_tfrecord_move move = moves[m];
        uint32_t *floats = into->floats + move.first + offset * move.stride;
        for (int64_t k = 0; k < move.count; k++)
            floats[k * move.step] = bd_load_u32(record + move.at + 4 * k);
    }
    for (int64_t m = n_floats; m < n_moves; m++) {
        const int64_t place = moves[m].first + offset * moves[m].stride;
        if (moves[m].kind == BD_TFRECORD_BYTES) {
            into->slots[place] = start + moves[m].at;
            into->lengths[place] = moves[m].size;
        } else {
            into->slots[place] =
                (int64_t)bd_proto_varint_value(record + moves[m].at, (int)moves[m].size);
        }
    }
}
