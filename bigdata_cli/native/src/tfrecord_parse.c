/* Reads the value of a feature: a BytesList, a FloatList or an Int64List; see tfrecord_parse.h. */

#include "tfrecord_parse.h"

/* Read one field of an Int64List; returns its values' number, or what is wrong. */
static int64_t read_ints(const uint8_t *data, int64_t at, int64_t end,
                         const struct bd_value_places *places)
{
    int64_t count = 0, into = places->first;
    while (at < end) {
        uint64_t number;
        at = bd_proto_read_varint(data, at, end, &number);
        if (at < 0)
            return BD_TFRECORD_NOT_A_MESSAGE;
        if (count < places->room)
            places->slots[into] = (int64_t)number;
        into += places->step;
        count++;
    }
    return count;
}

/* Read one field of a FloatList as the bits of float32, likewise. */
static int64_t read_floats(const uint8_t *data, int64_t at, int64_t end,
                           const struct bd_value_places *places)
{
    if ((end - at) % 4)
        return BD_TFRECORD_NOT_A_MESSAGE;
    const int64_t count = (end - at) / 4;
    const int64_t stored = count < places->room ? count : places->room;
    if (places->step == 1 && stored > 0)
        memcpy(places->floats + places->first, data + at, (size_t)stored * 4);
    else
        for (int64_t k = 0; k < stored; k++)
            places->floats[places->first + k * places->step] = bd_load_u32(data + at + 4 * k);
    return count;
}

/* Read a BytesList, FloatList or Int64List, likewise. */
static int64_t read_list(const uint8_t *data, int64_t at, int64_t end, int kind,
                         struct bd_value_places places)
{
    int64_t total = 0;
    while (at < end) {
        struct bd_proto_field field;
        at = bd_proto_next_field(data, at, end, &field);
        if (at < 0)
            return BD_TFRECORD_NOT_A_MESSAGE;
        if (field.number != 1)
            continue;
        int64_t count = 0;
        if (kind == BD_TFRECORD_BYTES) {
            if (field.wire == BD_MESSAGE) {
                if (places.room > 0) {
                    places.slots[places.first] = field.begin;
                    places.lengths[places.first] = field.end - field.begin;
                }
                count = 1;
            }
        } else if (kind == BD_TFRECORD_FLOAT) {
            if (field.wire == BD_MESSAGE || field.wire == BD_FIXED32)
                count = read_floats(data, field.begin, field.end, &places);
        } else if (field.wire == BD_MESSAGE || field.wire == BD_VARINT) {
            count = read_ints(data, field.begin, field.end, &places);
        }
        if (count < 0)
            return count;
        total += count;
        places.first += count * places.step;
        places.room = count < places.room ? places.room - count : 0;
    }
    return total;
}

int64_t bd_read_feature(const uint8_t *data, int64_t at, int64_t end, int kind,
                        struct bd_value_places places)
{
    const uint64_t number = kind == BD_TFRECORD_BYTES ? 1 : kind == BD_TFRECORD_FLOAT ? 2 : 3;
    int64_t total = 0;
    bool other = false;
    while (at < end) {
        struct bd_proto_field field;
        at = bd_proto_next_field(data, at, end, &field);
        if (at < 0)
            return BD_TFRECORD_NOT_A_MESSAGE;
        if (field.wire != BD_MESSAGE || field.number > 3)
            continue;
        if (field.number != number) {
            total = 0;
            other = field.end > field.begin;
            continue;
        }
        other = false;
        const struct bd_value_places rest = {
            places.floats,  places.slots,
            places.lengths, places.first + total * places.step,
            places.step,    total < places.room ? places.room - total : 0,
        };
        const int64_t count = read_list(data, field.begin, field.end, kind, rest);
        if (count < 0)
            return count;
        total += count;
    }
    return other ? BD_TFRECORD_WRONG_KIND : total;
}
