/* Rows of a batch as text: CSV, or JSON lines. */

#include "text_rows.h"

#include <math.h>

#include "shortest.h"

/* Bytes of a value that is no text, at the most: a timestamp of a year with a sign, quoted. */
enum { VALUE_BYTES = 48 };

static inline uint8_t *put(uint8_t *out, const uint8_t *text, int64_t n)
{
    memcpy(out, text, (size_t)n);
    return out + n;
}

static inline uint8_t *put_signed(uint8_t *out, int64_t number)
{
    if (number < 0)
        *out++ = '-';
    return bd_write_integer(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* Writes a day as YYYY-MM-DD; years before 0 and after 9999 have a sign, as ISO 8601 asks.
 *
 * Years are counted from March on, so that a leap day is the last one of its year. */
static uint8_t *put_date(uint8_t *out, int64_t days)
{
    static const int64_t DAYS_OF_400_YEARS = 146097;
    const int64_t from_march = days + 719468; /* since 0000-03-01 */
    const int64_t era =
        (from_march >= 0 ? from_march : from_march - DAYS_OF_400_YEARS + 1) / DAYS_OF_400_YEARS;
    const int64_t of_era = from_march - era * DAYS_OF_400_YEARS;
    const int64_t year_of_era =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / (DAYS_OF_400_YEARS - 1)) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month_from_march = (5 * of_year + 2) / 153;
    const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const int64_t year = year_of_era + era * 400 + (month <= 2);
    if (year < 0 || year > 9999) {
        *out++ = year < 0 ? '-' : '+';
        const uint64_t size = (uint64_t)(year < 0 ? -year : year);
        if (size < 10000) {
            bd_write_digits(out, size, 4);
            out += 4;
        } else {
            out = bd_write_integer(out, size);
        }
    } else {
        bd_write_digits(out, (uint64_t)year, 4);
        out += 4;
    }
    out[0] = out[3] = '-';
    bd_write_digits(out + 1, (uint64_t)month, 2);
    bd_write_digits(out + 4, (uint64_t)(of_year - (153 * month_from_march + 2) / 5 + 1), 2);
    return out + 6;
}

/* Writes a moment. Nanoseconds always have their nine digits, which say that they are such;
 * microseconds have six, or none where the second is whole. */
static uint8_t *put_timestamp(uint8_t *out, int64_t ticks, bool is_nanos, bool is_utc)
{
    const int64_t per_second = is_nanos ? 1000000000 : 1000000, per_day = per_second * 86400;
    int64_t day = ticks / per_day, rest = ticks % per_day;
    if (rest < 0) {
        day--;
        rest += per_day;
    }
    out = put_date(out, day);
    const uint64_t seconds = (uint64_t)(rest / per_second);
    const uint64_t fraction = (uint64_t)(rest % per_second);
    out[0] = 'T';
    out[3] = out[6] = ':';
    bd_write_digits(out + 1, seconds / 3600, 2);
    bd_write_digits(out + 4, seconds / 60 % 60, 2);
    bd_write_digits(out + 7, seconds % 60, 2);
    out += 9;
    if (is_nanos || fraction) {
        *out = '.';
        bd_write_digits(out + 1, fraction, is_nanos ? 9 : 6);
        out += is_nanos ? 10 : 7;
    }
    if (is_utc)
        *out++ = 'Z';
    return out;
}

/* Writes a text as a string of JSON; at most 6 bytes for one, and 2. */
static uint8_t *put_json(uint8_t *out, const uint8_t *text, int64_t n)
{
    static const uint8_t HEX[] = "0123456789abcdef";
    *out++ = '"';
    for (int64_t i = 0; i < n; i++) {
        const uint8_t byte = text[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            *out++ = byte;
            continue;
        }
        *out++ = '\\';
        switch (byte) {
        case '\n':
            *out++ = 'n';
            break;
        case '\r':
            *out++ = 'r';
            break;
        case '\t':
            *out++ = 't';
            break;
        case '"':
        case '\\':
            *out++ = byte;
            break;
        default:
            out = put(out, (const uint8_t *)"u00", 3);
            *out++ = HEX[byte >> 4];
            *out++ = HEX[byte & 15];
        }
    }
    *out++ = '"';
    return out;
}

/* Whether a text would be read as something else without quotes. */
static inline bool needs_quotes(const uint8_t *text, int64_t n, const bd_text_style *style)
{
    uint8_t found = 0;
    for (int64_t i = 0; i < n; i++)
        found |= style->special[text[i]];
    if (found || n == 0 || text[0] == ' ' || text[0] == '\t' || text[n - 1] == ' ' ||
        text[n - 1] == '\t')
        return true;
    int64_t start = 0;
    for (int64_t i = 0; i < style->n_tokens; i++) {
        const int64_t size = style->token_ends[i] - start;
        if (size == n && memcmp(style->tokens + start, text, (size_t)n) == 0)
            return true;
        start = style->token_ends[i];
    }
    return false;
}

/* Writes a text as a field of CSV; at most 2 bytes for one, and 2. */
static uint8_t *put_csv(uint8_t *out, const uint8_t *text, int64_t n, const bd_text_style *style)
{
    if (!needs_quotes(text, n, style))
        return put(out, text, n);
    *out++ = '"';
    for (int64_t i = 0; i < n; i++) {
        if (text[i] == '"')
            *out++ = '"';
        *out++ = text[i];
    }
    *out++ = '"';
    return out;
}

/* Writes a float that is not finite, or counts it as lost. */
static uint8_t *put_infinite(uint8_t *out, double value, const bd_text_style *style, int64_t *lost)
{
    if (isnan(value) || style->is_json)
        ++*lost;
    if (style->is_json)
        return put(out, style->null, style->n_null);
    return isnan(value) ? put(out, (const uint8_t *)"NaN", 3)
           : value < 0  ? put(out, (const uint8_t *)"-inf", 4)
                        : put(out, (const uint8_t *)"inf", 3);
}

/* Writes a value that is no text: element i. */
static inline uint8_t *put_value(uint8_t *out, const struct ArrowArray *array, int32_t type,
                                 int64_t i, const bd_text_style *style, int64_t *lost)
{
    const void *values = array->buffers[1];
    switch (type) {
    case BD_TEXT_BOOL:
        return ((const uint8_t *)values)[i >> 3] >> (i & 7) & 1
                   ? put(out, (const uint8_t *)"true", 4)
                   : put(out, (const uint8_t *)"false", 5);
    case BD_TEXT_INT8:
        return put_signed(out, ((const int8_t *)values)[i]);
    case BD_TEXT_UINT8:
        return bd_write_integer(out, ((const uint8_t *)values)[i]);
    case BD_TEXT_INT16:
        return put_signed(out, ((const int16_t *)values)[i]);
    case BD_TEXT_UINT16:
        return bd_write_integer(out, ((const uint16_t *)values)[i]);
    case BD_TEXT_INT32:
        return put_signed(out, ((const int32_t *)values)[i]);
    case BD_TEXT_UINT32:
        return bd_write_integer(out, ((const uint32_t *)values)[i]);
    case BD_TEXT_INT64:
        return put_signed(out, ((const int64_t *)values)[i]);
    case BD_TEXT_UINT64:
        return bd_write_integer(out, ((const uint64_t *)values)[i]);
    case BD_TEXT_FLOAT32: {
        const float value = ((const float *)values)[i];
        return isfinite(value) ? bd_write_float32(out, value)
                               : put_infinite(out, value, style, lost);
    }
    case BD_TEXT_FLOAT64: {
        const double value = ((const double *)values)[i];
        return isfinite(value) ? bd_write_float64(out, value)
                               : put_infinite(out, value, style, lost);
    }
    default:
        break;
    }
    if (style->is_json)
        *out++ = '"';
    if (type == BD_TEXT_DATE)
        out = put_date(out, ((const int32_t *)values)[i]);
    else
        out = put_timestamp(out, ((const int64_t *)values)[i],
                            type == BD_TEXT_NANOS || type == BD_TEXT_NANOS_UTC,
                            type >= BD_TEXT_MICROS_UTC);
    if (style->is_json)
        *out++ = '"';
    return out;
}

/* Writes element i of a column of texts; NULL where there is no room for it. */
static inline uint8_t *put_text(uint8_t *out, int64_t room, const struct ArrowArray *array,
                                int64_t i, const bd_text_style *style)
{
    if (array->dictionary != NULL) {
        i = ((const int32_t *)array->buffers[1])[i] + array->dictionary->offset;
        array = array->dictionary;
    }
    const int32_t *offsets = (const int32_t *)array->buffers[1] + i;
    const uint8_t *text = (const uint8_t *)array->buffers[2];
    const int64_t n = offsets[1] - offsets[0];
    if (room < 6 * n + 2)
        return NULL;
    text = n ? text + offsets[0] : (const uint8_t *)"";
    return style->is_json ? put_json(out, text, n) : put_csv(out, text, n, style);
}

int64_t bd_text_rows(const struct ArrowArray *batch, const bd_text_column *columns,
                     int64_t n_columns, const bd_text_style *style, int64_t row, uint8_t *out,
                     int64_t size, bd_text_outcome *outcome)
{
    int64_t row_bytes = style->n_end;
    for (int64_t i = 0; i < n_columns; i++)
        row_bytes += columns[i].n_before + style->n_null + VALUE_BYTES;
    uint8_t *at = out;
    outcome->lost = 0;
    for (; row < batch->length; row++) {
        uint8_t *const begin = at;
        /* What is written of this row but its texts, in the worst case. */
        const int64_t room = size - (at - out) - row_bytes;
        int64_t lost = 0;
        if (room < 0)
            break;
        int64_t left = room;
        for (int64_t i = 0; i < n_columns; i++) {
            const bd_text_column *column = columns + i;
            const struct ArrowArray *array = batch->children[column->child];
            const int64_t element = batch->offset + array->offset + row;
            const uint8_t *validity = bd_validity(array);
            at = put(at, column->before, column->n_before);
            if (validity != NULL && !(validity[element >> 3] >> (element & 7) & 1)) {
                at = put(at, style->null, style->n_null);
            } else if (column->type < BD_TEXT_CODES) {
                at = put_value(at, array, column->type, element, style, &lost);
            } else {
                uint8_t *after = put_text(at, left, array, element, style);
                if (after == NULL) {
                    outcome->written = begin - out;
                    return row;
                }
                left -= after - at;
                at = after;
            }
        }
        at = put(at, style->end, style->n_end);
        outcome->lost += lost;
    }
    outcome->written = at - out;
    return row;
}
