/* Stage 2 of text: copied once, without quotes and escapes, and numbered where its distinct values
 * are counted. */

#include <stdlib.h>

#include "classify.h"
#include "parser.h"

/* Copy n bytes, 16 at a time; up to 15 more are read and written. Returns the bits of all bytes, or-ed
 * as bd_copy16 has them: whether one of them is `byte`, and whether one is not ASCII. */
static inline uint32_t copy_text(uint8_t *to, const uint8_t *from, int64_t n, uint8_t byte)
{
    uint32_t seen = 0;
    int64_t i = 0;
    for (; i + 16 < n; i += 16)
        seen |= bd_copy16(to + i, from + i, byte);
    const uint32_t last = n > i ? 0xffffu >> (16 - (n - i)) : 0;
    return seen | (bd_copy16(to + i, from + i, byte) & (last | last << 16));
}

/* Copy n bytes without escapes and doubled quotes; returns how many are written. quote: -1 in an
 * unquoted field. What the last byte would escape was trimmed; at_end: there is nothing after it. */
static int64_t copy_escaped(uint8_t *to, const uint8_t *from, int64_t n, int32_t quote,
                            int32_t escape, bool at_end)
{
    int64_t written = 0;
    for (int64_t i = 0; i < n; i++) {
        if ((from[i] == quote || from[i] == escape) && !(at_end && i + 1 == n))
            i++;
        if (i < n)
            to[written++] = from[i];
    }
    return written;
}

/* The text of a field at `to`, which has 16 bytes more than it needs; returns its size. */
static inline int64_t take_text(const bd_run *run, bd_place place, uint8_t *to, uint32_t *seen)
{
    const bd_rules *rules = run->fields->input->rules;
    const uint8_t *from = run->fields->block + place.start;
    const int64_t n = place.stop - place.start;
    const uint32_t bits = copy_text(to, from, n, (uint8_t)rules->quote);
    *seen |= bits;
    if (rules->escape >= 0) {
        const bool at_end = place.stop == run->fields->input->size;
        return copy_escaped(to, from, n, place.quoted ? rules->quote : -1, rules->escape, at_end);
    }
    if (place.quoted && (bits & 0xffff))
        return copy_escaped(to, from, n, rules->quote, -1, false);
    return n;
}

/* Whether a field is a null token; quoted text never is. */
static inline bool is_null(const bd_run *run, bd_place place)
{
    const bd_input *input = run->fields->input;
    if (place.quoted)
        return false;
    const int64_t n = place.stop - place.start;
    if (n > 0 && !run->parser->null_starts[run->fields->block[place.start]])
        return false;
    return bd_is_null(run->fields->block, place.start, place.stop, input->nulls, run->index);
}

/* What the fields show until nothing but text can hold them. */
static void observe(bd_run *run, bd_place place)
{
    bd_column *column = run->column;
    const bd_input *input = run->fields->input;
    bd_trim(run->fields->block, &place.start, &place.stop);
    if (place.start == place.stop ||
        bd_is_null(run->fields->block, place.start, place.stop, input->nulls, run->index))
        return;
    const bd_classified found =
        bd_classify(run->fields->block, place.start, place.stop, input->rules);
    column->forms |= found.forms;
    if (found.magnitude > column->magnitudes[!found.negative])
        column->magnitudes[!found.negative] = found.magnitude;
    const int n_kinds = ((column->forms & BD_FORM_BOOL) != 0) +
                        ((column->forms & BD_FORMS_NUMBER) != 0) +
                        ((column->forms & BD_FORMS_TEMPORAL) != 0);
    column->saw_text = (column->forms & BD_FORM_TEXT) || n_kinds > 1;
}

/* The texts of the rows whose codes are known, where there turn out to be too many distinct ones. */
bool bd_codes_to_texts(bd_column *column, int64_t n_rows)
{
    const bd_dictionary *dictionary = &column->dictionary;
    const int32_t *ends = (const int32_t *)dictionary->offsets.data;
    const int32_t *codes = (const int32_t *)column->codes.data;
    if (!bd_reserve(&column->values, (n_rows + 1) * 4))
        return false;
    int64_t total = 0;
    for (int64_t row = 0; row < n_rows; row++)
        total += codes[row] < 0 ? 0 : ends[codes[row] + 1] - ends[codes[row]];
    if (total >= INT32_MAX || !bd_reserve(&column->text, total + 16))
        return false;
    int32_t *offsets = (int32_t *)column->values.data;
    offsets[0] = 0;
    for (int64_t row = 0; row < n_rows; row++) {
        int32_t n = 0;
        if (codes[row] >= 0) {
            n = ends[codes[row] + 1] - ends[codes[row]];
            memcpy(column->text.data + offsets[row], dictionary->texts.data + ends[codes[row]],
                   (size_t)n);
        }
        offsets[row + 1] = offsets[row] + n;
    }
    column->text_bytes = offsets[n_rows];
    column->wants_text = true;
    column->wants_codes = false;
    return true;
}

/* Number the text of row `row` of the block; false without memory. */
static inline bool number_text(bd_column *column, int64_t row, const uint8_t *text, int64_t n)
{
    int64_t code = -1;
    if (n > BD_MAX_CATEGORY_BYTES && !column->fixed)
        column->dictionary.full = true;
    else
        code = bd_dictionary_code_hashed(&column->dictionary, bd_hash_text(text, n), text, n);
    if (code == -2)
        return false;
    ((int32_t *)column->codes.data)[row] = (int32_t)code;
    return true;
}

/* Room for the texts of a run: no more than the bytes that its records have. */
static bool reserve_run(bd_run *run)
{
    bd_column *column = run->column;
    const uint32_t *ends = run->fields->ends;
    const int64_t first = run->row * run->fields->n_fields - 1;
    const int64_t last = (run->row + run->n) * run->fields->n_fields - 1;
    const int64_t size = (int64_t)ends[last] - (int64_t)(uint32_t)(ends[first] + 1u) + 32;
    const int64_t rows = column->n_rows + run->n;
    bd_buffer *text = column->wants_text ? &column->text : &run->parser->scratch;
    const int64_t before = column->wants_text ? column->text_bytes : 0;
    return bd_reserve(text, before + size) && bd_reserve(&column->values, 4 * (rows + 1)) &&
           (!column->wants_codes || bd_reserve(&column->codes, 4 * rows));
}

bool bd_parse_texts(bd_run *run)
{
    bd_column *column = run->column;
    uint8_t *valid = run->parser->valid;
    int64_t n_nulls = 0;
    uint32_t seen = 0;

    if (!reserve_run(run))
        return false;
    if (column->n_rows == 0)
        ((int32_t *)column->values.data)[0] = 0;
    for (int64_t i = 0; i < run->n; i++) {
        const int64_t row = column->n_rows + i;
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        valid[i] = !is_null(run, place);
        if (valid[i]) {
            if (!column->saw_text)
                observe(run, place);
            uint8_t *to =
                column->wants_text ? column->text.data + column->text_bytes : run->parser->scratch.data;
            const int64_t n = take_text(run, place, to, &seen);
            if (n > column->max_text_bytes)
                column->max_text_bytes = n;
            column->text_bytes += n;
            if (column->wants_codes && !number_text(column, row, to, n))
                return false;
            if (column->dictionary.full && column->wants_codes) {
                if (!column->wants_text) { /* from here on as text, this row included */
                    if (!bd_codes_to_texts(column, row) || !reserve_run(run))
                        return false;
                    memcpy(column->text.data + column->text_bytes, run->parser->scratch.data,
                           (size_t)n);
                    column->text_bytes += n;
                }
                column->wants_codes = false;
            }
        } else {
            n_nulls++;
            if (column->wants_codes)
                ((int32_t *)column->codes.data)[row] = -1;
        }
        if (column->text_bytes >= INT32_MAX)
            return false;
        if (column->wants_text)
            ((int32_t *)column->values.data)[row + 1] = (int32_t)column->text_bytes;
    }
    column->not_ascii |= seen >> 16 != 0;
    return bd_append_valid(column, valid, run->n, n_nulls);
}
