/* The careful path of a column's values. See careful.h. */

#include "careful.h"

#include "classify.h"
#include "formatted_time.h"
#include "marked_number.h"
#include "temporal.h"

/* Microseconds from which on nanoseconds need not fit 64 bits. */
static const int64_t MAX_NANOSECONDS_US = INT64_MAX / 1000;

static inline bd_cell place(int32_t flag, int64_t start, int64_t end)
{
    return (bd_cell){flag, start << 32 | (end - start)};
}

static inline void note(uint64_t *magnitudes, bool negative, uint64_t magnitude)
{
    uint64_t *largest = magnitudes + (negative ? 0 : 1);
    if (magnitude > *largest)
        *largest = magnitude;
}

static bd_cell parse_integer(const bd_number *number, bd_cell odd, bool is_signed)
{
    const uint64_t magnitude = number->significand;
    if (number->form != BD_INTEGER || (!is_signed && number->negative))
        return odd;
    if (is_signed && magnitude > (uint64_t)INT64_MAX + number->negative)
        return odd;
    return (bd_cell){BD_FLAG_VALUE, (int64_t)(number->negative ? 0 - magnitude : magnitude)};
}

static bd_cell parse_float(const bd_number *number, bd_cell odd, int64_t *forms,
                           uint64_t *magnitudes)
{
    const uint64_t significand = number->significand;
    double value = INFINITY;
    if (number->form == BD_INTEGER) {
        *forms |= BD_FORM_INT;
        note(magnitudes, number->negative, significand);
        bd_decimal_to_float(significand, 0, &value); /* always exact */
    } else {
        *forms |= BD_FORM_FLOAT;
        if (number->form != BD_INFINITE) {
            const bool exact = bd_decimal_to_float(significand, number->exponent, &value);
            if (exact && bd_out_of_range(value, significand))
                return odd;
            if (number->form != BD_DECIMAL || !exact) {
                *forms |= BD_FORM_FLOAT32_LOSES;
                return (bd_cell){BD_FLAG_HARD, odd.cell};
            }
            if (!bd_is_shortest(value, significand, number->exponent))
                *forms |= bd_equals_float32(value) ? BD_FORM_NOT_SHORTEST : BD_FORM_FLOAT32_LOSES;
        }
    }
    if (number->negative)
        value = -value;
    bd_cell cell = {.flag = BD_FLAG_VALUE};
    memcpy(&cell.cell, &value, 8);
    return cell;
}

/* A date is a timestamp, too, where the column has no zone. */
static bd_cell parse_timestamp(const uint8_t *block, int64_t start, int64_t end, bool in_nanos,
                               bool zoned, int64_t *forms, uint64_t *magnitudes)
{
    const bd_cell odd = place(BD_FLAG_ODD, start, end);
    bd_timestamp moment = {0};
    int64_t seen, days;
    if (bd_scan_timestamp(block, start, end, &moment)) {
        if (moment.utc != zoned)
            return odd;
        seen = moment.utc ? BD_FORM_TIMESTAMP_UTC : BD_FORM_TIMESTAMP;
        if (moment.n_fraction > 6) {
            if (!in_nanos)
                return odd;
            seen |= BD_FORM_NANOSECONDS;
        }
    } else {
        if (zoned || !bd_scan_date(block, start, end, &days))
            return odd;
        seen = BD_FORM_DATE;
        moment.micros = days * BD_MICROSECONDS_PER_DAY;
    }
    const int64_t micros = moment.micros, magnitude = micros < 0 ? -micros : micros;
    if (in_nanos && magnitude >= MAX_NANOSECONDS_US)
        return odd;
    *forms |= seen;
    note(magnitudes, micros < 0, (uint64_t)magnitude);
    return (bd_cell){BD_FLAG_VALUE, in_nanos ? micros * 1000 + moment.nanos : micros};
}

bd_cell bd_parse_value(const uint8_t *block, int64_t start, int64_t end, int32_t mode, bool zoned,
                       int64_t *forms, uint64_t *magnitudes, const bd_rules *rules)
{
    const bd_cell odd = place(BD_FLAG_ODD, start, end);
    switch (mode) {
    case BD_MODE_INT64:
    case BD_MODE_UINT64:
    case BD_MODE_FLOAT64: {
        const bd_number number = bd_scan_marked_number(block, start, end, rules);
        if (number.form == BD_NOT_A_NUMBER)
            return odd;
        if (mode == BD_MODE_FLOAT64)
            return parse_float(&number, odd, forms, magnitudes);
        return parse_integer(&number, odd, mode == BD_MODE_INT64);
    }
    case BD_MODE_BOOLEAN: {
        const int32_t value = bd_scan_local_bool(block, start, end, rules);
        return value >= 0 ? (bd_cell){BD_FLAG_VALUE, value} : odd;
    }
    case BD_MODE_DATE: {
        int64_t days;
        return bd_scan_date(block, start, end, &days) ? (bd_cell){BD_FLAG_VALUE, days} : odd;
    }
    case BD_MODE_TIMESTAMP_US:
    case BD_MODE_TIMESTAMP_NS:
        return parse_timestamp(block, start, end, mode == BD_MODE_TIMESTAMP_NS, zoned, forms,
                               magnitudes);
    default:
        return odd;
    }
}

bd_cell bd_parse_formatted(const uint8_t *block, int64_t start, int64_t end, int32_t mode,
                           bool zoned, const char *format)
{
    const bd_cell odd = place(BD_FLAG_ODD, start, end);
    bd_timestamp moment;
    if (!bd_scan_formatted(format, block, start, end, &moment) || moment.utc != zoned)
        return odd;
    const int64_t micros = moment.micros;
    if (mode == BD_MODE_DATE)
        return micros % BD_MICROSECONDS_PER_DAY == 0 && moment.nanos == 0
                   ? (bd_cell){BD_FLAG_VALUE, micros / BD_MICROSECONDS_PER_DAY}
                   : odd;
    if (mode == BD_MODE_TIMESTAMP_US)
        return moment.nanos == 0 ? (bd_cell){BD_FLAG_VALUE, micros} : odd;
    if (mode != BD_MODE_TIMESTAMP_NS || (micros < 0 ? -micros : micros) >= MAX_NANOSECONDS_US)
        return odd;
    return (bd_cell){BD_FLAG_VALUE, micros * 1000 + moment.nanos};
}
