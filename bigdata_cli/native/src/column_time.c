/* Stage 2 of dates, timestamps, bools, and of columns that had nothing but nulls so far. */

#include "classify.h"
#include "parser.h"
#include "temporal.h"

/* The day of the date that was read last: neighbours often have the same. */
typedef struct {
    uint64_t head; /* YYYY-MM- */
    uint16_t tail; /* DD */
    int64_t days;
} last_day;

static inline bool scan_day(const uint8_t *block, int64_t start, last_day *last)
{
    uint16_t tail;
    const uint64_t head = bd_load_u64(block + start);
    memcpy(&tail, block + start + 8, 2);
    if (head == last->head && tail == last->tail)
        return true;
    int64_t days;
    if (!bd_scan_date(block, start, start + 10, &days))
        return false;
    *last = (last_day){head, tail, days};
    return true;
}

/* Two digits, -1 where they are none. */
static inline int64_t two_digits(const uint8_t *at)
{
    const uint8_t tens = (uint8_t)(at[0] - '0'), ones = (uint8_t)(at[1] - '0');
    return tens < 10 && ones < 10 ? tens * 10 + ones : -1;
}

/* Seconds of `HH:MM:SS`, -1 where there is none. */
static inline int64_t scan_clock(const uint8_t *at)
{
    const int64_t hour = two_digits(at), minute = two_digits(at + 3), second = two_digits(at + 6);
    if (at[2] != ':' || at[5] != ':' || (uint64_t)hour > 23 || (uint64_t)minute > 59 ||
        (uint64_t)second > 59)
        return -1;
    return (hour * 60 + minute) * 60 + second;
}

/* Microseconds of a fraction of up to six digits at [at, stop); -1 for another text. */
static inline int64_t scan_micros(const uint8_t *at, const uint8_t *stop)
{
    const int64_t n = stop - at;
    int64_t micros = 0;
    if (n < 1 || n > 6)
        return -1;
    for (int64_t i = 0; i < 6; i++) {
        const uint8_t digit = i < n ? (uint8_t)(at[i] - '0') : 0;
        if (digit > 9)
            return -1;
        micros = micros * 10 + digit;
    }
    return micros;
}

/* A timestamp without nanoseconds, of the kind that the column has: `YYYY-MM-DD[T ]HH:MM:SS`, with
 * up to six decimals, with a Z where the column is in UTC. False leaves it to the careful path. */
static inline bool scan_moment(const uint8_t *block, bd_place place, bool zoned, last_day *last,
                               int64_t *micros)
{
    const int64_t start = place.start, stop = place.stop - zoned;
    if (stop - start < 19)
        return false;
    const uint8_t separator = block[start + 10];
    if ((separator != ' ' && separator != 'T') || (zoned && block[stop] != 'Z') ||
        !scan_day(block, start, last))
        return false;
    const int64_t seconds = scan_clock(block + start + 11);
    int64_t fraction = 0;
    if (stop - start > 19)
        fraction = block[start + 19] == '.' ? scan_micros(block + start + 20, block + stop) : -1;
    *micros = last->days * BD_MICROSECONDS_PER_DAY + seconds * 1000000 + fraction;
    return seconds >= 0 && fraction >= 0;
}

bool bd_parse_times(bd_run *run)
{
    static const int64_t MAX_NANOSECONDS_US = INT64_MAX / 1000;
    bd_column *column = run->column;
    const uint8_t *block = run->fields->block;
    int64_t *numbers = run->parser->numbers;
    uint8_t *valid = run->parser->valid;
    const bool is_date = column->mode == BD_MODE_DATE;
    const bool in_nanos = column->mode == BD_MODE_TIMESTAMP_NS;
    const bool zoned = column->zoned;
    const bool careful = run->fields->input->nulls->numeric[run->index];
    int64_t n_nulls = 0;
    last_day last = {0, 0, 0};
    bool fast = false;

    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        valid[i] = 1;
        if (careful) {
            /* a null may look like a date */
        } else if (is_date) {
            if (place.stop - place.start == 10 && scan_day(block, place.start, &last)) {
                numbers[i] = last.days;
                continue;
            }
        } else if (scan_moment(block, place, zoned, &last, numbers + i)) {
            const int64_t micros = numbers[i];
            if (!in_nanos) {
                fast = true;
                continue;
            }
            if ((micros < 0 ? -micros : micros) < MAX_NANOSECONDS_US) {
                numbers[i] = micros * 1000;
                fast = true;
                continue;
            }
        }
        numbers[i] = 0;
        valid[i] = !bd_is_empty(place) && bd_careful_field(run, i, place, numbers + i);
        n_nulls += !valid[i];
    }
    if (fast)
        column->forms |= zoned ? BD_FORM_TIMESTAMP_UTC : BD_FORM_TIMESTAMP;
    bd_measure_times(&column->moments, numbers, n_nulls ? valid : NULL, run->n);
    return bd_append_integers(column, numbers, run->n) &&
           bd_append_valid(column, valid, run->n, n_nulls);
}

bool bd_parse_booleans(bd_run *run)
{
    bd_column *column = run->column;
    int64_t *numbers = run->parser->numbers;
    uint8_t *valid = run->parser->valid;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        int32_t value = -1;
        if (!run->parser->null_starts[run->fields->block[place.start]])
            value = bd_scan_bool(run->fields->block, place.start, place.stop);
        numbers[i] = value > 0;
        valid[i] = 1;
        if (value >= 0) {
            if (run->fields->block[place.start] < 'a')
                column->forms |= BD_FORM_LOOSE; /* True, TRUE */
        } else {
            valid[i] = bd_careful_field(run, i, place, numbers + i);
            n_nulls += !valid[i];
        }
    }
    bd_measure_int64(&column->moments, numbers, n_nulls ? valid : NULL, run->n);
    return bd_append_integers(column, numbers, run->n) &&
           bd_append_valid(column, valid, run->n, n_nulls);
}

bool bd_parse_nothing(bd_run *run)
{
    uint8_t *valid = run->parser->valid;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        int64_t cell;
        valid[i] = !bd_is_empty(place) && bd_careful_field(run, i, place, &cell);
        n_nulls += !valid[i];
    }
    return bd_append_valid(run->column, valid, run->n, n_nulls);
}
