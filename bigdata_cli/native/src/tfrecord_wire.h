/* How a framed, serialized `tf.train.Example` is made of bytes.
 *
 * A record is: its length (uint64), masked CRC-32C of the length, the Example, masked CRC-32C of
 * it. An Example is nested messages, each with its length before it:
 *
 *     Example   0A n   Features   (0A n   entry)*
 *     entry     0A n key   12 n   Feature
 *     Feature   0A n  BytesList (0A n bytes)*  |  12 n  FloatList 0A n float*  |  1A n  Int64List
 *                                                                                0A n varint*
 *
 * See https://protobuf.dev/programming-guides/encoding/ and
 * https://www.tensorflow.org/tutorials/load_data/tfrecord. */

#ifndef BD_TFRECORD_WIRE_H
#define BD_TFRECORD_WIRE_H

#include <stdint.h>
#include <string.h>

#include "bigdata.h"
#include "crc32c.h"
#include "simd.h"

enum {
    BD_MAX_VARINT = 10,
    /* Before the features of a record at the most: its length with CRC, a tag, a varint. */
    BD_RECORD_HEAD = 8 + 4 + 1 + BD_MAX_VARINT,
    /* Besides the key before the values of a list at the most: four tags, five varints. */
    BD_LIST_HEAD = 6 + 5 * BD_MAX_VARINT,
};

static inline void bd_store_u32(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, 4);
}
static inline void bd_store_u64(uint8_t *at, uint64_t word)
{
    memcpy(at, &word, 8);
}

/* Bytes of a number as a varint; a negative one, as uint64, has ten. */
static inline int bd_proto_varint_bytes(uint64_t number)
{
    const int bits = 64 - __builtin_clzll(number | 1);
    return (bits * 9 + 64) >> 6;
}

/* Copy some bytes, 16 at a time: up to 15 more are read and overwritten. */
static inline void bd_copy_short(uint8_t *out, const uint8_t *from, int64_t size)
{
    for (int64_t k = 0; k < size; k += 16)
        memcpy(out + k, from + k, 16);
}

/* Write a varint of n = bd_proto_varint_bytes(number); up to BD_MAX_VARINT bytes are overwritten.
 */
static inline void bd_proto_put_varint_of(uint8_t *out, uint64_t number, int n)
{
    uint64_t low = number & 0x00ffffffffffffff;
    low = (low & 0x0fffffff) | (low & 0x00fffffff0000000) << 4;
    low = (low & 0x00003fff00003fff) | (low & 0x0fffc0000fffc000) << 2;
    low = (low & 0x007f007f007f007f) | (low & 0x3f803f803f803f80) << 1;
    /* The highest bit of all bytes but the last; shifted in halves, as 64 at once is undefined. */
    const uint64_t before_last = ~(UINT64_MAX << 4 * (n - 1) << 4 * (n - 1));
    bd_store_u64(out, low | (before_last & 0x8080808080808080));
    out[8] = (uint8_t)((number >> 56 & 0x7f) | (uint64_t)(n > 9) << 7);
    out[9] = (uint8_t)(number >> 63);
}

/* Write a varint of a number below 2^14; two bytes are overwritten. */
static inline uint8_t *bd_proto_put_varint14(uint8_t *out, uint64_t number)
{
    const uint64_t more = number > 0x7f;
    const uint16_t both = (uint16_t)((number & 0x7f) | more << 7 | number >> 7 << 8);
    memcpy(out, &both, 2);
    return out + 1 + more;
}

static inline uint8_t *bd_proto_put_varint(uint8_t *out, uint64_t number)
{
    const int n = bd_proto_varint_bytes(number);
    bd_proto_put_varint_of(out, number, n);
    return out + n;
}

/* Lengths of the messages around the values of a list, which take `payload` bytes. */
struct bd_list_sizes {
    int64_t list, feature, entry;
};

static inline int64_t bd_message_bytes(int64_t content)
{
    return 1 + bd_proto_varint_bytes((uint64_t)content) + content;
}

static inline struct bd_list_sizes bd_list_sizes(int kind, int64_t key_size, int64_t payload)
{
    struct bd_list_sizes sizes;
    sizes.list = kind == BD_TFRECORD_BYTES ? payload : bd_message_bytes(payload);
    sizes.feature = bd_message_bytes(sizes.list);
    sizes.entry = bd_message_bytes(key_size) + bd_message_bytes(sizes.feature);
    return sizes;
}

/* Write what stands before the values of a list; returns where they begin. */
static inline uint8_t *bd_put_list_head(uint8_t *out, int kind, const uint8_t *key,
                                        int64_t key_size, int64_t payload)
{
    static const uint8_t TAGS[] = {0x1a, 0x12, 0x0a, 0x1a};
    const struct bd_list_sizes sizes = bd_list_sizes(kind, key_size, payload);
    *out++ = 0x0a;
    out = bd_proto_put_varint(out, (uint64_t)sizes.entry);
    *out++ = 0x0a;
    out = bd_proto_put_varint(out, (uint64_t)key_size);
    memcpy(out, key, (size_t)key_size);
    out += key_size;
    *out++ = 0x12;
    out = bd_proto_put_varint(out, (uint64_t)sizes.feature);
    *out++ = TAGS[kind];
    out = bd_proto_put_varint(out, (uint64_t)sizes.list);
    if (kind != BD_TFRECORD_BYTES) {
        *out++ = 0x0a;
        out = bd_proto_put_varint(out, (uint64_t)payload);
    }
    return out;
}

/* Bytes of `bd_put_list_head`. */
static inline int64_t bd_list_head_bytes(int kind, int64_t key_size, int64_t payload)
{
    return bd_message_bytes(bd_list_sizes(kind, key_size, payload).entry) - payload;
}

/* Bytes before the features of a record. */
static inline int64_t bd_record_head_bytes(int64_t features_bytes)
{
    return 13 + bd_proto_varint_bytes((uint64_t)features_bytes);
}

/* Write the head of a record before features[0:size], where there must be room for BD_RECORD_HEAD
 * bytes; returns where the record begins. Its CRCs are written apart, when the stores are done: to
 * load what has just been stored in smaller pieces makes the processor wait. */
static inline uint8_t *bd_put_record_head(uint8_t *features, int64_t size)
{
    const int64_t head = bd_record_head_bytes(size);
    uint8_t *const record = features - head;
    uint8_t varint[BD_MAX_VARINT];
    bd_proto_put_varint_of(varint, (uint64_t)size, (int)head - 13);
    bd_store_u64(record, (uint64_t)(head - 12 + size));
    record[12] = 0x0a;
    for (int64_t k = 13; k < head; k++)
        record[k] = varint[k - 13];
    return record;
}

/* Write the CRCs of a record whose Example ends at `end`, where the last one goes. */
static inline void bd_put_crcs(const struct bd_crc32c_method *method, uint8_t *record, uint8_t *end)
{
    bd_store_u32(record + 8, bd_masked_crc32c(method, record, 8));
    bd_store_u32(end, bd_masked_crc32c(method, record + 12, end - record - 12));
}

#endif
