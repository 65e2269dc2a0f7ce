/* The columns of a row group as pages: uncompressed bodies, one after another in memory of the
 * caller, who compresses them. */

#include "parquet.h"

enum { MAX_PAGE_BYTES = 1 << 20 };

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

/* The bounds of texts at two places; none where the second has no largest beginning. */
static void put_text_range(struct work *work, const struct bd_gathered *gathered, int64_t low,
                           int64_t high, struct bd_parquet_bounds *bounds)
{
    bounds->min_size = bounds->max_size = -1;
    bd_put_text_bounds(&work->bounds, gathered->texts[low], gathered->lengths[low],
                       gathered->texts[high], gathered->lengths[high], bounds);
}

/* The smallest and the largest of texts that have no dictionary: of the pages so far, -1 for none.
 */
struct text_range {
    int64_t low, high;
};

/* The bounds of `n` (at least 1) texts from `first` that have no dictionary, as a page. `all` takes
 * them in, so that the bounds of all pages need no second look at the texts. */
static void put_page_texts(struct work *work, const struct bd_gathered *gathered, int64_t first,
                           int64_t n, struct text_range *all, struct bd_parquet_bounds *bounds)
{
    int64_t low, high, smaller, larger;
    bd_text_range(gathered->texts + first, gathered->lengths + first, NULL, n, &low, &high);
    low += first;
    high += first;
    put_text_range(work, gathered, low, high, bounds);
    if (all->low < 0)
        *all = (struct text_range){low, high};
    const int64_t places[4] = {all->low, low, all->high, high};
    const uint8_t *texts[4];
    int32_t lengths[4];
    for (int i = 0; i < 4; i++) {
        texts[i] = gathered->texts[places[i]];
        lengths[i] = gathered->lengths[places[i]];
    }
    bd_text_range(texts, lengths, NULL, 4, &smaller, &larger);
    *all = (struct text_range){places[smaller], places[larger]};
}

/* The bounds of `n` values from `first`, but of texts without a dictionary; `marks`: a number for
 * each distinct text of a dictionary, all 0, and so when this returns. */
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
        if (!marks || n == gathered->values) {
            bd_text_range(gathered->texts, gathered->lengths, NULL, n_distinct, &low, &high);
        } else {
            for (int64_t i = 0; i < n; i++)
                marks[e->dictionary.codes[first + i]] = 1;
            bd_text_range(gathered->texts, gathered->lengths, marks, n_distinct, &low, &high);
            memset(marks, 0, (size_t)n_distinct * 4);
        }
        put_text_range(work, gathered, low, high, bounds);
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

/* Rows of the page that begins with a row: BD_MAX_PAGE_ROWS, of texts fewer where they are long. */
static int64_t page_rows(const struct bd_encoding *e, int64_t first_row, int64_t first_value)
{
    const struct bd_gathered *gathered = &e->gathered;
    const int64_t left = gathered->rows - first_row;
    const int64_t most = left < BD_MAX_PAGE_ROWS ? left : BD_MAX_PAGE_ROWS;
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

static bool encode_column(struct work *work, struct bd_arrow_array *const *batches,
                          int64_t n_batches, int64_t child, const struct bd_parquet_column *column,
                          struct bd_arena arena, struct bd_parquet_chunk *chunk)
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
    const bool are_plain_texts = e.gathered.texts && n_distinct < 0;
    struct text_range range = {-1, -1};
    int64_t row = 0, value = 0;
    while (row < e.gathered.rows) {
        const int64_t rows = page_rows(&e, row, value);
        const int64_t values =
            e.gathered.validity ? bd_count_bits(e.gathered.validity, row, rows) : rows;
        struct bd_parquet_page *page = add_page(work, child, BD_DATA_PAGE, e.encoding);
        page->first_row = row;
        page->rows = rows;
        page->nulls = rows - values;
        page->values = values;
        uint8_t *out = bd_put_levels(e.gathered.validity, row, rows, work->out.next);
        page->levels = out - work->out.next;
        end_page(work, page, bd_put_values(&e, value, values, out));
        if (are_plain_texts && values > 0)
            put_page_texts(work, &e.gathered, value, values, &range, &page->bounds);
        else
            put_bounds(work, &e, value, values, marks, &page->bounds);
        row += rows;
        value += values;
    }
    chunk->n_pages = work->n_pages - chunk->first_page;
    if (chunk->n_pages - (n_distinct >= 0) == 1)
        chunk->bounds = work->pages[work->n_pages - 1].bounds;
    else if (range.low >= 0)
        put_text_range(work, &e.gathered, range.low, range.high, &chunk->bounds);
    else
        put_bounds(work, &e, 0, e.gathered.values, marks, &chunk->bounds);
    return true;
}

/* The bytes of the texts of all rows of a category, at the least; where none of them is long a
 * bound does. */
static int64_t bytes_of_category(const struct bd_arrow_array *array)
{
    enum { SHORT = 16 };
    const struct bd_arrow_array *texts = array->dictionary;
    const int32_t *ends = (const int32_t *)texts->buffers[1] + texts->offset;
    const int32_t *indices = (const int32_t *)array->buffers[1] + array->offset;
    const uint8_t *validity = array->null_count == 0 ? NULL : array->buffers[0];
    int64_t longest = 0, bytes = 0;
    for (int64_t i = 0; i < texts->length; i++)
        longest = ends[i + 1] - ends[i] > longest ? ends[i + 1] - ends[i] : longest;
    if (longest <= SHORT)
        return array->length * longest;
    for (int64_t i = 0; i < array->length; i++) {
        const int64_t row = array->offset + i;
        if (!validity || validity[row >> 3] >> (row & 7) & 1)
            bytes += ends[indices[i] + 1] - ends[indices[i]];
    }
    return bytes;
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
            bytes += is_category ? bytes_of_category(array) : 0;
        }
    }
    const int64_t n_pages = rows / BD_MAX_PAGE_ROWS + bytes / (MAX_PAGE_BYTES / 2) + 3;
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
