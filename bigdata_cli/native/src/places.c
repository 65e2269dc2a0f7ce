/* Where the fields of a column are: from where stage 1 saw their separators to what is their
 * content. */

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
