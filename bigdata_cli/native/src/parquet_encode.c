/* The columns of a row group as pages: uncompressed bodies, one after another in memory of the
 * caller, who compresses them. */

#include "parquet.h"

enum { MAX_PAGE_ROWS = 1 << 16, MAX_PAGE_BYTES = 1 << 20 };

/* What a call of bd_parquet_encode works on. */
struct work {
    bool compressed;
    struct bd_arena out;
    struct bd_bounds_sink bounds;
    struct bd_parquet_page *pages;
    int64_t n_pages;
    uint8_t *out_start;
};

static struct bd_parquet_page *add_page(struct work *work, int64_t column, int64_t type,
                                        int64_t encoding)
{
    struct bd_parquet_page *page = &work->pages[work->n_pages++];
    memset(page, 0, sizeof *page);
    page->column = column;
    page->type = type;
    page->encoding = encoding;
    page->bounds.min_size = page->bounds.max_size = -1;
    page->at = work->out.next - work->out_start;
    return page;
}

static void end_page(struct work *work, struct bd_parquet_page *page, uint8_t *end)
{
    page->size = end - work->out.next;
    page->stored = (uint64_t)(uintptr_t)work->out.next;
    page->stored_size = page->size;
    work->out.next = end;
}

static void put_dictionary(struct work *work, int64_t column, const struct bd_encoding *e)
{
    struct bd_parquet_page *page = add_page(work, column, BD_DICTIONARY_PAGE, BD_PLAIN);
    uint8_t *out = work->out.next;
    if (e->gathered.texts) {
        page->values = e->gathered.distinct;
        for (int64_t i = 0; i < e->gathered.distinct; i++) {
            const int32_t length = e->gathered.lengths[i];
            memcpy(out, &length, 4);
            if (length)
                memcpy(out + 4, e->gathered.texts[i], (size_t)length);
            out += 4 + length;
        }
    } else {
        const int64_t size = e->column->physical;
        page->values = e->dictionary.distinct;
        for (int64_t i = 0; i < e->dictionary.distinct; i++)
            memcpy(out + i * size, &e->dictionary.values[i], (size_t)size);
        out += e->dictionary.distinct * size;
    }
    end_page(work, page, out);
}

/* The bounds of `n` values from `first`; `marks`: a number for each distinct text of a dictionary,
 * all 0, and so when this returns. */
static void put_bounds(struct work *work, const struct bd_encoding *e, int64_t first, int64_t n,
                       uint32_t *marks, struct bd_parquet_bounds *bounds)
{
    const struct bd_parquet_column *column = e->column;
    const struct bd_gathered *gathered = &e->gathered;
    bounds->min_size = bounds->max_size = -1;
    if (n == 0)
        return;
    if (gathered->texts) {
        int64_t low, high;
        const int64_t n_distinct = gathered->distinct;
        if (e->encoding != BD_RLE_DICTIONARY) {
            bd_text_range(gathered->texts + first, gathered->lengths + first, NULL, n, &low,
                          &high);
            low += first;
            high += first;
        } else if (n == gathered->values) {
            bd_text_range(gathered->texts, gathered->lengths, NULL, n_distinct, &low, &high);
        } else {
            for (int64_t i = 0; i < n; i++)
                marks[e->dictionary.codes[first + i]] = 1;
            bd_text_range(gathered->texts, gathered->lengths, marks, n_distinct, &low, &high);
            memset(marks, 0, (size_t)n_distinct * 4);
        }
        bd_put_text_bounds(&work->bounds, gathered->texts[low], gathered->lengths[low],
                           gathered->texts[high], gathered->lengths[high], bounds);
        return;
    }
    uint64_t min, max;
    const uint8_t *numbers = (const uint8_t *)gathered->numbers;
    if (column->kind == BD_BOOL) {
        const int64_t ones = bd_count_bits(numbers, first, n);
        bd_put_number_bounds(&work->bounds, 1, ones == n, ones > 0, bounds);
        return;
    }
    const int width = (int)column->width;
    if (column->kind == BD_FLOAT) {
        if (bd_float_range(numbers + first * width, width, n, &min, &max))
            bd_put_number_bounds(&work->bounds, width, min, max, bounds);
        return;
    }
    bd_number_range(numbers + first * width, width, column->is_signed, n, &min, &max);
    bd_put_number_bounds(&work->bounds, column->physical, min, max, bounds);
}

/* Rows of the page that begins with a row: MAX_PAGE_ROWS, of texts fewer where they are long. */
static int64_t page_rows(const struct bd_encoding *e, int64_t first_row, int64_t first_value)
{
    const struct bd_gathered *gathered = &e->gathered;
    const int64_t left = gathered->rows - first_row;
    const int64_t most = left < MAX_PAGE_ROWS ? left : MAX_PAGE_ROWS;
    if (!gathered->texts || e->encoding == BD_RLE_DICTIONARY)
        return most;
    int64_t bytes = 0, value = first_value;
    for (int64_t i = 0; i < most; i++) {
        const int64_t row = first_row + i;
        if (gathered->validity && !(gathered->validity[row >> 3] >> (row & 7) & 1))
            continue;
        bytes += gathered->lengths[value++];
        if (bytes > MAX_PAGE_BYTES && i)
            return i;
    }
    return most;
}

<<<<<<< HEAD
/* Numbers by a table of their range, where that is small; false where it is not, or where so many
 * are distinct that no dictionary can pay. */
static bool code_by_range(struct encoding *e, uint64_t min, uint64_t max, struct bd_arena *arena)
{
    const int64_t n = e->gathered.values;
    const uint64_t span = max - min;
    const int width = (int)e->column->width;
    if (span >= MAX_TABLE_SPAN || (span > 255 && span > 4 * (uint64_t)n))
        return false;
    uint32_t *ranks = bd_take(arena, ((int64_t)span + 2) * 4);
    if (!ranks)
        return false;
    e->dictionary.distinct = bd_count_in_range(e->gathered.numbers, width, n, min, span, ranks);
    if (e->dictionary.distinct > n / 2 + 1)
        return false;
    bd_code_in_range(e->gathered.numbers, width, e->column->is_signed, n, min, span, ranks,
                     &e->dictionary);
    return true;
}

static int64_t dictionary_bits(const struct encoding *e, int64_t distinct, int64_t value_bits,
                               int64_t code_cost)
{
    return PAGE_COST + distinct * value_bits + e->gathered.values * code_cost / 256;
}

/* Keep the codes as the encoding if they cost less than `other` bits. */
static void settle(const struct work *work, struct encoding *e, int64_t value_bits, int64_t other,
                   enum bd_parquet_encoding otherwise)
{
    int64_t cost;
    e->code_bits = bd_code_bits(e->dictionary.codes, e->gathered.values, e->dictionary.distinct,
                                work->compressed, &cost);
    const bool pays = dictionary_bits(e, e->dictionary.distinct, value_bits, cost) < other;
    e->encoding = pays ? BD_RLE_DICTIONARY : otherwise;
}

static int64_t delta_cost(const uint64_t *sample, int64_t n)
{
    int64_t bits = 0;
    for (int64_t at = 0; at < n; at += 512)
        bits += bd_delta_bits(sample + at, n - at < 512 ? n - at : 512);
    return bits * 256 / n;
}

static void choose_for_integers(const struct work *work, struct encoding *e, uint64_t min,
                                uint64_t max, struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const struct bd_parquet_column *column = e->column;
    const int64_t n = e->gathered.values;
    const int width = (int)column->width, physical = (int)column->physical;
    const int64_t taken = bd_sample_values(&e->gathered, width, column->is_signed, sample);
    enum bd_parquet_encoding otherwise = BD_DELTA_BINARY_PACKED;
    int64_t other = n * delta_cost(sample, taken) / 256;
    if (work->compressed) {
        const int64_t plain = n * (bd_plain_bits(sample, taken, physical) * 256 / taken) / 256;
        /* More bytes for zstd: they must pay. */
        if (plain * 7 < other * 6) {
            other = plain * 7 / 6;
            otherwise = BD_PLAIN;
        }
    }
    const int64_t value_bits = physical * (work->compressed ? 6 : 8);
    e->encoding = otherwise;
    if (max - min < MAX_TABLE_SPAN) {
        if (code_by_range(e, min, max, arena))
            settle(work, e, value_bits, min == max ? INT64_MAX : other, otherwise);
        return;
    }
    const int64_t distinct = bd_estimate_distinct(sample, taken, n);
    const int64_t code_cost = 256 * bd_bits_of((uint64_t)distinct) * 3 / 4;
    if (distinct > n / 2 || dictionary_bits(e, distinct, value_bits, code_cost) >= other)
        return;
    if (bd_code_by_hash(e->gathered.numbers, width, column->is_signed, n, distinct, n / 2 + 1,
                        arena, &e->dictionary))
        settle(work, e, value_bits, other, otherwise);
}

/* Floats that come again are few bits by a dictionary, or as they are, where zstd finds them;
 * others are best with their bytes apart. Between the last two the caller decides, by trying. */
static void choose_for_floats(const struct work *work, struct encoding *e, struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const int64_t n = e->gathered.values;
    const int width = (int)e->column->width;
    const int64_t taken = bd_sample_values(&e->gathered, width, false, sample);
    const int64_t distinct = bd_estimate_distinct(sample, taken, n);
    enum bd_parquet_encoding otherwise = BD_PLAIN;
    bool can_be_split = false;
    int64_t other = n * 8 * width;
    int64_t value_bits = 8 * width;
    if (work->compressed && n * width >= MIN_TRIAL_BYTES) {
        const int64_t split = n * (bd_split_bits(sample, taken, width) * 256 / taken) / 256;
        /* A value that came before is a match for zstd, of some 24 bits. */
        const int64_t matched = distinct * 7 * width + (n - distinct) * 24;
        value_bits = 9 * width / 2;    /* in a sorted dictionary */
        const bool is_split = split * 100 < other * 98 && split <= matched;
        can_be_split = distinct * 20 < n * 19;
        if (is_split && !can_be_split)
            otherwise = BD_BYTE_STREAM_SPLIT;
        other = is_split ? split : matched < other ? matched : other;
    }
    e->encoding = otherwise;
    const int64_t code_cost = 256 * bd_bits_of((uint64_t)distinct) * 7 / 8;
    const bool may_pay = dictionary_bits(e, distinct, value_bits, code_cost) < other;
    if (distinct == 1 || (distinct <= n / 2 && may_pay)) {
        if (bd_code_by_hash(e->gathered.numbers, width, false, n, distinct, n / 2 + 1, arena,
                            &e->dictionary))
            settle(work, e, value_bits, distinct == 1 ? INT64_MAX : other, otherwise);
    }
    e->can_be_split = can_be_split && e->encoding == BD_PLAIN;
}

/* A dictionary of texts where they come again; false where it would hold too many. */
static bool code_texts(struct encoding *e, int64_t limit, struct bd_arena *arena)
{
    struct bd_strings strings;
    struct bd_gathered *gathered = &e->gathered;
    if (!bd_strings_begin(&strings, limit, arena))
        return false;
    for (int64_t i = 0; i < gathered->values; i++) {
        if (strings.distinct == limit)
            return false;
        e->dictionary.codes[i] = bd_strings_code(&strings, gathered->texts[i],
                                                 gathered->lengths[i]);
    }
    e->dictionary.distinct = strings.distinct;
    gathered->texts = strings.texts;
    gathered->lengths = strings.lengths;
    gathered->distinct = strings.distinct;
    return true;
}

static void choose_for_texts(const struct work *work, struct encoding *e, struct bd_arena *arena)
{
    uint64_t sample[BD_SAMPLE];
    const int64_t n = e->gathered.values;
    const int64_t taken = bd_sample_values(&e->gathered, 0, false, sample);
    const int64_t distinct = bd_estimate_distinct(sample, taken, n);
    int64_t bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += e->gathered.lengths[i];
    e->encoding = BD_DELTA_LENGTH_BYTE_ARRAY;
    const int64_t text_bits = bytes * (work->compressed ? 5 : 8) / n;
    const int64_t bits = dictionary_bits(e, distinct, text_bits + 16,
                                         256 * bd_bits_of((uint64_t)distinct));
    if (distinct > n / 2 || bits >= n * (text_bits + 4))
        return;
    const int64_t limit = 2 * distinct + 1024 < n ? 2 * distinct + 1024 : n;
    if (code_texts(e, limit + 1, arena)) {
        int64_t cost;
        e->encoding = BD_RLE_DICTIONARY;
        e->code_bits = bd_code_bits(e->dictionary.codes, n, e->dictionary.distinct,
                                    work->compressed, &cost);
    }
}

static bool choose(const struct work *work, struct encoding *e, struct bd_arena *arena)
{
    const struct bd_gathered *gathered = &e->gathered;
    const int64_t n = gathered->values;
    int64_t cost;
    uint64_t min, max;
    e->encoding = BD_PLAIN;
    if (n == 0 || e->column->kind == BD_BOOL)
        return true;
    if (e->column->kind == BD_CATEGORY) {
        e->encoding = BD_RLE_DICTIONARY;
        e->dictionary.codes = gathered->numbers;
        e->dictionary.distinct = gathered->distinct;
        e->code_bits = bd_code_bits(e->dictionary.codes, n, gathered->distinct,
                                    work->compressed, &cost);
        return true;
    }
    e->dictionary.codes = bd_take(arena, (n + 16) * 4);
    e->dictionary.values = bd_take(arena, (n + 2) * 8);
    if (!e->dictionary.codes || !e->dictionary.values)
        return false;
    switch (e->column->kind) {
    case BD_TEXT:
        choose_for_texts(work, e, arena);
        break;
    case BD_FLOAT:
        choose_for_floats(work, e, arena);
        break;
    default:
        bd_number_range(gathered->numbers, (int)e->column->width, e->column->is_signed, n, &min,
                        &max);
        choose_for_integers(work, e, min, max, arena);
    }
    return true;
}

=======
>>>>>>> parquet
static bool encode_column(struct work *work, struct bd_arrow_array *const *batches,
                          int64_t n_batches, int64_t child,
                          const struct bd_parquet_column *column, struct bd_arena arena,
                          struct bd_parquet_chunk *chunk)
{
    struct bd_encoding e = {.column = column};
    if (!bd_gather(batches, n_batches, child, column, &arena, &e.gathered) ||
        !bd_choose(work->compressed, &e, &arena))
        return false;
    const int64_t n_distinct = e.encoding == BD_RLE_DICTIONARY ? e.dictionary.distinct : -1;
    uint32_t *marks = NULL;
    if (e.gathered.texts && n_distinct >= 0) {
        marks = bd_take(&arena, (n_distinct + 1) * 4);
        if (!marks)
            return false;
        memset(marks, 0, (size_t)(n_distinct + 1) * 4);
    }
    memset(chunk, 0, sizeof *chunk);
    chunk->rows = e.gathered.rows;
    chunk->nulls = e.gathered.rows - e.gathered.values;
    chunk->distinct = n_distinct;
    chunk->encoding = e.encoding;
    chunk->can_be_split = e.can_be_split;
    chunk->first_page = work->n_pages;
    if (e.encoding == BD_RLE_DICTIONARY)
        put_dictionary(work, child, &e);
    int64_t row = 0, value = 0;
    while (row < e.gathered.rows) {
        const int64_t rows = page_rows(&e, row, value);
        const int64_t values = e.gathered.validity ? bd_count_bits(e.gathered.validity, row, rows)
                                                   : rows;
        struct bd_parquet_page *page = add_page(work, child, BD_DATA_PAGE, e.encoding);
        page->first_row = row;
        page->rows = rows;
        page->nulls = rows - values;
        page->values = values;
        uint8_t *out = bd_put_levels(e.gathered.validity, row, rows, work->out.next);
        page->levels = out - work->out.next;
        end_page(work, page, bd_put_values(&e, value, values, out));
        put_bounds(work, &e, value, values, marks, &page->bounds);
        row += rows;
        value += values;
    }
    chunk->n_pages = work->n_pages - chunk->first_page;
    if (chunk->n_pages - (n_distinct >= 0) == 1)
        chunk->bounds = work->pages[work->n_pages - 1].bounds;
    else
        put_bounds(work, &e, 0, e.gathered.values, marks, &chunk->bounds);
    return true;
}

static void room_of(struct bd_arrow_array *const *batches, int64_t n_batches, int64_t child,
                    const struct bd_parquet_column *column, int64_t *room)
{
    int64_t rows = 0, bytes = 0, entries = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const struct bd_arrow_array *array = batches[b]->children[child];
        const bool is_category = column->kind == BD_CATEGORY;
        const struct bd_arrow_array *texts = is_category ? array->dictionary : array;
        rows += array->length;
        entries += is_category ? texts->length : 0;
        if (column->kind >= BD_TEXT && texts->length) {
            const int32_t *ends = (const int32_t *)texts->buffers[1] + texts->offset;
            bytes += ends[texts->length] - ends[0];
        }
    }
    const int64_t n_pages = rows / MAX_PAGE_ROWS + bytes / (MAX_PAGE_BYTES / 2) + 3;
    room[0] = rows * (column->kind == BD_BOOL ? 1 : 14) + bytes + 4 * entries + n_pages * 64 + 512;
    room[1] = rows * 128 + entries * 96 + (1 << 19);
    room[2] = (n_pages + 1) * 130;
    room[3] = n_pages;
}

/* What bd_parquet_encode needs for each of the `n` columns: four numbers in `room`, the bytes of
 * `out`, of `scratch` and of `bounds`, and the pages. */
void bd_parquet_room(struct bd_arrow_array *const *batches, int64_t n_batches,
                     const struct bd_parquet_column *columns, int64_t n, int64_t *room)
{
    for (int64_t i = 0; i < n; i++)
        room_of(batches, n_batches, i, &columns[i], room + 4 * i);
}

/* Encode columns first … first + n - 1 of a table that is given as record batches.
 *
 * batches: as the Arrow C data interface has them, of offset 0, with one child a column of the
 * table; each child as `columns` (of the whole table) says. compressed: whether pages will be.
 * `out`, `scratch`, `bounds` and `pages` have the room that bd_parquet_room asks for: the sum over
 * the columns, of `scratch` the largest. `used`: the bytes of `bounds` that are used before, and
 * then. chunks: n of them. Pages and chunks hold what is known; pages of a column follow one
 * another. Returns the number of pages, or -1 where there was not enough room. */
int64_t bd_parquet_encode(struct bd_arrow_array *const *batches, int64_t n_batches,
                          const struct bd_parquet_column *columns, int64_t first, int64_t n,
                          int64_t compressed, uint8_t *out, int64_t out_size, uint8_t *scratch,
                          int64_t scratch_size, uint8_t *bounds, int64_t *used,
                          struct bd_parquet_page *pages, struct bd_parquet_chunk *chunks)
{
    struct work work = {
        .compressed = compressed != 0,
        .out = {out, out + out_size},
        .bounds = {bounds, *used},
        .pages = pages,
        .out_start = out,
    };
    const struct bd_arena arena = {scratch, scratch + scratch_size};
    for (int64_t i = 0; i < n; i++) {
        if (!encode_column(&work, batches, n_batches, first + i, &columns[first + i], arena,
                           &chunks[i]))
            return -1;
    }
    *used = work.bounds.used;
    return work.n_pages;
}
