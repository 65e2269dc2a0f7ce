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

/* The product of two words, folded: each bit of the result depends on many of both. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The bits of a word that its first bytes have, by their number. */
static const uint64_t FIRST_BYTES[9] = {0,          0xff,         0xffff,         0xffffff,
                                        0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
                                        UINT64_MAX};

/* Up to 16 bytes of a text, zeros after it; 16 bytes from its start on are readable. Without
 * branches: sizes are as good as random. */
typedef struct {
    uint64_t first, second;
} words;

static inline words load_words(const uint8_t *text, int64_t n)
{
    const int64_t n_first = n < 8 ? n : 8, n_second = n < 16 ? n - n_first : 8;
    return (words){bd_load_u64(text) & FIRST_BYTES[n_first],
                   bd_load_u64(text + 8) & FIRST_BYTES[n_second]};
}

/* The hash of a text of n bytes, not 0, whose first ones are these. */
static inline uint64_t hash_text(const uint8_t *text, int64_t n, words text_words, uint64_t salt)
{
    const uint64_t other = salt * 0x9E3779B97F4A7C15u + (uint64_t)n;
    if (n <= 16)
        return fold(text_words.first ^ salt, text_words.second ^ other);
    return fold(bd_hash_text(text, n) ^ salt, other);
}

/* How many bytes of a number are left without the zeros that end its decimals, and its point where
 * all of them are zeros; 0 where the text may have another form than plain decimals. */
static inline int64_t plain_size(const uint8_t *text, int64_t n, words text_words)
{
    const int64_t is_negative = text[0] == '-';
    const uint8_t first = text[is_negative];
    const bool is_zero = first == '0' && n == 1;
    if (n > 16 || first == '.' || (first == '0' && !is_zero && text[1 + is_negative] != '.'))
        return 0;
    const uint64_t lower = 0x2020202020202020u;
    if (has_byte(text_words.first | lower, 'e') || has_byte(text_words.second | lower, 'e'))
        return 0;
    const uint8_t last = text[n - 1];
    if (last != '0' && last != '.')
        return n;
    if (!(has_byte(text_words.first, '.') || has_byte(text_words.second, '.')))
        return n;
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    return is_negative && first == '0' && n == 2 ? 0 : n; /* -0 is 0 */
}

/* A number as the shortest text without an exponent; with one where that would be long. */
static int64_t print_number(bd_number number, uint8_t *to)
{
    char digits[24];
    if (number.significand == 0)
        number.negative = false, number.exponent = 0;
    while (number.significand != 0 && number.significand % 10 == 0)
        number.significand /= 10, number.exponent++;
    const int64_t n_digits =
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)number.significand);
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

/* A text that may be one of several of its value, as the one that stands for them. `to` has room
 * for PLAIN_BYTES, and 8 more. Returns its size; 0 where it is the text itself. */
static int64_t print_plainly(const bd_fields *fields, int64_t start, int64_t stop, uint8_t *to)
{
    const bd_rules *rules = fields->input->rules;
    const int64_t n = stop - start;
    int64_t forms = 0;
    uint64_t magnitudes[2] = {0, 0};
    if (rules->bools_size > 0 || n == 4 || n == 5) {
        const bd_cell cell = bd_parse_value(fields->block, start, stop, BD_MODE_BOOLEAN, false,
                                            &forms, magnitudes, rules);
        if (cell.flag == BD_FLAG_VALUE) {
            memcpy(to, cell.cell ? "true" : "false", 5);
            return cell.cell ? 4 : 5;
        }
    }
    const bd_number number = bd_scan_marked_number(fields->block, start, stop, rules);
    if (number.form != BD_INTEGER && number.form != BD_DECIMAL)
        return 0;
    return print_number(number, to);
}

static inline bool is_number_byte(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10 || byte == '-' || byte == '.';
}

/* Whether a text may be true or false in other letters. */
static inline bool may_be_bool(uint8_t first, int64_t n)
{
    return (n == 4 && (first | 32) == 't') || (n == 5 && (first | 32) == 'f');
}

/* The hash of a field; of a null 0. has_marks: numbers and bools may be written in other ways. */
static inline uint64_t hash_field(const bd_run *run, int64_t start, int64_t stop, bool has_marks,
                                  uint64_t salt)
{
    const bd_fields *fields = run->fields;
    const uint8_t *block = fields->block;
    if (start < stop && (block[start] <= ' ' || block[stop - 1] <= ' '))
        bd_trim(block, &start, &stop);
    int64_t n = stop - start;
    const uint8_t *text = block + start;
    if (n == 0 || (bd_may_be_null(run->parser, text[0], n) &&
                   bd_is_null(block, start, stop, fields->input->nulls, run->index)))
        return 0;
    const words text_words = load_words(text, n);
    bool is_plain = !has_marks;
    if (is_plain && is_number_byte(text[0])) {
        const int64_t size = plain_size(text, n, text_words);
        if (size == n)
            return hash_text(text, n, text_words, salt);
        is_plain = size > 0;
        if (is_plain)
            return hash_text(text, size, load_words(text, size), salt);
    }
    if (is_plain && !may_be_bool(text[0], n))
        return hash_text(text, n, text_words, salt);
    uint8_t plain[PLAIN_BYTES + 16] = {0};
    const int64_t size = print_plainly(fields, start, stop, plain);
    if (size > 0)
        return hash_text(plain, size, load_words(plain, size), salt);
    return hash_text(text, n, text_words, salt);
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
                hashes[run.row + i] += hash_field(&run, start, stop, has_marks, salt);
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
