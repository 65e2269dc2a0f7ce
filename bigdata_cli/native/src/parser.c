/* The loop over strips: find the fields of some records, take every column through them. */

#include "parser.h"

#include "classify.h"
#include "scan.h"

bd_parser *bd_parser_new(void)
{
    bd_parser *parser = calloc(1, sizeof(bd_parser));
    for (int mask = 0; parser != NULL && mask < 256; mask++) {
        int n = 0;
        for (uint64_t bit = 0; bit < 8; bit++)
            if (mask >> bit & 1)
                parser->kept[mask] |= bit << (8 * n++);
    }
    return parser;
}

static void free_column(bd_column *column)
{
    free(column->values.data);
    free(column->valid.data);
    free(column->text.data);
    free(column->codes.data);
    free(column->code_hashes.data);
    bd_dictionary_free(&column->dictionary);
}

static void free_columns(bd_parser *parser)
{
    for (int64_t i = 0; i < parser->n_columns; i++)
        free_column(parser->columns + i);
    free(parser->columns);
    parser->columns = NULL;
    parser->n_columns = 0;
}

void bd_parser_free(bd_parser *parser)
{
    if (parser == NULL)
        return;
    free_columns(parser);
    free(parser->strip.memory.data);
    free(parser->undecided.data);
    free(parser->scratch.data);
    free(parser->hashes.data);
    free(parser->rows.data);
    free(parser->places.data);
    free(parser);
}

const bd_undecided *bd_undecided_fields(const bd_parser *parser)
{
    return (const bd_undecided *)parser->undecided.data;
}

bool bd_append_valid(bd_column *column, const uint8_t *valid, int64_t n, int64_t n_nulls)
{
    if (column->n_nulls > 0 || n_nulls > 0) {
        if (!bd_reserve(&column->valid, column->n_rows + n))
            return false;
        if (column->n_nulls == 0)
            memset(column->valid.data, 1, (size_t)column->n_rows);
        memcpy(column->valid.data + column->n_rows, valid, (size_t)n);
    }
    column->n_nulls += n_nulls;
    column->n_rows += n;
    return true;
}

/* List a field that is not decided here; what stands for its value is 0. */
static bool list_undecided(bd_run *run, int64_t row, bd_place place, bool is_hard)
{
    bd_parser *parser = run->parser;
    const int64_t size = (int64_t)sizeof(bd_undecided);
    if (!bd_reserve(&parser->undecided, (parser->n_undecided + 1) * size)) {
        parser->out_of_memory = true;
        return false;
    }
    bd_undecided *all = (bd_undecided *)parser->undecided.data;
    all[parser->n_undecided++] =
        (bd_undecided){run->index, row, place.start, place.stop - place.start, is_hard};
    run->column->n_undecided++;
    return true;
}

/* Whether a value need not print as its text, which has no spaces around it: True for true, and
 * integers that may have marks between or around their digits. first: its first byte. */
static inline bool prints_otherwise(const bd_column *column, uint8_t first, const bd_rules *rules)
{
    if (column->mode == BD_MODE_BOOLEAN)
        return first < 'a' || rules->bools_size > 0;
    return (rules->thousands >= 0 || rules->n_strip > 0) &&
           (column->mode == BD_MODE_INT64 || column->mode == BD_MODE_UINT64);
}

bool bd_careful_field(bd_run *run, int64_t i, bd_place place, int64_t *cell)
{
    bd_column *column = run->column;
    const bd_input *input = run->fields->input;
    const uint8_t *block = run->fields->block;
    const int64_t row = column->n_rows + i;

    *cell = 0;
    const int64_t n_bytes = place.stop - place.start;
    bd_trim(block, &place.start, &place.stop);
    if (place.stop - place.start != n_bytes)
        column->forms |= BD_FORM_LOOSE;
    if (place.start == place.stop ||
        bd_is_null(block, place.start, place.stop, input->nulls, run->index)) {
        if (place.quoted)
            column->forms |= BD_FORM_LOOSE;
        else if (place.stop - place.start == n_bytes)
            bd_note_null(run, place);
        return false;
    }
    if (prints_otherwise(column, block[place.start], input->rules))
        column->forms |= BD_FORM_LOOSE;
    const bd_cell found =
        column->format != NULL
            ? bd_parse_formatted(block, place.start, place.stop, column->mode, column->zoned,
                                 column->format)
            : bd_parse_value(block, place.start, place.stop, column->mode, column->zoned,
                             &column->forms, column->magnitudes, input->rules);
    if (found.flag == BD_FLAG_VALUE) {
        *cell = found.cell;
        return true;
    }
    const bool is_hard = found.flag == BD_FLAG_HARD;
    if (is_hard || column->fixed) {
        if (column->decisions < column->decisions_end && column->decisions->row == row) {
            *cell = column->decisions->value;
            column->decisions++;
            return true;
        }
        return list_undecided(run, row, place, is_hard);
    }
    /* The column will be parsed again, as what it turned out to be. */
    const bd_classified seen = bd_classify(block, place.start, place.stop, input->rules);
    column->forms |= seen.forms;
    if (seen.magnitude > column->magnitudes[!seen.negative])
        column->magnitudes[!seen.negative] = seen.magnitude;
    column->n_odd++;
    return true;
}

/* Empty a column for the next block; what it allocated stays. */
static bool begin_column(bd_column *column, const bd_column_plan *plan, bool empty_is_null)
{
    column->mode = plan->mode;
    column->zoned = plan->zoned;
    column->storage = plan->storage;
    column->format = plan->format;
    column->fixed = plan->fixed;
    column->wants_text = plan->wants_text;
    column->wants_codes = plan->wants_codes;
    column->counts_distinct = plan->wants_codes;
    column->saw_text = !plan->observes;
    column->n_rows = column->n_nulls = column->text_bytes = column->max_text_bytes = 0;
    column->n_code_hashes = 0;
    column->not_ascii = false;
    column->forms = 0;
    column->magnitudes[0] = column->magnitudes[1] = 0;
    memset(&column->moments, 0, sizeof column->moments);
    column->n_undecided = column->n_odd = 0;
    column->decisions = column->decisions_end = NULL;
    column->null_size = -1;
    column->empty_is_null = empty_is_null;
    column->dictionary.full = false;
    if (plan->mode == BD_MODE_NULL || plan->mode == BD_MODE_SKIP)
        return true;
    return !plan->wants_codes || bd_dictionary_clear(&column->dictionary, BD_MAX_CATEGORIES);
}

static bool parse_run(bd_run *run)
{
    switch (run->column->mode) {
    case BD_MODE_INT64:
    case BD_MODE_UINT64:
        return bd_parse_integers(run);
    case BD_MODE_FLOAT64:
        return bd_parse_floats(run);
    case BD_MODE_DATE:
    case BD_MODE_TIMESTAMP_US:
    case BD_MODE_TIMESTAMP_NS:
        return bd_parse_times(run);
    case BD_MODE_BOOLEAN:
        return bd_parse_booleans(run);
    case BD_MODE_TEXT:
        return bd_parse_texts(run);
    default:
        return bd_parse_nothing(run);
    }
}

/* All active columns of a strip, which follows n_before rows. */
static bool parse_strip(bd_parser *parser, const bd_input *input, const uint8_t *active,
                        int64_t n_before)
{
    const bd_strip *strip = &parser->strip;
    /* Blank lines stand before the first field of a record, CR LF after the last one. */
    const bool adjusts_inner =
        strip->has_missing || input->rules->trim || input->rules->tail_size > 0;
    const bool adjusts = adjusts_inner || strip->has_returns || strip->has_blanks;
    const bd_fields fields = {.input = input,
                              .block = input->block,
                              .ends = strip->ends,
                              .n_fields = input->n_fields,
                              .has_quotes = strip->has_quotes,
                              .has_doubled = strip->has_doubled,
                              .not_ascii = strip->not_ascii,
                              .adjusts = adjusts,
                              .adjusts_inner = adjusts_inner};
    for (int64_t field = 0; field < input->n_fields; field++) {
        const int64_t index = input->targets[field];
        if (index < 0 || !active[index])
            continue;
        bd_run run = {.parser = parser, .column = parser->columns + index, .index = index};
        run.fields = &fields;
        run.field = field;
        for (run.row = 0; run.row < strip->n_rows; run.row += BD_RUN_ROWS) {
            const int64_t left = strip->n_rows - run.row;
            run.n = left < BD_RUN_ROWS ? left : BD_RUN_ROWS;
            if (!parse_run(&run) || parser->out_of_memory)
                return false;
        }
    }
    return input->salts == NULL || bd_hash_columns(parser, input, n_before, strip->n_rows);
}

static void note_starts(const bd_parser *parser, const bd_input *input, int64_t n_rows)
{
    const bd_strip *strip = &parser->strip;
    const bool skips = strip->has_blanks;
    for (int64_t row = 0; row < strip->n_rows && n_rows + row < input->max_starts; row++) {
        const uint32_t *end = strip->ends + row * input->n_fields;
        int64_t start = (int64_t)(uint32_t)(end[-1] + 1u), stop = end[0];
        if (skips)
            while (start < stop && (input->block[start] == '\n' || input->block[start] == '\r'))
                start++;
        input->record_starts[n_rows + row] = start;
    }
}

/* Which texts may be a null token of any column. */
static void find_null_sizes(bd_parser *parser, const bd_input *input)
{
    const bd_nulls *nulls = input->nulls;
    memset(parser->null_sizes, 0, sizeof parser->null_sizes);
    int64_t n_tokens = 0;
    for (int64_t i = 0; i < input->n_columns; i++)
        n_tokens = nulls->last[i] > n_tokens ? nulls->last[i] : n_tokens;
    for (int64_t k = 0; k < n_tokens; k++) {
        const int64_t begin = k > 0 ? nulls->ends[k - 1] : 0, size = nulls->ends[k] - begin;
        if (size > 0)
            parser->null_sizes[nulls->tokens[begin]] |= (uint8_t)(1 << (size < 7 ? size : 7));
    }
}

/* Columns for this plan, empty; arrays have room for the rows that the block may have. */
static bool begin(bd_parser *parser, const bd_input *input, const bd_column_plan *plan,
                  const uint8_t *active, const bd_decision *decisions, int64_t n_decisions)
{
    if (parser->n_columns < input->n_columns) {
        const size_t size = (size_t)input->n_columns * sizeof(bd_column);
        bd_column *columns = realloc(parser->columns, size);
        if (columns == NULL)
            return false;
        const int64_t more = input->n_columns - parser->n_columns;
        memset(columns + parser->n_columns, 0, (size_t)more * sizeof(bd_column));
        parser->columns = columns;
        parser->n_columns = input->n_columns;
    }
    parser->n_undecided = 0;
    parser->out_of_memory = false;
    find_null_sizes(parser, input);
    for (int64_t i = 0; i < input->n_columns; i++) {
        bd_column *column = parser->columns + i;
        if (!active[i])
            continue;
        if (!begin_column(column, plan + i, bd_is_null(input->block, 0, 0, input->nulls, i)))
            return false;
        while (n_decisions > 0 && decisions->column < i)
            decisions++, n_decisions--;
        column->decisions = decisions;
        while (n_decisions > 0 && decisions->column == i)
            decisions++, n_decisions--;
        column->decisions_end = decisions;
    }
    return true;
}

/* Evidence that follows from the smallest and the largest of the values. */
static void put_evidence(const bd_column *column, bd_column_result *result)
{
    const bd_moments *moments = &column->moments;
    uint64_t negative = column->magnitudes[0], positive = column->magnitudes[1];
    result->forms = column->forms;
    if (moments->any && column->mode != BD_MODE_FLOAT64) {
        int64_t low = moments->low, high = moments->high;
        if (column->mode == BD_MODE_UINT64) {
            result->forms |= BD_FORM_INT;
            positive = (uint64_t)high > positive ? (uint64_t)high : positive;
        } else if (column->mode == BD_MODE_BOOLEAN) {
            result->forms |= BD_FORM_BOOL;
        } else {
            if (column->mode == BD_MODE_INT64)
                result->forms |= BD_FORM_INT;
            if (column->mode == BD_MODE_DATE) {
                result->forms |= BD_FORM_DATE;
                low *= 86400000000;
                high *= 86400000000;
            } else if (column->mode == BD_MODE_TIMESTAMP_NS) {
                low = low / 1000 - (low % 1000 < 0); /* microseconds, rounded down */
                high = high / 1000 - (high % 1000 < 0);
            }
            if (low < 0 && 0 - (uint64_t)low > negative)
                negative = 0 - (uint64_t)low;
            if (high >= 0 && (uint64_t)high > positive)
                positive = (uint64_t)high;
        }
    }
    result->negative = negative;
    result->positive = positive;
}

/* Whether the texts of a column are UTF-8, each of them. */
static bool is_utf8(const bd_column *column)
{
    if (!column->not_ascii)
        return true;
    const bool as_text = column->wants_text;
    const uint8_t *text = as_text ? column->text.data : column->dictionary.texts.data;
    const int32_t *offsets =
        (const int32_t *)(as_text ? column->values.data : column->dictionary.offsets.data);
    const int64_t n = as_text ? column->n_rows : column->dictionary.n_values;
    if (!bd_is_utf8(text, offsets[n]))
        return false;
    /* All of them together are, so one is where it does not begin within a sequence. */
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] > offsets[i] && (text[offsets[i]] & 0xc0) == 0x80)
            return false;
    return true;
}

static bool finish_column(bd_column *column, bd_column_result *result)
{
    memset(result, 0, sizeof *result);
    bd_put_moments(&column->moments, column->mode, result);
    put_evidence(column, result);
    result->n_nulls = column->n_nulls;
    result->text_bytes = column->text_bytes;
    result->max_text_bytes = column->max_text_bytes;
    result->n_undecided = column->n_undecided;
    result->n_odd = column->n_odd;
    result->n_distinct = -1;
    result->is_utf8 = 1;
    if (column->mode != BD_MODE_TEXT)
        return true;
    result->is_utf8 = is_utf8(column);
    if (!result->is_utf8 && !column->wants_text && !bd_codes_to_texts(column, column->n_rows))
        return false;
    if (column->counts_distinct && !column->dictionary.full) {
        result->n_distinct = column->dictionary.n_values;
        result->distinct_bytes = column->dictionary.text_bytes;
    }
    return true;
}

/* All strips. Returns BD_DONE, or why the parse ended. */
static int32_t parse_block(bd_parser *parser, const bd_input *input, const uint8_t *active,
                           bd_outcome *outcome)
{
    int64_t pos = input->begin;
    while (pos < input->stop && pos < input->size) {
        const int32_t status = bd_find_strip(parser, input, pos, input->stop, outcome);
        if (status != BD_DONE)
            return status;
        if (input->max_starts > 0)
            note_starts(parser, input, outcome->n_rows);
        if (!parse_strip(parser, input, active, outcome->n_rows))
            return BD_NO_MEMORY;
        outcome->n_rows += parser->strip.n_rows;
        pos = parser->strip.after;
    }
    outcome->position = pos;
    return BD_DONE;
}

void bd_parse(bd_parser *parser, const bd_input *input, const bd_column_plan *plan,
              const uint8_t *active, const bd_decision *decisions, int64_t n_decisions,
              bd_column_result *results, bd_outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    outcome->status = BD_NO_MEMORY;
    if (!begin(parser, input, plan, active, decisions, n_decisions))
        return;
    outcome->status = parse_block(parser, input, active, outcome);
    outcome->n_undecided = parser->n_undecided;
    if (outcome->status != BD_DONE)
        return;
    for (int64_t i = 0; i < input->n_columns; i++)
        if (active[i] && !finish_column(parser->columns + i, results + i)) {
            outcome->status = BD_NO_MEMORY;
            return;
        }
}

void bd_copy_integers(const bd_parser *parser, int64_t index, int64_t *values, uint8_t *valid)
{
    const bd_column *column = parser->columns + index;
    bd_widen(column->storage, values, column->values.data, 0, column->n_rows);
    if (column->n_nulls > 0)
        memcpy(valid, column->valid.data, (size_t)column->n_rows);
    else
        memset(valid, 1, (size_t)column->n_rows);
}

static int64_t multiple_of_8(int64_t size)
{
    return (size + 7) & ~(int64_t)7;
}

void bd_copy_distinct(const bd_parser *parser, const bd_column_result *results, int64_t n_columns,
                      uint8_t *to)
{
    for (int64_t i = 0; i < n_columns; i++) {
        const bd_dictionary *dictionary = &parser->columns[i].dictionary;
        const int64_t n = dictionary->n_values;
        if (results[i].n_distinct < 0)
            continue;
        memcpy(to, dictionary->hashes.data, (size_t)(8 * n));
        to += 8 * n;
        memcpy(to, dictionary->offsets.data, (size_t)(4 * (n + 1)));
        to += multiple_of_8(4 * (n + 1));
        memcpy(to, dictionary->texts.data, (size_t)dictionary->text_bytes);
        memset(to + dictionary->text_bytes, 0, 8);
        to += multiple_of_8(dictionary->text_bytes) + 8;
    }
}
