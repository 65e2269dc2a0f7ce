/* Stage 2 of text: copied once, without quotes and escapes, and numbered where its distinct values
 * are counted. */

#include <stdlib.h>

#include "classify.h"
#include "parser.h"

/* Copy n bytes, 16 at a time; up to 15 more are read and written. Returns the bits of all bytes,
 * or-ed as bd_copy16 has them: whether one of them is `byte`, and whether one is not ASCII. */
static inline uint32_t copy_text(uint8_t *to, const uint8_t *from, int64_t n, uint8_t byte)
{
    uint32_t seen = 0;
    int64_t i = 0;
    for (; i + 16 < n; i += 16)
        seen |= bd_copy16(to + i, from + i, byte);
    const uint32_t last = n > i ? 0xffffu >> (16 - (n - i)) : 0;
    return seen | (bd_copy16(to + i, from + i, byte) & (last | last << 16));
}

/* Copy n bytes with the second of each two quotes left out; as copy_text otherwise. Returns how
 * many bytes are written. */
static int64_t copy_doubled(uint8_t *to, const uint8_t *from, int64_t n, uint8_t quote)
{
    int64_t i = 0, written = 0;
    while (i < n) {
        uint32_t quotes = bd_copy16(to + written, from + i, quote) & 0xffff;
        const int64_t left = n - i;
        if (left < 16)
            quotes &= (1u << left) - 1;
        if (quotes) {
            const int64_t size = bd_trailing_zeros(quotes) + 1;
            written += size;
            i += size + 1;
        } else {
            written += left < 16 ? left : 16;
            i += 16;
        }
    }
    return written;
}

/* Copy n bytes without escapes and doubled quotes; returns how many are written. quote: -1 in an
 * unquoted field. What the last byte would escape was trimmed; at_end: there is nothing after it.
 */
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
        return copy_doubled(to, from, n, (uint8_t)rules->quote);
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

/* The texts of the rows whose codes are known, where there turn out to be too many distinct ones.
 */
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

/* Number the texts of a run, which lie at `base`. Returns the row of the run from which on there
 * are too many distinct ones, or a text is too long for a category; run->n where all have a number,
 * -1 without memory. */
static int64_t number_texts(bd_run *run, const uint8_t *base)
{
    bd_column *column = run->column;
    bd_parser *parser = run->parser;
    bd_dictionary *dictionary = &column->dictionary;
    int32_t *codes = (int32_t *)column->codes.data + column->n_rows;
    uint64_t hashes[BD_RUN_ROWS];
    for (int64_t i = 0; i < run->n; i++) {
        hashes[i] = bd_hash_text(base + parser->starts[i], parser->sizes[i]);
        bd_dictionary_prefetch(dictionary, hashes[i]);
    }
    for (int64_t i = 0; i < run->n; i++) {
        codes[i] = -1;
        if (!parser->valid[i])
            continue;
        if (parser->sizes[i] > BD_MAX_CATEGORY_BYTES && !column->fixed)
            return i;
        const int64_t code = bd_dictionary_code_hashed(dictionary, hashes[i],
                                                       base + parser->starts[i], parser->sizes[i]);
        if (code < 0)
            return code == -2 ? -1 : i;
        codes[i] = (int32_t)code;
    }
    return run->n;
}

/* Take the texts of a run that lie in the scratch memory into the column. */
static bool keep_texts(bd_run *run, int64_t first)
{
    bd_column *column = run->column;
    const bd_parser *parser = run->parser;
    const int64_t size = parser->starts[run->n - 1] + parser->sizes[run->n - 1];
    if (!bd_codes_to_texts(column, column->n_rows + first) ||
        !bd_reserve(&column->text, column->text_bytes + size + 16) ||
        !bd_reserve(&column->values, 4 * (column->n_rows + run->n + 1)))
        return false;
    int32_t *offsets = (int32_t *)column->values.data + column->n_rows;
    for (int64_t i = first; i < run->n; i++) {
        memcpy(column->text.data + offsets[i], parser->scratch.data + parser->starts[i],
               parser->sizes[i]);
        offsets[i + 1] = offsets[i] + (int32_t)parser->sizes[i];
    }
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
    bd_parser *parser = run->parser;
    uint8_t *valid = parser->valid;
    int64_t n_nulls = 0, used = 0;
    uint32_t seen = 0;

    if (!reserve_run(run))
        return false;
    uint8_t *base =
        column->wants_text ? column->text.data + column->text_bytes : parser->scratch.data;
    for (int64_t i = 0; i < run->n; i++) {
        const bd_place place = bd_field_at(run->fields, run->row + i, run->field);
        int64_t n = 0;
        valid[i] = !is_null(run, place);
        if (valid[i]) {
            if (!column->saw_text)
                observe(run, place);
            n = take_text(run, place, base + used, &seen);
            if (n > column->max_text_bytes)
                column->max_text_bytes = n;
        }
        n_nulls += !valid[i];
        parser->starts[i] = (uint32_t)used;
        parser->sizes[i] = (uint32_t)n;
        used += n;
    }
    const int64_t before = column->text_bytes;
    if (column->wants_text) {
        int32_t *offsets = (int32_t *)column->values.data + column->n_rows;
        for (int64_t i = 0; i < run->n; i++)
            offsets[i] = (int32_t)(before + parser->starts[i]);
        offsets[run->n] = (int32_t)(before + used);
    }
    if (column->wants_codes) {
        const int64_t numbered = number_texts(run, base);
        if (numbered < 0)
            return false;
        if (numbered < run->n) {
            column->dictionary.full = true;
            column->wants_codes = false;
            if (!column->wants_text && !keep_texts(run, numbered))
                return false;
        }
    }
    column->text_bytes = before + used;
    column->not_ascii |= seen >> 16 != 0;
    return bd_append_valid(column, valid, run->n, n_nulls);
}
