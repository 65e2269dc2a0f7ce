/* Finds records in the bytes of TFRecord files, counts their rows and finds their keys. */

#include "tfrecord_parse.h"

int64_t bd_tfrecord_scan(const uint8_t *data, int64_t size, int64_t *at, bool all_crcs,
                         int64_t *starts, int64_t *ends, int64_t most, int64_t *status)
{
    struct bd_crc32c_method method;
    bd_crc32c_choose(&method);
    int64_t n = 0;
    *status = BD_TFRECORD_OK;
    for (; n < most; n++) {
        const int64_t left = size - *at;
        if (left < 12) {
            *status = BD_TFRECORD_MORE;
            return n;
        }
        const uint8_t *record = data + *at;
        const uint64_t length = bd_load_u64(record);
        if (bd_load_u32(record + 8) != bd_masked_crc32c(&method, record, 8)) {
            *status = BD_TFRECORD_LENGTH_CRC;
            return n;
        }
        if (length > (uint64_t)left || (int64_t)length + 16 > left) {
            *status = BD_TFRECORD_MORE;
            return n;
        }
        if (all_crcs && bd_load_u32(record + 12 + length) !=
                            bd_masked_crc32c(&method, record + 12, (int64_t)length)) {
            *status = BD_TFRECORD_DATA_CRC;
            return n;
        }
        starts[n] = *at + 12;
        ends[n] = *at + 12 + (int64_t)length;
        *at = ends[n] + 4;
    }
    return n;
}

/* The number of values of a Feature of any kind, or what is wrong. */
static int64_t count_values(const uint8_t *data, int64_t at, int64_t end)
{
    const struct bd_value_places nowhere = {.room = 0};
    int64_t count = BD_TFRECORD_WRONG_KIND;
    for (int kind = 0; kind < 3 && count == BD_TFRECORD_WRONG_KIND; kind++)
        count = bd_read_feature(data, at, end, kind, nowhere);
    return count;
}

/* A walk over the entries of an Example. */
struct walk {
    const uint8_t *data;
    int64_t at, end;                /* of the Example */
    int64_t features, features_end; /* of the Features at hand */
};

/* The next entry: 1, 0 where there is none, or what is wrong. */
static int64_t next_entry(struct walk *walk, struct bd_entry *entry)
{
    struct bd_proto_field field;
    for (;;) {
        while (walk->features < walk->features_end) {
            walk->features =
                bd_proto_next_field(walk->data, walk->features, walk->features_end, &field);
            if (walk->features < 0)
                return BD_TFRECORD_NOT_A_MESSAGE;
            if (field.number == 1 && field.wire == BD_MESSAGE)
                return bd_read_entry(walk->data, field.begin, field.end, entry)
                           ? 1
                           : BD_TFRECORD_NOT_A_MESSAGE;
        }
        if (walk->at >= walk->end)
            return 0;
        walk->at = bd_proto_next_field(walk->data, walk->at, walk->end, &field);
        if (walk->at < 0)
            return BD_TFRECORD_NOT_A_MESSAGE;
        if (field.number == 1 && field.wire == BD_MESSAGE) {
            walk->features = field.begin;
            walk->features_end = field.end;
        }
    }
}

int64_t bd_tfrecord_count_rows(const uint8_t *data, const int64_t *starts, const int64_t *ends,
                               int64_t n_records, bool first_only, int64_t *rows, int64_t *record)
{
    for (int64_t j = 0; j < n_records; j++) {
        struct walk walk = {.data = data, .at = starts[j], .end = ends[j]};
        struct bd_entry entry;
        int64_t found, known = -1;
        *record = j;
        while ((found = next_entry(&walk, &entry)) > 0) {
            const int64_t count = count_values(data, entry.value, entry.value_end);
            if (count < 0)
                return count;
            if (known >= 0 && count != known)
                return BD_TFRECORD_UNEQUAL;
            known = count;
            if (first_only)
                break;
        }
        if (found < 0)
            return found;
        rows[j] = known < 0 ? 0 : known;
    }
    return BD_TFRECORD_OK;
}

int64_t bd_tfrecord_keys(const uint8_t *data, int64_t start, int64_t end, int64_t *keys)
{
    struct walk walk = {.data = data, .at = start, .end = end};
    struct bd_entry entry;
    int64_t found, n = 0;
    while ((found = next_entry(&walk, &entry)) > 0) {
        keys[2 * n] = entry.key;
        keys[2 * n + 1] = entry.key_end;
        n++;
    }
    return found < 0 ? 0 : n;
}
