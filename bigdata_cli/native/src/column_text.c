/* Stage 2 of text: copied once, without quotes and escapes, and numbered where its distinct values
 * are counted. */

#include <stdlib.h>

#include "classify.h"
#include "parser.h"

/* Copy n bytes with the second of each two quotes left out; up to 15 more are written, and 63 more
 * read. All quotes are doubled. kept: see bd_parser. Returns how many bytes are written. */
#if defined(__AVX2__) || defined(__ARM_NEON)
static int64_t copy_doubled(uint8_t *to, const uint8_t *from, int64_t n, uint8_t quote,
                            const uint64_t *kept)
{
    uint64_t is_second = 0; /* all ones where the first of two ended the bytes before */
    int64_t written = 0;
    for (int64_t i = 0; i < n; i += 64) {
        const int64_t left = n - i < 64 ? n - i : 64;
        const uint64_t quotes = bd_match64(bd_load64(from + i), quote) & UINT64_MAX >> (64 - left);
        const uint64_t first = bd_prefix_xor(quotes) ^ is_second;
        const uint64_t dropped = quotes & ~first;
        is_second = (uint64_t)((int64_t)first >> 63);
        if (dropped == 0) {
            bd_move_text(to + written, from + i, left);
            written += left;
            continue;
        }
        const uint64_t keep = UINT64_MAX >> (64 - left) & ~dropped;
        for (int k = 0; k < left; k += 8) {
            const uint64_t mask = keep >> k & 0xff;
            bd_select8(to + written, from + i + k, kept[mask]);
            written += __builtin_popcountll(mask);
        }
    }
    return written;
}
#else
static int64_t copy_doubled(uint8_t *to, const uint8_t *from, int64_t n, uint8_t quote,
                            const uint64_t *kept)
{
    int64_t i = 0, written = 0;
    (void)kept;
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
#endif

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

/* A field's text without doubled quotes or escapes at `to`, which has 16 bytes more than it needs;
 * returns its size. */
static int64_t unescape(const bd_run *run, int64_t i, uint8_t *to)
{
    const bd_parser *parser = run->parser;
    const bd_rules *rules = run->fields->input->rules;
    const uint8_t *from = run->fields->block + parser->starts[i];
    const int64_t n = parser->sizes[i];
    if (rules->escape < 0)
        return copy_doubled(to, from, n, (uint8_t)rules->quote, parser->kept);
    const bool at_end = parser->starts[i] + n == run->fields->input->size;
    return copy_escaped(to, from, n, parser->quoted[i] ? rules->quote : -1, rules->escape, at_end);
}

/* Find the null tokens of a run, which quoted text never is: `valid`, and a size of 0. Returns
 * their number. */
static int64_t find_nulls(const bd_run *run)
{
    bd_parser *parser = run->parser;
    const uint8_t *block = run->fields->block;
    const uint32_t *starts = parser->starts;
    uint32_t *sizes = parser->sizes;
    const uint8_t *quoted = parser->quoted;
    uint8_t *valid = parser->valid;
    const bool keeps_empty = !run->column->empty_is_null;
    int64_t n_nulls = 0;
    for (int64_t i = 0; i < run->n; i++) {
        const int64_t size = sizes[i];
        valid[i] = (size > 0) | keeps_empty | quoted[i];
        if (size > 0 && !quoted[i] && bd_may_be_null(parser, block[starts[i]], size)) {
            const bd_place place = {starts[i], starts[i] + size, false};
            if (bd_is_last_null(run, place)) {
                valid[i] = 0;
            } else if (bd_is_null(block, place.start, place.stop, run->fields->input->nulls,
                                  run->index)) {
                bd_note_null(run, place);
                valid[i] = 0;
            }
            sizes[i] = valid[i] ? sizes[i] : 0;
        }
        n_nulls += !valid[i];
    }
    return n_nulls;
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

/* Number the texts of a run. Where there turn out to be too many distinct ones, or one is too long
 * for a category, they are kept as text. Returns false without memory. */
static bool number_texts(bd_run *run, const uint8_t *const *texts)
{
    bd_column *column = run->column;
    const bd_parser *parser = run->parser;
    const bd_texts all = {.starts = texts,
                          .sizes = parser->sizes,
                          .valid = parser->valid,
                          .max_size = column->fixed ? INT64_MAX : BD_MAX_CATEGORY_BYTES};
    int32_t *codes = (int32_t *)column->codes.data + column->n_rows;
    const int64_t n = bd_dictionary_number(&column->dictionary, &all, run->n, codes);
    if (n == run->n)
        return true;
    if (n < 0)
        return false;
    column->dictionary.full = true;
    column->wants_codes = false;
    if (column->wants_text)
        return true;
    if (!bd_codes_to_texts(column, column->n_rows + n))
        return false;
    int64_t size = column->text_bytes;
    for (int64_t i = n; i < run->n; i++)
        size += parser->sizes[i];
    if (!bd_reserve(&column->text, size + 16) ||
        !bd_reserve(&column->values, 4 * (column->n_rows + run->n + 1)))
        return false;
    int32_t *offsets = (int32_t *)column->values.data + column->n_rows;
    for (int64_t i = n; i < run->n; i++) {
        memcpy(column->text.data + offsets[i], texts[i], parser->sizes[i]);
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

/* Whether a field's text is another than its bytes. */
static inline bool is_escaped(const bd_run *run, int64_t i)
{
    return (run->fields->has_doubled && run->parser->quoted[i]) ||
           run->fields->input->rules->escape >= 0;
}

/* Copy the texts of a run to those of the column. */
static void copy_texts(bd_run *run, const uint8_t **texts)
{
    bd_column *column = run->column;
    uint32_t *sizes = run->parser->sizes;
    const uint32_t *starts = run->parser->starts;
    const uint8_t *block = run->fields->block;
    int32_t *offsets = (int32_t *)column->values.data + column->n_rows;
    uint8_t *to = column->text.data + column->text_bytes;
    int64_t total = column->text_bytes;
    for (int64_t i = 0; i < run->n; i++) {
        if (is_escaped(run, i))
            sizes[i] = (uint32_t)unescape(run, i, to);
        else
            bd_move_text(to, block + starts[i], sizes[i]);
        texts[i] = to;
        offsets[i] = (int32_t)total;
        to += sizes[i];
        total += sizes[i];
    }
    offsets[run->n] = (int32_t)total;
}

/* Find the texts of a run where they are; only those that are escaped are written anew. */
static void find_texts(bd_run *run, const uint8_t **texts)
{
    uint32_t *sizes = run->parser->sizes;
    const uint32_t *starts = run->parser->starts;
    uint8_t *scratch = run->parser->scratch.data;
    for (int64_t i = 0; i < run->n; i++) {
        texts[i] = run->fields->block + starts[i];
        if (is_escaped(run, i)) {
            sizes[i] = (uint32_t)unescape(run, i, scratch);
            texts[i] = scratch;
            scratch += sizes[i];
        }
    }
}

bool bd_parse_texts(bd_run *run)
{
    bd_column *column = run->column;
    const bd_parser *parser = run->parser;
    const uint8_t *texts[BD_RUN_ROWS];

    if (!reserve_run(run))
        return false;
    bd_find_places(run);
    const int64_t n_nulls = find_nulls(run);
    for (int64_t i = 0; i < run->n && !column->saw_text; i++)
        if (parser->valid[i])
            observe(run,
                    (bd_place){parser->starts[i], parser->starts[i] + parser->sizes[i], false});
    const bool copies = column->wants_text;
    if (copies)
        copy_texts(run, texts);
    else
        find_texts(run, texts);
    int64_t total = 0;
    uint32_t longest = 0;
    for (int64_t i = 0; i < run->n; i++) {
        total += parser->sizes[i];
        longest = parser->sizes[i] > longest ? parser->sizes[i] : longest;
    }
    if (longest > column->max_text_bytes)
        column->max_text_bytes = longest;
    const int64_t before = column->text_bytes;
    if (column->wants_codes && !number_texts(run, texts))
        return false;
    column->text_bytes = before + total;
    column->not_ascii |= run->fields->not_ascii;
    return bd_append_valid(column, parser->valid, run->n, n_nulls);
}
