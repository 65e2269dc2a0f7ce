/* Where the fields of a column are: from where stage 1 saw their separators to what is their
 * content. */

#include "classify.h"
#include "parser.h"
#include "scan.h"

void bd_adjust_field(const bd_fields *fields, int64_t field, int64_t *start, int64_t *stop)
{
    const bd_rules *rules = fields->input->rules;
    const uint8_t *block = fields->block;
    int64_t first = *start, end = *stop;
    if (field > 0)
        first += rules->tail_size;
    else if (!rules->keep_blank)
        while (first < end && (block[first] == '\n' || block[first] == '\r' ||
                               (rules->runs && bd_is_space(block[first]))))
            first++; /* blank lines */
    if (field == fields->n_fields - 1 && rules->escape < 0 && end > first && block[end] == '\n' &&
        block[end - 1] == '\r')
        end--;
    if (rules->trim)
        bd_trim_field(block, rules, &first, &end);
    *start = first < end ? first : end; /* beyond it where the record has no such field */
    *stop = end;
}

void bd_find_places(bd_run *run)
{
    const bd_fields *fields = run->fields;
    uint32_t *starts = run->parser->starts, *sizes = run->parser->sizes;
    const uint32_t *ends = fields->ends + run->row * fields->n_fields + run->field;
    uint8_t *quoted = run->parser->quoted;
    const bool is_outer = run->field == 0 || run->field == fields->n_fields - 1;
    if (fields->adjusts_inner || (fields->adjusts && is_outer)) {
        for (int64_t i = 0; i < run->n; i++) {
            const bd_place place = bd_field_at(fields, run->row + i, run->field);
            starts[i] = (uint32_t)place.start;
            sizes[i] = (uint32_t)(place.stop - place.start);
            quoted[i] = place.quoted;
        }
    } else if (fields->has_quotes) {
        const int64_t n_fields = fields->n_fields, n = run->n;
        const uint8_t *block = fields->block;
        const int32_t quote = fields->input->rules->quote;
        for (int64_t i = 0; i < n; i++) { /* as bd_field_at does */
            const uint32_t *end = ends + i * n_fields;
            const uint32_t start = end[-1] + 1u, size = end[0] - start;
            const uint32_t in_quotes = (block[start] == quote) & (size > 0);
            starts[i] = start + in_quotes;
            sizes[i] = size - 2 * in_quotes;
            quoted[i] = (uint8_t)in_quotes;
        }
    } else {
        for (int64_t i = 0; i < run->n; i++) {
            const uint32_t *end = ends + i * fields->n_fields;
            starts[i] = end[-1] + 1u;
            sizes[i] = end[0] - starts[i];
        }
        memset(quoted, 0, (size_t)run->n);
    }
    for (int64_t i = run->n; i % 8; i++) {
        starts[i] = starts[0];
        sizes[i] = 0;
    }
}

/* The place of row i of a run without the spaces around it; false where there are none, or nothing
 * else. Those in quotes are left to the careful path. */
static inline bool leave_out_spaces(const uint8_t *block, bd_parser *parser, int64_t i)
{
    uint32_t start = parser->starts[i], size = parser->sizes[i];
    if (parser->quoted[i])
        return false;
    for (; size > 1 && block[start] == ' '; size--)
        start++;
    while (size > 1 && block[start + size - 1] == ' ')
        size--;
    if (size == parser->sizes[i] || block[start] == ' ')
        return false;
    parser->starts[i] = start;
    parser->sizes[i] = size;
    return true;
}

void bd_find_values(bd_run *run)
{
    bd_parser *parser = run->parser;
    const uint8_t *block = run->fields->block;
    bd_find_places(run);
    /* A column with spaces has them in its first row, or in one that the careful path met. */
    if (block[parser->starts[0]] != ' ' && !(run->column->forms & BD_FORM_LOOSE))
        return;
    bool has_spaces = false;
    for (int64_t i = 0; i < run->n; i++)
        has_spaces |= leave_out_spaces(block, parser, i);
    run->column->forms |= has_spaces ? BD_FORM_LOOSE : 0;
}
