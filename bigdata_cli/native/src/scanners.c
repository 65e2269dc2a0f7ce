/* The careful scanners for callers in Python, many texts at a time: text i is
 * block[starts[i]:stops[i]]. `block` has BD_PADDING bytes after its last text; result i is written
 * to the i-th element of an array of n, which is the caller's. */

#include "careful.h"
#include "classify.h"
#include "number.h"
#include "scan.h"
#include "temporal.h"

/* The fields that start at `starts`; block[end] is a line feed. */
void bd_scan_fields(const uint8_t *block, const int64_t *starts, int64_t n, int64_t end,
                    const bd_rules *rules, bd_field *found)
{
    for (int64_t i = 0; i < n; i++)
        found[i] = bd_scan_field(block, starts[i], end, rules);
}

/* `bd_skip_record` of records that go on at `starts`. */
void bd_skip_records(const uint8_t *block, const int64_t *starts, int64_t n, int64_t end,
                     const bd_rules *rules, int64_t *after)
{
    for (int64_t i = 0; i < n; i++)
        after[i] = bd_skip_record(block, starts[i], end, rules);
}

void bd_scan_numbers(const uint8_t *block, const int64_t *starts, const int64_t *stops, int64_t n,
                     const bd_rules *rules, bd_number *found)
{
    for (int64_t i = 0; i < n; i++)
        found[i] = bd_scan_local_number(block, starts[i], stops[i], rules);
}

/* exact[i]: whether values[i] could be decided; survives[i]: if so, whether float32 keeps it. */
void bd_decimals_to_floats(const uint64_t *significands, const int64_t *exponents, int64_t n,
                           double *values, uint8_t *exact, uint8_t *survives)
{
    for (int64_t i = 0; i < n; i++) {
        exact[i] = bd_decimal_to_float(significands[i], exponents[i], &values[i]);
        survives[i] = exact[i] && bd_survives_float32(values[i], significands[i], exponents[i]);
    }
}

/* kinds[i]: 1 for a date, which fills days[i]; 2 for a timestamp, which fills found[i]; else 0. */
void bd_scan_timestamps(const uint8_t *block, const int64_t *starts, const int64_t *stops,
                        int64_t n, int64_t *days, bd_timestamp *found, uint8_t *kinds)
{
    for (int64_t i = 0; i < n; i++) {
        if (bd_scan_date(block, starts[i], stops[i], &days[i]))
            kinds[i] = 1;
        else
            kinds[i] = bd_scan_timestamp(block, starts[i], stops[i], &found[i]) ? 2 : 0;
    }
}

void bd_classify_texts(const uint8_t *block, const int64_t *starts, const int64_t *stops, int64_t n,
                       const bd_rules *rules, bd_classified *found)
{
    for (int64_t i = 0; i < n; i++)
        found[i] = bd_classify(block, starts[i], stops[i], rules);
}

void bd_find_nulls(const uint8_t *block, const int64_t *starts, const int64_t *stops, int64_t n,
                   const bd_nulls *nulls, int64_t column, uint8_t *found)
{
    for (int64_t i = 0; i < n; i++)
        found[i] = bd_is_null(block, starts[i], stops[i], nulls, column);
}

/* `bd_parse_value` of values of one column, which add to its *forms and magnitudes[2]. */
void bd_parse_values(const uint8_t *block, const int64_t *starts, const int64_t *stops, int64_t n,
                     int32_t mode, bool zoned, int64_t *forms, uint64_t *magnitudes,
                     const bd_rules *rules, bd_cell *found)
{
    for (int64_t i = 0; i < n; i++)
        found[i] =
            bd_parse_value(block, starts[i], stops[i], mode, zoned, forms, magnitudes, rules);
}
