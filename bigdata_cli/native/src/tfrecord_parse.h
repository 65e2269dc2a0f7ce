/* What reads protobuf messages: varints, fields, entries of a map, the values of a Feature.
 *
 * Messages are data[at:end], of a buffer with BD_PADDING readable bytes after its end. Every length
 * is checked against the message around it, so that no input, however damaged, is read beyond that
 * padding. */

#ifndef BD_TFRECORD_PARSE_H
#define BD_TFRECORD_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "bigdata.h"
#include "tfrecord_wire.h"

/* Wire types. */
enum { BD_VARINT = 0, BD_FIXED64 = 1, BD_MESSAGE = 2, BD_FIXED32 = 5 };

/* A field of a message: its number and wire type, and where its content lies. */
struct bd_proto_field {
    uint64_t number;
    int wire;
    int64_t begin, end;
};

/* Read a varint at `at`; returns where it ends, or -1 for one that is cut off or too long. */
static inline int64_t bd_proto_read_varint(const uint8_t *data, int64_t at, int64_t end,
                                           uint64_t *number)
{
    if (at < end && data[at] < 0x80) {
        *number = data[at];
        return at + 1;
    }
    *number = 0;
    for (int shift = 0; at < end && shift < 70; shift += 7) {
        const uint64_t byte = data[at++];
        *number |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return at;
    }
    return -1;
}

/* Whether data[0:size] is one varint and nothing else; eight bytes are read. */
static inline bool bd_proto_is_varint(const uint8_t *data, int64_t size)
{
    if (size < 1 || size > BD_MAX_VARINT)
        return false;
    for (int64_t k = 8; k < size; k++)
        if ((data[k] < 0x80) != (k == size - 1))
            return false;
    const int n = size < 9 ? (int)size : 9;
    /* The highest bits of n bytes, and of all but the last of them. */
    const uint64_t of_all = 0x8080808080808080 & ~(UINT64_MAX << 4 * n << 4 * n);
    const uint64_t before_last = 0x8080808080808080 & ~(UINT64_MAX << 4 * (n - 1) << 4 * (n - 1));
    return (bd_load_u64(data) & of_all) == before_last;
}

/* The value of a varint of `size` bytes; eight bytes are read. */
static inline uint64_t bd_proto_varint_value(const uint8_t *data, int size)
{
    const int n = size < 8 ? size : 8;
    uint64_t number = bd_load_u64(data) & 0x7f7f7f7f7f7f7f7f & ~(UINT64_MAX << 4 * n << 4 * n);
    number = (number & 0x007f007f007f007f) | (number & 0x7f007f007f007f00) >> 1;
    number = (number & 0x00003fff00003fff) | (number & 0x3fff00003fff0000) >> 2;
    number = (number & 0x000000000fffffff) | (number & 0x0fffffff00000000) >> 4;
    if (size > 8)
        number |= (uint64_t)(data[8] & 0x7f) << 56;
    if (size > 9)
        number |= (uint64_t)data[9] << 63;
    return number;
}

/* Read the field at `at`, at < end; returns where the next one begins, or -1 where it is damaged.
 */
static inline int64_t bd_proto_next_field(const uint8_t *data, int64_t at, int64_t end,
                                          struct bd_proto_field *field)
{
    uint64_t tag, length;
    at = bd_proto_read_varint(data, at, end, &tag);
    field->number = tag >> 3;
    field->wire = (int)(tag & 7);
    field->begin = at;
    if (at < 0 || field->number == 0)
        return -1;
    switch (field->wire) {
    case BD_VARINT:
        at = bd_proto_read_varint(data, at, end, &length);
        break;
    case BD_MESSAGE:
        at = bd_proto_read_varint(data, at, end, &length);
        if (at < 0 || length > (uint64_t)(end - at))
            return -1;
        field->begin = at;
        at += (int64_t)length;
        break;
    case BD_FIXED32:
        at += 4;
        break;
    case BD_FIXED64:
        at += 8;
        break;
    default:
        return -1;
    }
    if (at > end)
        return -1;
    field->end = at;
    return at;
}

/* The key and the Feature of a map entry. */
struct bd_entry {
    int64_t key, key_end, value, value_end;
};

/* Read the entry data[at:end]; false where it is damaged. What is not there is empty. */
static inline bool bd_read_entry(const uint8_t *data, int64_t at, int64_t end,
                                 struct bd_entry *entry)
{
    *entry = (struct bd_entry){at, at, at, at};
    while (at < end) {
        struct bd_proto_field field;
        at = bd_proto_next_field(data, at, end, &field);
        if (at < 0)
            return false;
        if (field.wire == BD_MESSAGE && field.number == 1) {
            entry->key = field.begin;
            entry->key_end = field.end;
        } else if (field.wire == BD_MESSAGE && field.number == 2) {
            entry->value = field.begin;
            entry->value_end = field.end;
        }
    }
    return true;
}

/* Where values go: value k to place first + k * step, of `floats` where it is a float's bits, else
 * of `slots`: a number, or where in the data a text begins, whose bytes `lengths` has. What exceeds
 * `room` values is counted and not stored. */
struct bd_value_places {
    uint32_t *floats;
    int64_t *slots, *lengths;
    int64_t first, step, room;
};

/* Read the Feature data[at:end] of a kind; returns the number of values, or what is wrong. Lists
 * may be packed or not. Of several lists of one kind the values add up; one of another kind
 * replaces those before. */
int64_t bd_read_feature(const uint8_t *data, int64_t at, int64_t end, int kind,
                        struct bd_value_places places);

#endif
