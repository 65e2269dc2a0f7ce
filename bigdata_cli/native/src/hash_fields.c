/* Hashes of the values of records, by which rows are assigned to splits.
 *
 * The hash of a field follows from its text, and not from the type that its column has by now: a
 * type may widen while a source is read. Texts of the same value have the same hash: numbers count
 * as what they are (1.50 and 1.5), so do bools, null tokens and spaces around a value. */

#include "hash_rows.h"

#include <stdio.h>

#include "classify.h"
#include "marked_number.h"
#include "parser.h"

enum { MAX_PLAIN_ZEROS = 24, PLAIN_BYTES = 64 };

static inline bool has_byte(uint64_t word, uint8_t byte)
{
    const uint64_t found = word ^ (0x0101010101010101u * byte);
    return ((found - 0x0101010101010101u) & ~found & 0x8080808080808080u) != 0;
}

/* Whether a field that begins as a number may be another text of the same number: it has an
 * exponent, or zeros that its value does not need. Eight bytes after it are readable. */
static inline bool may_print_otherwise(const uint8_t *text, int64_t n)
{
    const bool is_negative = text[0] == '-';
    const uint8_t first = text[is_negative], last = text[n - 1];
    if (first == '.' || last == '.' || (first == '0' && n > 1 && (is_negative || text[1] != '.')))
        return true;
    bool has_point = false, has_exponent = false;
    for (int64_t i = 0; i < n; i += 8) {
        uint64_t word = bd_load_u64(text + i);
        if (n - i < 8)
            word &= ~(UINT64_MAX << (8 * (n - i)));
        has_point |= has_byte(word, '.');
        has_exponent |= has_byte(word | 0x2020202020202020u, 'e');
    }
    return has_exponent || (has_point && last == '0');
}

/* A number as the shortest text without an exponent; with one where that would be long. */
static int64_t print_number(bd_number number, uint8_t *to)
{
    char digits[24];
    if (number.significand == 0)
        number.negative = false, number.exponent = 0;
    while (number.significand != 0 && number.significand % 10 == 0)
        number.significand /= 10, number.exponent++;
    const int64_t n_digits = snprintf(digits, sizeof digits, "%llu",
                                      (unsigned long long)number.significand);
    const int64_t n_before = n_digits + number.exponent; /* digits before the point */
    int64_t n = 0;
    if (number.negative)
        to[n++] = '-';
    if (number.exponent > MAX_PLAIN_ZEROS || n_before < -MAX_PLAIN_ZEROS) {
        memcpy(to + n, digits, (size_t)n_digits);
        n += n_digits;
        return n + snprintf((char *)to + n, 24, "e%lld", (long long)number.exponent);
    }
    if (n_before <= 0) {
        to[n++] = '0';
        to[n++] = '.';
        for (int64_t i = n_before; i < 0; i++)
            to[n++] = '0';
    }
    for (int64_t i = 0; i < n_digits; i++) {
        if (i == n_before && i > 0)
            to[n++] = '.';
        to[n++] = (uint8_t)digits[i];
    }
    for (int64_t i = n_digits; i < n_before; i++)
        to[n++] = '0';
    return n;
}

/* The hash of a text that may be one of several of its value. */
static uint64_t hash_careful(const bd_fields *fields, int64_t start, int64_t stop)
{
    const bd_rules *rules = fields->input->rules;
    const uint8_t *text = fields->block + start;
    const int64_t n = stop - start;
    int64_t forms = 0;
    uint64_t magnitudes[2] = {0, 0};
    if (rules->bools_size > 0 || n == 4 || n == 5) {
        const bd_cell cell = bd_parse_value(fields->block, start, stop, BD_MODE_BOOLEAN, false,
                                            &forms, magnitudes, rules);
        if (cell.flag == BD_FLAG_VALUE)
            return bd_hash_text((const uint8_t *)(cell.cell ? "true\0\0\0\0\0\0\0" : "false\0\0\0\0\0\0"),
                                cell.cell ? 4 : 5);
    }
    const bd_number number = bd_scan_marked_number(fields->block, start, stop, rules);
    if (number.form != BD_INTEGER && number.form != BD_DECIMAL)
        return bd_hash_text(text, n);
    uint8_t plain[PLAIN_BYTES + 8] = {0};
    return bd_hash_text(plain, print_number(number, plain));
}

static inline bool is_number_byte(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10 || byte == '-' || byte == '.';
}

static uint64_t hash_field(const bd_run *run, int64_t start, int64_t stop, bool has_marks)
{
    const bd_fields *fields = run->fields;
    const uint8_t *block = fields->block;
    if (start < stop && (block[start] <= ' ' || block[stop - 1] <= ' '))
        bd_trim(block, &start, &stop);
    const int64_t n = stop - start;
    const uint8_t first = block[start];
    if (n == 0 || (bd_may_be_null(run->parser, first, n) &&
                   bd_is_null(block, start, stop, fields->input->nulls, run->index)))
        return 0;
    const bool is_careful = is_number_byte(first)
                                ? has_marks || may_print_otherwise(block + start, n)
                                : has_marks || ((n == 4 || n == 5) && ((first | 32) == 't' ||
                                                                       (first | 32) == 'f'));
    return is_careful ? hash_careful(fields, start, stop) : bd_hash_text(block + start, n);
}

bool bd_hash_strip(bd_parser *parser, const bd_fields *fields, int64_t n_before)
{
    const bd_input *input = fields->input;
    const bd_rules *rules = input->rules;
    const int64_t n_rows = parser->strip.n_rows;
    if (!bd_reserve(&parser->hashes, 8 * (n_before + n_rows)))
        return false;
    uint64_t *hashes = (uint64_t *)parser->hashes.data + n_before;
    memset(hashes, 0, (size_t)(8 * n_rows));
    const bool has_marks = rules->decimal != '.' || rules->thousands >= 0 || rules->n_strip > 0 ||
                           rules->bools_size > 0;
    for (int64_t field = 0; field < input->n_fields; field++) {
        const uint64_t salt = input->salts[field];
        if (input->targets[field] < 0 || salt == 0)
            continue;
        bd_run run = {.parser = parser, .index = input->targets[field], .fields = fields};
        run.field = field;
        for (run.row = 0; run.row < n_rows; run.row += BD_RUN_ROWS) {
            run.n = n_rows - run.row < BD_RUN_ROWS ? n_rows - run.row : BD_RUN_ROWS;
            bd_find_places(&run);
            for (int64_t i = 0; i < run.n; i++) {
                const int64_t start = parser->starts[i], stop = start + parser->sizes[i];
                const uint64_t hash = hash_field(&run, start, stop, has_marks);
                hashes[run.row + i] += bd_mix_hash(hash, salt);
            }
        }
    }
    return true;
}

void bd_copy_hashes(const bd_parser *parser, int64_t n, uint64_t *hashes)
{
    if (n > 0)
        memcpy(hashes, parser->hashes.data, (size_t)(8 * n));
}

void bd_add_hashes(int64_t n, const uint64_t *values, const uint8_t *valid, uint64_t salt,
                   uint64_t *hashes)
{
    for (int64_t i = 0; i < n; i++)
        hashes[i] += bd_mix_hash(valid == NULL || valid[i] ? values[i] : 0, salt);
}

void bd_assign_splits(int64_t n, const uint64_t *hashes, uint64_t seed, const uint64_t *cuts,
                      int64_t n_cuts, uint8_t *splits)
{
    memset(splits, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t hash = bd_mix_hash(hashes[i], seed);
        uint8_t split = 0;
        for (int64_t k = 0; k < n_cuts; k++)
            split = (uint8_t)(split + (hash >= cuts[k]));
        splits[i] = split;
    }
}
