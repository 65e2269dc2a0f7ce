/* JSON lines as CSV: the value of each column's key in one record for each line.
 *
 * Strings are quoted and nothing else is, null and a key that is missing are empty fields, numbers
 * stand as they are written. A first field of one character keeps a record from being a blank
 * line. */

#include "bigdata.h"
#include "json.h"
#include "scan.h"
#include "simd.h"

#include <string.h>

static uint64_t hash_of(const uint8_t *name, int64_t size)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (int64_t i = 0; i < size; i++)
        hash = (hash ^ name[i]) * 0x100000001b3;
    return hash ^ hash >> 32;
}

static const uint8_t *name_of(const bd_json_keys *keys, int64_t key, int64_t *size)
{
    const int64_t start = key ? keys->ends[key - 1] : 0;
    *size = keys->ends[key] - start;
    return keys->names + start;
}

/* Fill slots and is_plain of the keys, which differ from each other. */
void bd_json_index(bd_json_keys *keys)
{
    for (int64_t i = 0; i < keys->n_slots; i++)
        keys->slots[i] = -1;
    for (int64_t key = 0; key < keys->n; key++) {
        int64_t size;
        const uint8_t *name = name_of(keys, key, &size);
        keys->is_plain[key] = 1;
        for (int64_t i = 0; i < size; i++)
            if (name[i] < 32 || name[i] == '"' || name[i] == '\\')
                keys->is_plain[key] = 0;
        uint64_t slot = hash_of(name, size);
        while (keys->slots[slot & (uint64_t)(keys->n_slots - 1)] >= 0)
            slot++;
        keys->slots[slot & (uint64_t)(keys->n_slots - 1)] = (int32_t)key;
    }
}

static int64_t find_key(const bd_json_keys *keys, const uint8_t *name, int64_t size)
{
    for (uint64_t slot = hash_of(name, size);; slot++) {
        const int64_t key = keys->slots[slot & (uint64_t)(keys->n_slots - 1)];
        if (key < 0)
            return -1;
        int64_t known_size;
        const uint8_t *known = name_of(keys, key, &known_size);
        if (known_size == size && !memcmp(known, name, (size_t)size))
            return key;
    }
}

/* Where the line that begins at `pos` ends: a line feed, a carriage return, or `size`. */
static int64_t line_stop(const uint8_t *block, int64_t pos, int64_t size)
{
    for (; pos < size; pos += 64) {
        const bd_block bytes = bd_load64(block + pos);
        const uint64_t ends = bd_match64(bytes, '\n') | bd_match64(bytes, '\r');
        if (ends) {
            pos += bd_trailing_zeros(ends);
            break;
        }
    }
    return pos < size ? pos : size;
}

/* The key whose opening quote is at *pos, *pos being after its closing quote then. `next`: the one
 * that is expected. Scratch has room for the name. */
static int read_key(const bd_json_lines *lines, int64_t *pos, int64_t next, uint8_t *scratch,
                    int64_t *key)
{
    const uint8_t *block = lines->block;
    const int64_t start = *pos + 1;
    if (next < lines->keys->n && lines->keys->is_plain[next]) {
        int64_t size;
        const uint8_t *name = name_of(lines->keys, next, &size);
        if (size < lines->size - start && !memcmp(block + start, name, (size_t)size) &&
            block[start + size] == '"') {
            *key = next;
            *pos = start + size + 1;
            return BD_JSON_DONE;
        }
    }
    bool is_escaped;
    int64_t stop = start;
    const int status = bd_json_string(block, &stop, &is_escaped);
    if (status) {
        *pos = stop;
        return status;
    }
    if (is_escaped) {
        const int64_t size = bd_json_unescape(block, start, stop, false, scratch);
        *key = find_key(lines->keys, scratch, size);
    } else {
        *key = find_key(lines->keys, block + start, stop - start);
    }
    if (*key < 0)
        return BD_JSON_UNKNOWN_KEY; /* *pos stays at its quote */
    *pos = stop + 1;
    return BD_JSON_DONE;
}

/* Whether a text may be a date or a timestamp, as 2024-12-31: nothing that begins like that is a
 * number, a truth value or a null. */
static bool may_be_date(const uint8_t *text, int64_t size)
{
    if (size < 10 || text[4] != '-' || text[7] != '-')
        return false;
    for (int i = 0; i < 10; i++)
        if (i != 4 && i != 7 && (text[i] < '0' || text[i] > '9'))
            return false;
    return true;
}

static int read_value(const bd_json_lines *lines, int64_t *pos, int64_t key)
{
    bd_json_value *value = &lines->values[key];
    const uint8_t *block = lines->block;
    const uint8_t c = block[*pos];
    value->start = *pos;
    if (c == '"') {
        bool is_escaped;
        value->start = ++*pos;
        const int status = bd_json_string(block, pos, &is_escaped);
        if (status)
            return status;
        value->stop = *pos;
        ++*pos;
        value->kind = is_escaped ? BD_JSON_ESCAPED : BD_JSON_STRING;
        if (is_escaped || !may_be_date(block + value->start, value->stop - value->start))
            value->kind |= 16;
        return BD_JSON_DONE;
    }
    if (c == '{' || c == '[') {
        if (lines->wanted[key] && !lines->keeps_nested)
            return c == '{' ? BD_JSON_NESTED_OBJECT : BD_JSON_NESTED_ARRAY;
        const int status = bd_json_nested(block, pos);
        value->stop = *pos;
        value->kind = BD_JSON_NESTED | 16;
        return status;
    }
    const int status = bd_json_scalar(block, pos, &value->kind);
    value->stop = *pos;
    return status;
}

/* The keys and values of the line at *pos; *pos is where it is wrong, *key whose value that is. */
static int read_line(const bd_json_lines *lines, int64_t *pos, int64_t stop, uint8_t *scratch,
                     int64_t *key)
{
    const uint8_t *block = lines->block;
    int64_t next = 0;
    *key = -1;
    *pos = bd_json_space(block, *pos);
    if (block[*pos] != '{')
        return BD_JSON_NO_OBJECT;
    *pos = bd_json_space(block, *pos + 1);
    if (block[*pos] == '}') {
        *pos = bd_json_space(block, *pos + 1);
        return *pos == stop ? BD_JSON_DONE : BD_JSON_AFTER_OBJECT;
    }
    for (;;) {
        if (block[*pos] != '"')
            return *pos == stop ? BD_JSON_CUT : BD_JSON_SYNTAX;
        const int64_t start = *pos;
        int status = read_key(lines, pos, next, scratch, key);
        if (status)
            return status;
        next = *key + 1;
        if (lines->values[*key].line == lines->line) {
            *pos = start;
            return BD_JSON_DUPLICATE_KEY;
        }
        lines->values[*key].line = lines->line;
        *pos = bd_json_space(block, *pos);
        if (block[*pos] != ':')
            return *pos == stop ? BD_JSON_CUT : BD_JSON_SYNTAX;
        *pos = bd_json_space(block, *pos + 1);
        status = read_value(lines, pos, *key);
        if (status)
            return status;
        *pos = bd_json_space(block, *pos);
        if (block[*pos] == '}')
            break;
        if (block[*pos] != ',')
            return *pos == stop ? BD_JSON_CUT : BD_JSON_SYNTAX;
        *pos = bd_json_space(block, *pos + 1);
    }
    *key = -1;
    *pos = bd_json_space(block, *pos + 1);
    return *pos == stop ? BD_JSON_DONE : BD_JSON_AFTER_OBJECT;
}

/* Copy size bytes, 16 at a time: both places have that many more. */
static uint8_t *copy(uint8_t *to, const uint8_t *from, int64_t size)
{
    for (int64_t i = 0; i < size; i += 16)
        bd_move16(to + i, from + i);
    return to + size;
}

static uint8_t *put_value(const bd_json_lines *lines, const bd_json_value *value, uint8_t *to)
{
    const uint8_t *from = lines->block + value->start;
    const int64_t size = value->stop - value->start;
    switch (value->kind & 15) {
    case BD_JSON_NULL:
        return to;
    case BD_JSON_PLAIN:
        return copy(to, from, size);
    case BD_JSON_EXPONENT:
        for (int64_t i = 0; i < size; i++) {
            *to++ = from[i];
            if ((from[i] | 32) == 'e')
                *to++ = '+';
        }
        return to;
    }
    *to++ = '"';
    if ((value->kind & 15) == BD_JSON_STRING) {
        to = copy(to, from, size);
    } else if ((value->kind & 15) == BD_JSON_ESCAPED) {
        to += bd_json_unescape(lines->block, value->start, value->stop, true, to);
    } else {
        for (int64_t i = 0; i < size; i++) {
            *to++ = from[i];
            if (from[i] == '"')
                *to++ = '"';
        }
    }
    *to++ = '"';
    return to;
}

static void put_record(bd_json_lines *lines, int64_t start)
{
    uint8_t *to = lines->out + lines->out_size;
    lines->starts[lines->n_rows] = start;
    lines->out_starts[lines->n_rows++] = lines->out_size;
    *to++ = '0';
    for (int64_t column = 0; column < lines->n_columns; column++) {
        const int64_t key = lines->columns[column];
        const bd_json_value *value = &lines->values[key];
        *to++ = ',';
        if (value->line != lines->line)
            continue;
        to = put_value(lines, value, to);
        lines->has_text[key] |= value->kind >> 4 & 1;
    }
    *to++ = '\n';
    lines->out_size = to - lines->out;
}

/* Transcribe lines from lines->pos on: until none is left (BD_JSON_DONE), one goes on beyond the
 * block (BD_JSON_MORE), there is no room for one (BD_JSON_FULL), or one is wrong and they are not
 * to be collected: it is in `bad` then, and `pos` is after it. */
int64_t bd_json_transcribe(bd_json_lines *lines)
{
    const uint8_t *block = lines->block;
    while (lines->pos < lines->stop) {
        const int64_t start = lines->pos, stop = line_stop(block, start, lines->size);
        /* A carriage return that is the last byte may be half of a line end. */
        if (!lines->at_eof && stop + (block[stop] == '\r') >= lines->size)
            return BD_JSON_MORE;
        int64_t after = stop < lines->size ? stop + bd_line_end(block, stop) : stop;
        if (after > lines->size)
            after = lines->size;
        if (stop == start || block[start] == lines->comment) {
            lines->n_blank += stop == start;
            lines->pos = after;
            continue;
        }
        /* A key without its escapes is shorter than the line, and a record at most twice as long
         * and a comma for each column longer; copies go beyond their end. */
        const int64_t needed = 2 * (stop - start) + 3 * lines->n_columns + 4 + BD_PADDING;
        if (lines->out_room - lines->out_size < needed || lines->n_rows == lines->max_rows ||
            lines->n_bad == lines->max_bad)
            return BD_JSON_FULL;
        lines->line++;
        int64_t at = start, key;
        const int status = read_line(lines, &at, stop, lines->out + lines->out_size, &key);
        lines->pos = after;
        if (!status) {
            put_record(lines, start);
            continue;
        }
        lines->bad[lines->n_bad++] = (bd_json_bad){start, stop, status, at, key};
        if (!lines->collects)
            return status;
    }
    return BD_JSON_DONE;
}
