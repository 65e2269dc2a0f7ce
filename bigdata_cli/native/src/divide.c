/* The rows of a block divided among splits: a record batch and the statistics of each. */

#include "arrow.h"
#include "export.h"

/* The numbers of the rows of each split, one split after the other. Returns false without memory.
 */
static bool sort_rows(bd_parser *parser, const uint8_t *splits, int64_t n_rows, int64_t n_splits,
                      bd_selection *kept)
{
    int64_t ends[256] = {0};
    if (!bd_reserve(&parser->rows, 4 * (n_rows + 1)))
        return false;
    uint32_t *rows = (uint32_t *)parser->rows.data;
    for (int64_t i = 0; i < n_rows; i++)
        kept[splits[i]].n++;
    int64_t first = 0;
    for (int64_t split = 0; split < n_splits; split++) {
        kept[split].rows = rows + first;
        ends[split] = first;
        first += kept[split].n;
    }
    for (int64_t i = 0; i < n_rows; i++)
        rows[ends[splits[i]]++] = (uint32_t)i;
    return true;
}

static void measure_texts(const bd_column *column, const bd_selection *kept,
                          bd_column_result *result)
{
    const bool is_coded = !column->wants_text;
    const int32_t *offsets =
        (const int32_t *)(is_coded ? column->dictionary.offsets.data : column->values.data);
    const int32_t *codes = (const int32_t *)column->codes.data;
    for (int64_t i = 0; i < kept->n; i++) {
        const int64_t place = is_coded ? codes[kept->rows[i]] : (int64_t)kept->rows[i];
        const int64_t size = place < 0 ? 0 : offsets[place + 1] - offsets[place];
        result->text_bytes += size;
        result->max_text_bytes = size > result->max_text_bytes ? size : result->max_text_bytes;
    }
}

/* n <= BD_RUN_ROWS values of a column; doubles as their bits. */
static void measure_run(const bd_column *column, bd_moments *moments, const int64_t *wide,
                        const uint8_t *valid, int64_t n)
{
    double numbers[BD_RUN_ROWS];
    uint64_t words[BD_RUN_ROWS];
    switch (column->mode) {
    case BD_MODE_FLOAT64:
        memcpy(numbers, wide, (size_t)n * 8);
        bd_measure_float64(moments, numbers, valid, n);
        return;
    case BD_MODE_UINT64:
        memcpy(words, wide, (size_t)n * 8);
        bd_measure_uint64(moments, words, valid, n);
        return;
    case BD_MODE_DATE:
    case BD_MODE_TIMESTAMP_US:
    case BD_MODE_TIMESTAMP_NS:
        bd_measure_times(moments, wide, valid, n);
        return;
    default:
        bd_measure_int64(moments, wide, valid, n);
    }
}

/* Rows [i, i + n) of a selection of a column; valid: null where none of these rows is null. */
typedef struct {
    int64_t wide[BD_RUN_ROWS];
    uint8_t valid_bytes[BD_RUN_ROWS];
    const uint8_t *valid;
    int64_t n;
} run_of_rows;

static void take_run(run_of_rows *run, const bd_column *column, const bd_selection *kept, int64_t i,
                     bool has_nulls)
{
    run->n = kept->n - i < BD_RUN_ROWS ? kept->n - i : BD_RUN_ROWS;
    run->valid = has_nulls ? run->valid_bytes : NULL;
    bd_widen_rows(column, kept, i, run->n, run->wide);
    if (has_nulls)
        for (int64_t k = 0; k < run->n; k++)
            run->valid_bytes[k] = column->valid.data[kept->rows[i + k]];
}

static bool has_moments(const bd_column *column)
{
    return column->mode != BD_MODE_TEXT && column->mode != BD_MODE_NULL &&
           column->mode != BD_MODE_SKIP;
}

static void put_moments(const bd_column *column, bd_moments *moments, bd_column_result *result)
{
    bd_put_moments(moments, column->mode, result);
    /* What float32 loses is that of all rows, however few of them a split has in a block. */
    result->float32_error = result->n_finite > 0 ? column->moments.float32_error : 0;
}

/* The statistics of some rows of a column. */
static void measure_column(const bd_column *column, const bd_selection *kept,
                           bd_column_result *result)
{
    run_of_rows run;
    memset(result, 0, sizeof *result);
    result->n_nulls = bd_count_nulls(column, kept);
    if (column->mode == BD_MODE_TEXT) {
        measure_texts(column, kept, result);
        return;
    }
    if (!has_moments(column))
        return;
    bd_moments moments = {.float32_error = 1};
    for (int64_t i = 0; i < kept->n; i += run.n) {
        take_run(&run, column, kept, i, result->n_nulls > 0);
        measure_run(column, &moments, run.wide, run.valid, run.n);
    }
    put_moments(column, &moments, result);
}

static bool is_same_range(const bd_column *column, const bd_moments *moments)
{
    const bd_moments *all = &column->moments;
    if (column->mode == BD_MODE_FLOAT64)
        return moments->any && moments->low_float == all->low_float &&
               moments->high_float == all->high_float;
    return moments->any && moments->low == all->low && moments->high == all->high;
}

/* The range of some rows; mostly it is that of all rows, which is soon found. */
static void find_range(const bd_column *column, const bd_selection *kept, bool has_nulls,
                       bd_moments *moments)
{
    run_of_rows run;
    for (int64_t i = 0; i < kept->n && !is_same_range(column, moments); i += run.n) {
        take_run(&run, column, kept, i, has_nulls);
        bd_measure_range(moments, column->mode, run.wide, run.valid, run.n);
    }
}

/* The largest magnitude of numbers, of which there are some, as `bd_sums` has it: all small
 * integers have one digit in common. */
static double largest_of(const bd_column *column, const bd_moments *moments)
{
    const bool is_float = column->mode == BD_MODE_FLOAT64;
    const double low = is_float ? moments->low_float : (double)moments->low;
    const double high = is_float ? moments->high_float : (double)moments->high;
    const double largest = -low > high ? -low : high;
    return !is_float && largest > 0 && largest < BD_SMALL / 2 ? BD_SMALL / 2 : largest;
}

/* The statistics of the rows of one split: what all rows have, and the other splits do not. Returns
 * false where they are not to be found so. */
static bool subtract_others(const bd_column *column, const bd_selection *kept, int64_t n_splits,
                            int64_t own, const bd_column_result *others, int64_t stride,
                            bd_column_result *result)
{
    const bd_moments *all = &column->moments;
    bd_moments moments = {.n_finite = all->n_finite, .n_infinite = all->n_infinite};
    if (!has_moments(column) || column->mode == BD_MODE_UINT64)
        return false;
    memset(result, 0, sizeof *result);
    result->n_nulls = column->n_nulls;
    moments.sums = all->sums;
    for (int64_t split = 0; split < n_splits; split++) {
        const bd_column_result *other = others + split * stride;
        if (split == own)
            continue;
        result->n_nulls -= other->n_nulls;
        moments.n_finite -= other->n_finite;
        moments.n_infinite -= other->n_infinite;
        bd_take_away_sums(&moments.sums, &other->sums);
    }
    find_range(column, kept + own, result->n_nulls > 0, &moments);
    if (moments.n_finite > 0) {
        const double largest = largest_of(column, &moments);
        if (largest == 0)
            memset(&moments.sums, 0, sizeof moments.sums);
        else if (!bd_asks_for_top(&moments.sums, largest))
            return false; /* another split has the larger numbers: these were rounded to their unit
                           */
    } else {
        memset(&moments.sums, 0, sizeof moments.sums);
    }
    put_moments(column, &moments, result);
    return true;
}

/* The statistics of a column in each split; results: `stride` elements from split to split. */
static void measure_splits(const bd_column *column, const bd_selection *kept, int64_t n_splits,
                           bd_column_result *results, int64_t stride)
{
    int64_t largest = 0;
    for (int64_t split = 1; split < n_splits; split++)
        largest = kept[split].n > kept[largest].n ? split : largest;
    for (int64_t split = 0; split < n_splits; split++)
        if (split != largest)
            measure_column(column, kept + split, results + split * stride);
    bd_column_result *result = results + largest * stride;
    if (!subtract_others(column, kept, n_splits, largest, results, stride, result))
        measure_column(column, kept + largest, result);
}

int32_t bd_divide(bd_parser *parser, const int32_t *storage, int64_t n_columns, int64_t n_rows,
                  const bd_division *division)
{
    bd_selection kept[256] = {{NULL, 0}};
    const int64_t n_splits = division->n_splits;
    int64_t n_done = 0;
    if (!bd_settle_texts(parser, storage, n_columns, n_rows) ||
        !sort_rows(parser, division->splits, n_rows, n_splits, kept))
        return BD_NO_MEMORY;
    while (n_done < n_splits &&
           bd_export_rows(parser, storage, n_columns, kept + n_done, division->batches + n_done))
        n_done++;
    if (n_done < n_splits) {
        while (n_done-- > 0)
            division->batches[n_done].release(division->batches + n_done);
        return BD_NO_MEMORY;
    }
    for (int64_t i = 0; i < n_columns; i++)
        measure_splits(parser->columns + i, kept, n_splits, division->results + i, n_columns);
    return 0;
}
