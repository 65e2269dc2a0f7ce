/* What a field's text is. See classify.h. */

#include "classify.h"

#include "marked_number.h"
#include "temporal.h"

bool bd_is_null_token(const uint8_t *text, int64_t n, const bd_nulls *nulls, int64_t column)
{
    const int64_t first = nulls->first[column];
    int64_t begin = first > 0 ? nulls->ends[first - 1] : 0;
    for (int64_t k = first; k < nulls->last[column]; k++) {
        const int64_t stop = nulls->ends[k];
        if (stop - begin == n && memcmp(text, nulls->tokens + begin, (size_t)n) == 0)
            return true;
        begin = stop;
    }
    return false;
}

int32_t bd_scan_bool(const uint8_t *block, int64_t start, int64_t end)
{
    const uint8_t *text = block + start;
    switch (end - start) {
    case 4:
        if (memcmp(text, "true", 4) == 0 || memcmp(text, "True", 4) == 0 ||
            memcmp(text, "TRUE", 4) == 0)
            return 1;
        return -1;
    case 5:
        if (memcmp(text, "false", 5) == 0 || memcmp(text, "False", 5) == 0 ||
            memcmp(text, "FALSE", 5) == 0)
            return 0;
        return -1;
    default:
        return -1;
    }
}

int32_t bd_scan_local_bool(const uint8_t *block, int64_t start, int64_t end, const bd_rules *rules)
{
    const int64_t n = end - start;
    for (int64_t i = 0; i < rules->bools_size; i += 2 + rules->bools[i])
        if (rules->bools[i] == n && memcmp(rules->bools + i + 2, block + start, (size_t)n) == 0)
            return rules->bools[i + 1];
    return bd_scan_bool(block, start, end);
}

bd_classified bd_classify(const uint8_t *block, int64_t start, int64_t end, const bd_rules *rules)
{
    const bd_number number = bd_scan_marked_number(block, start, end, rules);
    if (number.form == BD_INTEGER)
        return (bd_classified){BD_FORM_INT, number.negative, number.significand};
    if (number.form == BD_INFINITE)
        return (bd_classified){.forms = BD_FORM_FLOAT};
    if (number.form != BD_NOT_A_NUMBER) {
        double value;
        const bool exact = bd_decimal_to_float(number.significand, number.exponent, &value);
        if (exact && bd_out_of_range(value, number.significand))
            return (bd_classified){.forms = BD_FORM_TEXT};
        /* A value that Python has to decide has more digits than float32 gives back. */
        if (exact && bd_survives_float32(value, number.significand, number.exponent))
            return (bd_classified){.forms = BD_FORM_FLOAT};
        return (bd_classified){.forms = BD_FORM_FLOAT | BD_FORM_FLOAT32_LOSES};
    }
    if (bd_scan_local_bool(block, start, end, rules) >= 0)
        return (bd_classified){.forms = BD_FORM_BOOL};
    int64_t days;
    if (bd_scan_date(block, start, end, &days)) {
        const uint64_t magnitude = (uint64_t)(days < 0 ? -days : days);
        return (bd_classified){BD_FORM_DATE, days < 0, magnitude * BD_MICROSECONDS_PER_DAY};
    }
    bd_timestamp moment;
    if (bd_scan_timestamp(block, start, end, &moment)) {
        const int64_t micros = moment.micros;
        int64_t forms = moment.utc ? BD_FORM_TIMESTAMP_UTC : BD_FORM_TIMESTAMP;
        if (moment.n_fraction > 6)
            forms |= BD_FORM_NANOSECONDS;
        return (bd_classified){forms, micros < 0, (uint64_t)(micros < 0 ? -micros : micros)};
    }
    return (bd_classified){.forms = BD_FORM_TEXT};
}
