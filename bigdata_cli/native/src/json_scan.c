/* The values of JSON: where they end, and whether they are well formed (RFC 8259). */

#include "json.h"
#include "simd.h"

#include <string.h>

enum { MAX_DEPTH = 1024 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of the four digits from `at` on; -1 where they are none. */
static int32_t code_unit(const uint8_t *at)
{
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Step over the escape at *pos, a backslash. Half of a surrogate pair is no character. */
static int skip_escape(const uint8_t *block, int64_t *pos)
{
    const uint8_t c = block[*pos + 1];
    if (c != 'u') {
        if (c < 32 || !memchr("\"\\/bfnrt", c, 8))
            return BD_JSON_ESCAPE;
        *pos += 2;
        return BD_JSON_DONE;
    }
    const int32_t unit = code_unit(block + *pos + 2);
    if (unit < 0)
        return BD_JSON_ESCAPE;
    if (unit < 0xD800 || unit > 0xDFFF) {
        *pos += 6;
        return BD_JSON_DONE;
    }
    const bool goes_on = unit < 0xDC00 && block[*pos + 6] == '\\' && block[*pos + 7] == 'u';
    const int32_t low = goes_on ? code_unit(block + *pos + 8) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return BD_JSON_SURROGATE;
    *pos += 12;
    return BD_JSON_DONE;
}

/* *pos: after the opening quote; then at the closing one. */
int bd_json_string(const uint8_t *block, int64_t *pos, bool *is_escaped)
{
    *is_escaped = false;
    for (;;) {
        const bd_block bytes = bd_load64(block + *pos);
        const uint64_t ends = bd_match64(bytes, '"') | bd_control64(bytes);
        const uint64_t found = ends | bd_match64(bytes, '\\');
        if (!found) {
            *pos += 64;
            continue;
        }
        *pos += bd_trailing_zeros(found);
        const uint8_t c = block[*pos];
        if (c == '"')
            return BD_JSON_DONE;
        if (c != '\\')
            return c == '\n' || c == '\r' ? BD_JSON_CUT : BD_JSON_CONTROL;
        *is_escaped = true;
        const int status = skip_escape(block, pos);
        if (status)
            return status;
    }
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int64_t skip_digits(const uint8_t *block, int64_t pos)
{
    while (is_digit(block[pos]))
        pos++;
    return pos;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static int scan_number(const uint8_t *block, int64_t *pos, int64_t *kind)
{
    int64_t p = *pos + (block[*pos] == '-');
    bool is_plain = true;
    if (!is_digit(block[p]))
        return block[p] == 'I' ? BD_JSON_NOT_FINITE : BD_JSON_NUMBER;
    p = block[p] == '0' ? p + 1 : skip_digits(block, p);
    if (block[p] == '.') {
        is_plain = false;
        if (!is_digit(block[++p]))
            return BD_JSON_NUMBER;
        p = skip_digits(block, p);
    }
    *kind = BD_JSON_PLAIN;
    if ((block[p] | 32) == 'e') {
        p++;
        if (block[p] == '+' || block[p] == '-')
            p++;
        else if (is_plain)
            *kind = BD_JSON_EXPONENT;
        if (!is_digit(block[p]))
            return BD_JSON_NUMBER;
        p = skip_digits(block, p);
    }
    const uint8_t c = block[p];
    if (is_digit(c) || c == '.' || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z'))
        return BD_JSON_NUMBER;
    *pos = p;
    return BD_JSON_DONE;
}

/* A number, true, false or null. */
int bd_json_scalar(const uint8_t *block, int64_t *pos, int64_t *kind)
{
    const uint8_t *at = block + *pos;
    const uint8_t c = *at;
    if (c == '-' || is_digit(c))
        return scan_number(block, pos, kind);
    *kind = BD_JSON_PLAIN;
    if (!memcmp(at, "true", 4)) {
        *pos += 4;
        return BD_JSON_DONE;
    }
    if (!memcmp(at, "false", 5)) {
        *pos += 5;
        return BD_JSON_DONE;
    }
    if (!memcmp(at, "null", 4)) {
        *kind = BD_JSON_NULL;
        *pos += 4;
        return BD_JSON_DONE;
    }
    if (!memcmp(at, "NaN", 3) || !memcmp(at, "Infinity", 8))
        return BD_JSON_NOT_FINITE;
    return c == '\n' || c == '\r' ? BD_JSON_CUT : BD_JSON_SYNTAX;
}

/* A key and its colon, within an object. */
static int skip_key(const uint8_t *block, int64_t *pos)
{
    bool is_escaped;
    if (block[*pos] != '"')
        return block[*pos] == '\n' || block[*pos] == '\r' ? BD_JSON_CUT : BD_JSON_SYNTAX;
    ++*pos;
    const int status = bd_json_string(block, pos, &is_escaped);
    if (status)
        return status;
    *pos = bd_json_space(block, *pos + 1);
    if (block[*pos] != ':')
        return block[*pos] == '\n' || block[*pos] == '\r' ? BD_JSON_CUT : BD_JSON_SYNTAX;
    *pos = bd_json_space(block, *pos + 1);
    return BD_JSON_DONE;
}

/* Objects and arrays that are open: a bit for each, set where it is an object. */
typedef struct {
    uint64_t is_object[MAX_DEPTH / 64];
    int64_t depth;
} open_values;

static void open_value(open_values *open, bool is_object)
{
    const uint64_t bit = (uint64_t)1 << (open->depth % 64);
    uint64_t *word = &open->is_object[open->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    open->depth++;
}

static bool is_in_object(const open_values *open)
{
    const int64_t level = open->depth - 1;
    return open->is_object[level / 64] >> (level % 64) & 1;
}

/* Step over what begins at *pos: a scalar, an empty object or array, or the opening of one that is
 * not empty, with its first key. *goes_on: that its first value is at *pos. */
static int skip_value(const uint8_t *block, int64_t *pos, open_values *open, bool *goes_on)
{
    const uint8_t c = block[*pos];
    int64_t kind;
    bool is_escaped;
    *goes_on = false;
    if (c == '"') {
        ++*pos;
        const int status = bd_json_string(block, pos, &is_escaped);
        *pos += !status;
        return status;
    }
    if (c != '{' && c != '[')
        return bd_json_scalar(block, pos, &kind);
    if (open->depth == MAX_DEPTH)
        return BD_JSON_DEEP;
    *pos = bd_json_space(block, *pos + 1);
    if (block[*pos] == (c == '{' ? '}' : ']')) {
        ++*pos;
        return BD_JSON_DONE;
    }
    open_value(open, c == '{');
    *goes_on = true;
    return c == '{' ? skip_key(block, pos) : BD_JSON_DONE;
}

/* Step over what follows a value: all that closes, and a comma, with the next key. */
static int skip_after(const uint8_t *block, int64_t *pos, open_values *open)
{
    while (open->depth) {
        *pos = bd_json_space(block, *pos);
        const uint8_t c = block[*pos];
        const bool in_object = is_in_object(open);
        if (c == ',') {
            *pos = bd_json_space(block, *pos + 1);
            return in_object ? skip_key(block, pos) : BD_JSON_DONE;
        }
        if (c != (in_object ? '}' : ']'))
            return c == '\n' || c == '\r' ? BD_JSON_CUT : BD_JSON_SYNTAX;
        ++*pos;
        open->depth--;
    }
    return BD_JSON_DONE;
}

/* An object or an array at *pos, with all that is in it. */
int bd_json_nested(const uint8_t *block, int64_t *pos)
{
    open_values open = {{0}, 0};
    do {
        bool goes_on;
        int status = skip_value(block, pos, &open, &goes_on);
        if (!status && !goes_on)
            status = skip_after(block, pos, &open);
        if (status)
            return status;
    } while (open.depth);
    return BD_JSON_DONE;
}

static uint8_t *put_character(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xC0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xE0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (c & 63));
    } else {
        *to++ = (uint8_t)(0xF0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 63));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (c & 63));
    }
    return to;
}

/* The character of the escape at *pos, which is well formed; *pos is after it then. */
static uint32_t read_escape(const uint8_t *block, int64_t *pos)
{
    const uint8_t c = block[*pos + 1];
    if (c != 'u') {
        static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
        const char *known = strchr(letters, c);
        *pos += 2;
        return known ? (uint32_t)meanings[known - letters] : c;
    }
    const uint32_t unit = (uint32_t)code_unit(block + *pos + 2);
    *pos += 6;
    if (unit < 0xD800 || unit > 0xDFFF)
        return unit;
    const uint32_t low = (uint32_t)code_unit(block + *pos + 2);
    *pos += 6;
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

int64_t bd_json_unescape(const uint8_t *block, int64_t start, int64_t stop, bool doubles,
                         uint8_t *out)
{
    uint8_t *to = out;
    for (int64_t p = start; p < stop;) {
        uint32_t c = block[p];
        if (c != '\\') {
            *to++ = block[p++];
            continue;
        }
        c = read_escape(block, &p);
        if (c == '"' && doubles)
            *to++ = '"';
        to = put_character(to, c);
    }
    return to - out;
}
