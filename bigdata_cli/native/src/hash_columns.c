/* The hashes of rows, from the values of the columns of a block that was parsed. */

#include "hash_values.h"
#include "parser.h"

/* Rows [row, row + n) of a column, and where the sums of their hashes are; valid: null where none
 * of them is null. */
typedef struct {
    const bd_column *column;
    const uint8_t *valid;
    uint64_t salt;
    int64_t row, n;
    uint64_t *hashes;
} hash_run;

#if defined(__AVX2__)
/* Other instruction sets multiply no words. */
typedef int64_t signed_words __attribute__((vector_size(sizeof(bd_doubles))));
typedef uint8_t few_bytes __attribute__((vector_size(sizeof(bd_doubles) / 8)));

/* `bd_hash_number` of each number of a register. */
static inline bd_words hash_numbers(bd_doubles numbers, uint64_t salt)
{
    bd_words hash;
    numbers += 0.0;
    const bd_words is_nan = (bd_words)(signed_words)(numbers != numbers);
    memcpy(&hash, &numbers, sizeof hash);
    hash = (hash & ~is_nan) | (is_nan & 0x7ff8000000000000u);
    hash += salt * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBu;
    return hash ^ hash >> 31;
}

/* Returns how many values were taken: whole registers of them. */
static int64_t add_registers(const hash_run *run, const double *values)
{
    int64_t i = 0;
    for (; i + BD_DOUBLES <= run->n; i += BD_DOUBLES) {
        bd_doubles numbers;
        bd_words sums, more;
        memcpy(&numbers, values + i, sizeof numbers);
        memcpy(&sums, run->hashes + i, sizeof sums);
        more = hash_numbers(numbers, run->salt);
        if (run->valid != NULL) {
            few_bytes valid;
            memcpy(&valid, run->valid + i, sizeof valid);
            more &= (bd_words)(__builtin_convertvector(valid, bd_words) != 0);
        }
        sums += more;
        memcpy(run->hashes + i, &sums, sizeof sums);
    }
    return i;
}
#else
static int64_t add_registers(const hash_run *run, const double *values)
{
    (void)run;
    (void)values;
    return 0;
}
#endif

static void add_numbers(const hash_run *run, const double *values)
{
    int64_t i = add_registers(run, values);
    for (; i < run->n; i++) {
        const bool is_there = run->valid == NULL || run->valid[i];
        run->hashes[i] += bd_hash_number(values[i], run->salt) & (0 - (uint64_t)is_there);
    }
}

static void add_integers(const hash_run *run)
{
    const bd_column *column = run->column;
    int64_t wide[BD_RUN_ROWS];
    double values[BD_RUN_ROWS];
    bd_widen(column->storage, wide, column->values.data, run->row, run->n);
    if (column->mode == BD_MODE_UINT64)
        for (int64_t i = 0; i < run->n; i++)
            values[i] = (double)(uint64_t)wide[i];
    else
        for (int64_t i = 0; i < run->n; i++)
            values[i] = (double)wide[i];
    add_numbers(run, values);
}

static void add_times(const hash_run *run)
{
    const bd_column *column = run->column;
    int64_t wide[BD_RUN_ROWS];
    bd_widen(column->storage, wide, column->values.data, run->row, run->n);
    bd_add_time_hashes(run->n, wide, column->mode, run->valid, run->salt, run->hashes);
}

void bd_add_time_hashes(int64_t n, const int64_t *times, int32_t mode, const uint8_t *valid,
                        uint64_t salt, uint64_t *hashes)
{
    const int64_t scale = mode == BD_MODE_DATE ? 86400000000 : 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t micros = times[i] * scale, nanos = 0;
        if (mode == BD_MODE_TIMESTAMP_NS) {
            micros = times[i] / 1000 - (times[i] % 1000 < 0);
            nanos = times[i] - micros * 1000;
        }
        hashes[i] += valid == NULL || valid[i] ? bd_hash_time(micros, nanos, salt) : 0;
    }
}

/* The hash of n > 0 bytes of text in a column. */
static inline uint64_t hash_text(const bd_parser *parser, const bd_input *input, int64_t index,
                                 uint64_t salt, const uint8_t *text, int64_t n)
{
    const bool may_be_null =
        text[0] <= ' ' || text[n - 1] <= ' ' || bd_may_be_null(parser, text[0], n);
    return bd_hash_value(text, n, salt, input->rules, may_be_null ? input->nulls : NULL, index);
}

/* The hashes of the texts that were numbered since the last call. Returns false without memory. */
static bool hash_new_texts(const bd_parser *parser, const bd_input *input, int64_t index)
{
    bd_column *column = parser->columns + index;
    const bd_dictionary *dictionary = &column->dictionary;
    const int32_t *offsets = (const int32_t *)dictionary->offsets.data;
    if (!bd_reserve(&column->code_hashes, 8 * dictionary->n_values))
        return false;
    uint64_t *hashes = (uint64_t *)column->code_hashes.data;
    for (int64_t i = column->n_code_hashes; i < dictionary->n_values; i++) {
        const int64_t n = offsets[i + 1] - offsets[i];
        hashes[i] = n == 0 ? 0
                           : hash_text(parser, input, index, input->salts[index],
                                       dictionary->texts.data + offsets[i], n);
    }
    column->n_code_hashes = dictionary->n_values;
    return true;
}

static void add_texts(const hash_run *run, const bd_parser *parser, const bd_input *input,
                      int64_t index)
{
    const bd_column *column = run->column;
    const int32_t *offsets = (const int32_t *)column->values.data + run->row;
    for (int64_t i = 0; i < run->n; i++)
        if (offsets[i + 1] > offsets[i])
            run->hashes[i] +=
                hash_text(parser, input, index, run->salt, column->text.data + offsets[i],
                          offsets[i + 1] - offsets[i]);
}

/* Precondition: the texts of the codes are hashed. */
static void add_codes(const hash_run *run)
{
    const int32_t *codes = (const int32_t *)run->column->codes.data + run->row;
    const uint64_t *hashes = (const uint64_t *)run->column->code_hashes.data;
    for (int64_t i = 0; i < run->n; i++)
        run->hashes[i] += codes[i] < 0 ? 0 : hashes[codes[i]];
}

static bool add_column(const bd_parser *parser, const bd_input *input, int64_t index, int64_t row,
                       int64_t n, uint64_t *hashes)
{
    const bd_column *column = parser->columns + index;
    hash_run run = {.column = column, .salt = input->salts[index]};
    if (column->mode == BD_MODE_NULL)
        return true;
    const bool is_coded = column->mode == BD_MODE_TEXT && column->wants_codes;
    if (is_coded && !hash_new_texts(parser, input, index))
        return false;
    for (int64_t i = 0; i < n; i += BD_RUN_ROWS) {
        run.row = row + i;
        run.n = n - i < BD_RUN_ROWS ? n - i : BD_RUN_ROWS;
        run.valid = column->n_nulls > 0 ? column->valid.data + run.row : NULL;
        run.hashes = hashes + i;
        if (is_coded)
            add_codes(&run);
        else if (column->mode == BD_MODE_TEXT)
            add_texts(&run, parser, input, index);
        else if (column->mode == BD_MODE_FLOAT64)
            add_numbers(&run, (const double *)column->values.data + run.row);
        else if (column->mode >= BD_MODE_DATE)
            add_times(&run);
        else
            add_integers(&run);
    }
    return true;
}

bool bd_hash_columns(bd_parser *parser, const bd_input *input, int64_t row, int64_t n)
{
    if (!bd_reserve(&parser->hashes, 8 * (row + n)))
        return false;
    uint64_t *hashes = (uint64_t *)parser->hashes.data + row;
    if (n > 0)
        memset(hashes, 0, (size_t)(8 * n));
    for (int64_t i = 0; i < input->n_columns; i++)
        if (input->salts[i] != 0 && !add_column(parser, input, i, row, n, hashes))
            return false;
    return true;
}

int32_t bd_hash_rows(bd_parser *parser, const bd_input *input, int64_t n_rows)
{
    return bd_hash_columns(parser, input, 0, n_rows) ? 0 : BD_NO_MEMORY;
}

void bd_copy_hashes(const bd_parser *parser, int64_t n, uint64_t *hashes)
{
    if (n > 0)
        memcpy(hashes, parser->hashes.data, (size_t)(8 * n));
}

void bd_add_number_hashes(int64_t n, const double *values, const uint8_t *valid, uint64_t salt,
                          uint64_t *hashes)
{
    const hash_run run = {.valid = valid, .salt = salt, .n = n, .hashes = hashes};
    add_numbers(&run, values);
}

void bd_add_text_hashes(int64_t n, const int32_t *offsets, const uint8_t *texts,
                        const bd_rules *rules, uint64_t salt, uint64_t *hashes)
{
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] > offsets[i])
            hashes[i] += bd_hash_value(texts + offsets[i], offsets[i + 1] - offsets[i], salt, rules,
                                       NULL, 0);
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
