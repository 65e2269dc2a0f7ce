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

/* The statistics of some rows of a column. */
static void measure_column(const bd_column *column, const bd_selection *kept,
                           bd_column_result *result)
{
    int64_t wide[BD_RUN_ROWS];
    uint8_t valid[BD_RUN_ROWS];
    memset(result, 0, sizeof *result);
    result->n_nulls = bd_count_nulls(column, kept);
    if (column->mode == BD_MODE_TEXT) {
        measure_texts(column, kept, result);
        return;
    }
    if (column->mode == BD_MODE_NULL || column->mode == BD_MODE_SKIP)
        return;
    bd_moments moments = {0};
    for (int64_t i = 0; i < kept->n; i += BD_RUN_ROWS) {
        const int64_t n = kept->n - i < BD_RUN_ROWS ? kept->n - i : BD_RUN_ROWS;
        bd_widen_rows(column, kept, i, n, wide);
        if (result->n_nulls > 0)
            for (int64_t k = 0; k < n; k++)
                valid[k] = column->valid.data[kept->rows[i + k]];
        measure_run(column, &moments, wide, result->n_nulls > 0 ? valid : NULL, n);
    }
    bd_put_moments(&moments, column->mode, result);
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
        for (int64_t split = 0; split < n_splits; split++)
            measure_column(parser->columns + i, kept + split,
                           division->results + split * n_columns + i);
    return 0;
}
