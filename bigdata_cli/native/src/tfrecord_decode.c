/* Reads framed `tf.train.Example` records back into columns.
 *
 * The parse is that of any protobuf parser: fields in any order, lists packed or not, unknown
 * fields skipped, the last of two equal keys wins. Records as our writer writes them are recognised
 * by their bytes, and take less. */

#include "tfrecord_parse.h"
#include "tfrecord_template.h"

typedef uint8_t bytes32 __attribute__((vector_size(32)));

/* After so many records in a row that match no template, the following are not tried. */
enum { MAX_MISSES = 16 };

/* Whether data[0:size] is `key`. */
static inline bool is_key(const uint8_t *data, int64_t size, const struct bd_tfrecord_plan *plan,
                          const struct bd_tfrecord_list *list)
{
    return size == list->key_size && memcmp(data, plan->keys + list->key_at, (size_t)size) == 0;
}

/* Whether a head of the plan stands in `data`, of which padding may be read, for `payload` bytes.
 */
static bool is_head(const uint8_t *data, const uint8_t *pieces, int64_t size, uint8_t payload)
{
    static const uint8_t MASKS[64] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    };
    const bytes32 more = (bytes32){0} + payload;
    uint64_t differing = 0;
    for (int64_t k = 0; k < size; k += 32) {
        bytes32 here, piece, grows, mask;
        uint64_t words[4];
        memcpy(&here, data + k, 32);
        memcpy(&piece, pieces + 2 * k, 32);
        memcpy(&grows, pieces + 2 * k + 32, 32);
        memcpy(&mask, MASKS + (size - k < 32 ? 32 - (size - k) : 0), 32);
        here = (here ^ (piece + (grows & more))) & mask;
        memcpy(words, &here, 32);
        differing |= words[0] | words[1] | words[2] | words[3];
    }
    return differing == 0;
}

/* Find the values of a record that has one value a list, as our writer writes it: lists in order,
 * some of them absent. Fills spans with where each value begins and ends, or -1. False where it is
 * not so; then nothing is known. */
static bool match_record(const struct bd_tfrecord_plan *plan, const uint8_t *data, int64_t at,
                         int64_t end, int64_t *spans)
{
    uint64_t length;
    if (at >= end || data[at] != 0x0a)
        return false;
    at = bd_proto_read_varint(data, at + 1, end, &length);
    if (at < 0 || length != (uint64_t)(end - at))
        return false;
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        const int64_t size = list->head_size;
        spans[2 * f] = spans[2 * f + 1] = -1;
        if (size == 0 || size >= end - at)
            continue;
        const uint8_t payload = data[at + size - 1];
        if (payload > list->max_payload || payload > end - at - size ||
            !is_head(data + at, plan->heads + list->head_at, size, payload))
            continue;
        at += size;
        if (list->kind == BD_TFRECORD_FLOAT
                ? payload != 4
                : list->kind != BD_TFRECORD_BYTES && !bd_proto_is_varint(data + at, payload))
            return false;
        spans[2 * f] = at;
        at += payload;
        spans[2 * f + 1] = at;
    }
    return at == end;
}

/* Read the values that `match_record` found. */
static void read_matched(const struct bd_tfrecord_plan *plan, const uint8_t *data, int64_t record,
                         int64_t n_records, const int64_t *spans,
                         const struct bd_tfrecord_places *into)
{
    const int64_t offset = into->offsets[record];
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        const int64_t at = spans[2 * f], size = spans[2 * f + 1] - at;
        const int64_t place = into->firsts[f] + offset * into->strides[f];
        if (!(list->flags & BD_TFRECORD_WANTED))
            continue;
        if (at < 0) {
            into->absent[f * n_records + record] = 1;
            into->absences[f]++;
        } else if (list->kind == BD_TFRECORD_FLOAT) {
            into->floats[place] = bd_load_u32(data + at);
        } else if (list->kind == BD_TFRECORD_BYTES) {
            into->slots[place] = at;
            into->lengths[place] = size;
        } else {
            into->slots[place] = (int64_t)bd_proto_varint_value(data + at, (int)size);
        }
    }
}

/* Where the Feature of the entry at `at` begins and ends, if it is as our writer writes it: a field
 * of a map with the key of the list, then the Feature, and no more. Else false: the entry must be
 * parsed in full. */
static bool expected_entry(const uint8_t *data, int64_t at, int64_t end,
                           const struct bd_tfrecord_plan *plan, const struct bd_tfrecord_list *list,
                           int64_t span[2])
{
    const int64_t size = list->key_size;
    uint64_t length;
    if (data[at] != 0x0a)
        return false;
    at = bd_proto_read_varint(data, at + 1, end, &length);
    if (at < 0 || length > (uint64_t)(end - at))
        return false;
    const int64_t stop = at + (int64_t)length;
    if (stop - at < size + 4 || size > 0x7f || data[at] != 0x0a || data[at + 1] != size ||
        data[at + 2 + size] != 0x12 || !is_key(data + at + 2, size, plan, list))
        return false;
    at = bd_proto_read_varint(data, at + 3 + size, stop, &length);
    if (at < 0 || length != (uint64_t)(stop - at))
        return false;
    span[0] = at;
    span[1] = stop;
    return true;
}

/* The list with a key, looked for from `expected` on; -1 if there is none. */
static int list_of_key(const struct bd_tfrecord_plan *plan, const uint8_t *key, int64_t size,
                       int expected)
{
    for (int k = 0; k < plan->n_lists; k++) {
        int f = expected + k;
        if (f >= plan->n_lists)
            f -= plan->n_lists;
        if (is_key(key, size, plan, &plan->lists[f]))
            return f;
    }
    return -1;
}

/* Fill spans with where each list's Feature stands in a record, or -1. */
static int64_t find_features(const struct bd_tfrecord_plan *plan, const uint8_t *data, int64_t at,
                             int64_t end, int64_t *spans)
{
    int expected = 0;
    memset(spans, 0xff, (size_t)plan->n_lists * 2 * sizeof *spans);
    while (at < end) {
        struct bd_proto_field field;
        at = bd_proto_next_field(data, at, end, &field);
        if (at < 0)
            return BD_TFRECORD_NOT_A_MESSAGE;
        if (field.number != 1 || field.wire != BD_MESSAGE)
            continue;
        int64_t features = field.begin;
        const int64_t features_end = field.end;
        while (features < features_end) {
            /* Features mostly come in the order of the lists. */
            if (expected < plan->n_lists &&
                expected_entry(data, features, features_end, plan, &plan->lists[expected],
                               spans + 2 * expected)) {
                features = spans[2 * expected + 1];
                expected++;
                continue;
            }
            struct bd_entry entry;
            features = bd_proto_next_field(data, features, features_end, &field);
            if (features < 0)
                return BD_TFRECORD_NOT_A_MESSAGE;
            if (field.number != 1 || field.wire != BD_MESSAGE)
                continue;
            if (!bd_read_entry(data, field.begin, field.end, &entry))
                return BD_TFRECORD_NOT_A_MESSAGE;
            const int f = list_of_key(plan, data + entry.key, entry.key_end - entry.key, expected);
            if (f >= 0) {
                spans[2 * f] = entry.value;
                spans[2 * f + 1] = entry.value_end;
                expected = f + 1;
            }
        }
    }
    return BD_TFRECORD_OK;
}

/* Read the wanted lists of a record by their Features; returns what is wrong, *wrong_list where. */
static int64_t read_features(const struct bd_tfrecord_plan *plan, const uint8_t *data,
                             int64_t record, int64_t n_records, const int64_t *spans,
                             const struct bd_tfrecord_places *into, int64_t *wrong_list)
{
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        if (!(list->flags & BD_TFRECORD_WANTED))
            continue;
        const int64_t expected = list->count > 0 ? list->count : into->rows[record];
        int64_t count = 0;
        if (spans[2 * f] >= 0) {
            const struct bd_value_places places = {
                into->floats,   into->slots,
                into->lengths,  into->firsts[f] + into->offsets[record] * into->strides[f],
                into->steps[f], expected,
            };
            count = bd_read_feature(data, spans[2 * f], spans[2 * f + 1], list->kind, places);
        }
        *wrong_list = f;
        if (count < 0)
            return count;
        if (count == 0 && list->flags & BD_TFRECORD_OPTIONAL) {
            into->absent[f * n_records + record] = 1;
            into->absences[f]++;
        } else if (count != expected) {
            return count == 0 ? BD_TFRECORD_MISSING : BD_TFRECORD_WRONG_COUNT;
        }
    }
    return BD_TFRECORD_OK;
}

void bd_tfrecord_decode(const struct bd_tfrecord_plan *plan, const uint8_t *data,
                        const int64_t *starts, const int64_t *ends, int64_t n_records, bool single,
                        bool fixed, const struct bd_tfrecord_places *places,
                        const struct bd_tfrecord_scratch *scratch, struct bd_tfrecord_wrong *wrong)
{
    int64_t template = -1, n_floats = 0, n_moves = 0;
    int misses = 0;
    *wrong = (struct bd_tfrecord_wrong){BD_TFRECORD_OK, 0, 0};
    for (int64_t j = 0; j < n_records; j++) {
        const int64_t size = ends[j] - starts[j];
        if (template >= 0) {
            if (ends[template] - starts[template] == size &&
                bd_matches_template(data + starts[j], data + starts[template], size,
                                    scratch->mask)) {
                bd_read_by_template(data, starts[j], scratch->moves, n_floats, n_moves, places,
                                    places->offsets[j]);
                misses = 0;
                continue;
            }
            misses++;
        }
        const bool try_template =
            fixed && misses < MAX_MISSES && size + BD_PADDING <= scratch->mask_bytes;
        template = -1;
        if (single && !try_template &&
            match_record(plan, data, starts[j], ends[j], scratch->spans)) {
            read_matched(plan, data, j, n_records, scratch->spans, places);
            continue;
        }
        wrong->record = j;
        wrong->list = 0;
        wrong->status = find_features(plan, data, starts[j], ends[j], scratch->spans);
        if (wrong->status != BD_TFRECORD_OK)
            return;
        if (try_template &&
            bd_value_places_of(plan, data, starts[j], scratch->spans, scratch->places)) {
            n_floats = bd_plan_moves(plan, places, scratch, size, &n_moves);
            template = j;
        }
        wrong->status =
            read_features(plan, data, j, n_records, scratch->spans, places, &wrong->list);
        if (wrong->status != BD_TFRECORD_OK)
            return;
    }
}

void bd_tfrecord_list_rows(const struct bd_tfrecord_plan *plan, const uint8_t *data,
                           const int64_t *starts, const int64_t *ends, int64_t n_records,
                           int64_t *rows, int64_t *spans, struct bd_tfrecord_wrong *wrong)
{
    const struct bd_value_places nowhere = {.room = 0};
    *wrong = (struct bd_tfrecord_wrong){BD_TFRECORD_OK, 0, 0};
    for (int64_t j = 0; j < n_records; j++) {
        int64_t known = -1;
        wrong->record = j;
        wrong->list = 0;
        wrong->status = find_features(plan, data, starts[j], ends[j], spans);
        for (int f = 0; f < plan->n_lists && wrong->status == BD_TFRECORD_OK; f++) {
            const struct bd_tfrecord_list *list = &plan->lists[f];
            if (!(list->flags & BD_TFRECORD_WANTED))
                continue;
            wrong->list = f;
            if (spans[2 * f] < 0) {
                if (!(list->flags & BD_TFRECORD_OPTIONAL))
                    wrong->status = BD_TFRECORD_MISSING;
                continue;
            }
            const int64_t count =
                bd_read_feature(data, spans[2 * f], spans[2 * f + 1], list->kind, nowhere);
            if (count < 0)
                wrong->status = count;
            else if (known >= 0 && count != known)
                wrong->status = BD_TFRECORD_UNEQUAL;
            known = count;
        }
        if (wrong->status != BD_TFRECORD_OK)
            return;
        rows[j] = known < 0 ? 0 : known;
    }
}

int64_t bd_text_offsets(const int64_t *lengths, int64_t n, int64_t *offsets)
{
    int64_t end = 0;
    for (int64_t r = 0; r < n; r++) {
        offsets[r] = end;
        end += lengths[r];
    }
    offsets[n] = end;
    return end;
}

void bd_gather_text(const uint8_t *data, const int64_t *starts, const int64_t *offsets, int64_t n,
                    uint8_t *text)
{
    for (int64_t r = 0; r < n; r++) {
        const int64_t size = offsets[r + 1] - offsets[r];
        /* 16 bytes at once, where later texts follow in any case. */
        if (size <= 16 && offsets[n] - offsets[r] >= 16)
            memcpy(text + offsets[r], data + starts[r], 16);
        else
            memcpy(text + offsets[r], data + starts[r], (size_t)size);
    }
}
