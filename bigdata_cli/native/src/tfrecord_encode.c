/* Encodes Arrow batches as records of `tf.train.Example`: the layouts rows and packed.
 *
 * A tile of rows is composed in scratch, column after column: each row has a place of its own
 * there, with room for the most that its columns can take, so that a column is read in one go and
 * what is written may spill over its end. A finished row gets its head and CRCs while it is in the
 * first cache, and is copied to the end of the output. */

#include "tfrecord_encode.h"

#include "tfrecord_wire.h"

typedef uint8_t bytes32 __attribute__((vector_size(32)));

enum {
    /* Bytes of a tile's rows, that stay in the first cache. */
    TILE_BYTES = 1 << 15,
    /* Fewer rows are not worth to open a column for. */
    MIN_TILE_ROWS = 16,
    /* Of the head of a single value, besides its key, as long as no length takes two bytes. */
    SHORT_HEAD = 10,
    MAX_SHORT = 0x7f,
    /* The head of a list whose key is "label" or shorter, with slack. */
    LIST_HEAD = BD_LIST_HEAD + 16,
    HEAD_ROOM = MAX_SHORT + 33,
};

/* What stands before a single value of few bytes: piece after piece 32 bytes, and 32 bytes that are
 * 0xff where a length stands, to which the bytes of the value are added. */
struct head {
    const uint8_t *pieces;
    int64_t size, max_payload;
};

/* Write a head for a value of `payload` bytes; up to 31 bytes after its end are overwritten. */
static inline void put_head(uint8_t *out, const struct head *head, uint8_t payload)
{
    const bytes32 more = (bytes32){0} + payload;
    for (int64_t k = 0; k < head->size; k += 32) {
        bytes32 piece, grows;
        memcpy(&piece, head->pieces + 2 * k, 32);
        memcpy(&grows, head->pieces + 2 * k + 32, 32);
        piece += grows & more;
        memcpy(out + k, &piece, 32);
    }
}

/* Copy a head that has been written for one payload, likewise. */
static inline void copy_head(uint8_t *out, const uint8_t *head, int64_t size)
{
    for (int64_t k = 0; k < size; k += 32)
        memcpy(out + k, head + k, 32);
}

static int64_t head_pieces(const struct bd_tfrecord_list *list)
{
    const int64_t size = list->key_size + SHORT_HEAD;
    return size < MAX_SHORT ? 2 * ((size + 31) / 32 * 32) : 0;
}

int64_t bd_tfrecord_heads_bytes(const struct bd_tfrecord_plan *plan)
{
    int64_t total = 0;
    for (int f = 0; f < plan->n_lists; f++)
        total += head_pieces(&plan->lists[f]);
    return total;
}

void bd_tfrecord_heads(const struct bd_tfrecord_plan *plan)
{
    static const uint8_t TAGS[] = {0x1a, 0x12, 0x0a, 0x1a};
    int32_t at = 0;
    for (int f = 0; f < plan->n_lists; f++) {
        struct bd_tfrecord_list *list = &plan->lists[f];
        const int32_t n_bytes = (int32_t)head_pieces(list);
        list->head_at = at;
        list->head_size = n_bytes ? list->key_size + SHORT_HEAD : 0;
        /* The entry's length is the largest: it counts all of the head but two bytes. */
        list->max_payload = n_bytes ? MAX_SHORT - (list->head_size - 2) : -1;
        if (n_bytes == 0)
            continue;
        uint8_t head[HEAD_ROOM] = {0}, grows[HEAD_ROOM] = {0};
        const int after_key = 4 + list->key_size;
        const uint8_t key_head[] = {0x0a, (uint8_t)(list->head_size - 2), 0x0a,
                                    (uint8_t)list->key_size};
        const uint8_t list_head[] = {0x12, 4, TAGS[list->kind], 2, 0x0a, 0};
        memcpy(head, key_head, sizeof key_head);
        memcpy(head + 4, plan->keys + list->key_at, (size_t)list->key_size);
        memcpy(head + after_key, list_head, sizeof list_head);
        grows[1] = grows[after_key + 1] = grows[after_key + 3] = grows[after_key + 5] = 0xff;
        for (int k = 0; k < n_bytes / 2; k += 32) {
            memcpy(plan->heads + at + 2 * k, head + k, 32);
            memcpy(plan->heads + at + 2 * k + 32, grows + k, 32);
        }
        at += n_bytes;
    }
}

int64_t bd_tfrecord_value_bytes(int type)
{
    switch (type) {
    case BD_TFRECORD_BOOL:
        return 1;
    case BD_TFRECORD_UINT8:
        return 2;
    case BD_TFRECORD_UINT16:
        return 3;
    case BD_TFRECORD_UINT32:
        return 5;
    case BD_TFRECORD_FLOAT32:
    case BD_TFRECORD_FLOAT64:
        return 4;
    default: /* a negative number, or a tag and the length of a text */
        return BD_MAX_VARINT;
    }
}

/* Bytes of the lists of `rows` rows at the most, without those of texts. */
static int64_t lists_bytes(const struct bd_tfrecord_plan *plan, int64_t rows)
{
    int64_t total = 0;
    for (int f = 0; f < plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &plan->lists[f];
        total += list->key_size + BD_LIST_HEAD;
        for (int k = list->first; k < list->first + list->count; k++)
            total += list->kind == BD_TFRECORD_VALID
                         ? rows
                         : rows * bd_tfrecord_value_bytes(plan->columns[k].type);
    }
    return total;
}

static bool is_text(const struct bd_tfrecord_column *column)
{
    return column->type == BD_TFRECORD_TEXT || column->type == BD_TFRECORD_CATEGORY ||
           column->type == BD_TFRECORD_UINT64;
}

int64_t bd_tfrecord_bound(const struct bd_tfrecord_plan *plan,
                          const struct bd_tfrecord_batches *batches, int64_t *scratch_bytes)
{
    const int64_t framing = BD_RECORD_HEAD + 4;
    int64_t n_rows = 0, text = 0;
    for (int64_t b = 0; b < batches->n_batches; b++) {
        n_rows += batches->batches[b]->length;
        for (int c = 0; c < plan->n_columns; c++)
            if (is_text(&plan->columns[c])) {
                const struct bd_open_column open =
                    bd_open_column(&plan->columns[c], batches->batches[b], NULL);
                text += bd_text_bytes(&open, batches->batches[b]->length);
            }
    }
    const int64_t opened =
        batches->n_batches * plan->n_columns * (int64_t)sizeof(struct bd_open_column);
    if (plan->layout == BD_TFRECORD_BLOCK) {
        *scratch_bytes = opened;
        const int64_t n_records = (n_rows + plan->block_rows - 1) / plan->block_rows;
        const int64_t heads = lists_bytes(plan, 0) + framing;
        return n_records * heads + lists_bytes(plan, n_rows) + text + BD_TFRECORD_SLACK;
    }
    const int64_t row = lists_bytes(plan, 1) + framing;
    /* A place of a row begins and ends at multiples of 64 bytes, and has slack. */
    *scratch_bytes = opened + BD_TILE * (row + BD_TFRECORD_SLACK + 4 * 64) + text;
    return n_rows * row + text + BD_TFRECORD_SLACK;
}

uint8_t *bd_put_text(uint8_t *out, const uint8_t *text, int64_t size, const uint8_t *text_end)
{
    if (size <= 16 && text_end - text >= 16)
        memcpy(out, text, 16);
    else
        memcpy(out, text, (size_t)size);
    return out + size;
}

/* What a tile is made with: at[r] is where row r goes on in scratch. */
struct tile {
    const struct bd_tfrecord_plan *plan;
    const struct bd_open_column *columns;
    int64_t row;
    int count;
    uint8_t *at[BD_TILE];
};

static inline bool all_rows(const struct tile *tile, uint64_t valid)
{
    return valid == (tile->count == 64 ? UINT64_MAX : (1ull << tile->count) - 1);
}

/* Values whose heads have lengths of several bytes, of a kind that is no text. */
static void put_long_heads(struct tile *tile, const struct bd_tfrecord_list *list,
                           const int64_t *numbers, uint64_t valid)
{
    const uint8_t *key = tile->plan->keys + list->key_at;
    for (int r = 0; r < tile->count; r++)
        if (valid >> r & 1) {
            const uint64_t number = (uint64_t)numbers[r];
            const bool is_float = list->kind == BD_TFRECORD_FLOAT;
            uint8_t *at = bd_put_list_head(tile->at[r], list->kind, key, list->key_size,
                                           is_float ? 4 : bd_varint_bytes(number));
            if (is_float)
                bd_store_u32(at, (uint32_t)number);
            tile->at[r] = is_float ? at + 4 : bd_put_varint(at, number);
        }
}

/* One integer in each row that has one; what is written of others is overwritten. */
static void put_ints(struct tile *tile, const struct bd_tfrecord_list *list,
                     const struct head *of_plan, const int64_t *numbers, uint64_t valid)
{
    const struct head head = *of_plan;
    const int count = tile->count;
    uint8_t **const rows = tile->at;
    uint64_t any = 0;
    for (int r = 0; r < count; r++)
        any |= (uint64_t)numbers[r];
    if (head.max_payload < BD_MAX_VARINT) {
        put_long_heads(tile, list, numbers, valid);
    } else if (any < 0x80) {
        uint8_t written[HEAD_ROOM];
        put_head(written, &head, 1);
        for (int r = 0; r < count; r++) {
            uint8_t *at = rows[r];
            copy_head(at, written, head.size);
            at[head.size] = (uint8_t)numbers[r];
            rows[r] = at + (valid >> r & 1 ? head.size + 1 : 0);
        }
    } else if (any < 0x4000) {
        for (int r = 0; r < count; r++) {
            uint8_t *at = rows[r];
            put_head(at, &head, numbers[r] > 0x7f ? 2 : 1);
            uint8_t *end = bd_put_varint14(at + head.size, (uint64_t)numbers[r]);
            rows[r] = valid >> r & 1 ? end : at;
        }
    } else {
        for (int r = 0; r < count; r++) {
            uint8_t *at = rows[r];
            const int n = bd_varint_bytes((uint64_t)numbers[r]);
            put_head(at, &head, (uint8_t)n);
            bd_put_varint_of(at + head.size, (uint64_t)numbers[r], n);
            rows[r] = at + (valid >> r & 1 ? head.size + n : 0);
        }
    }
}

static void put_floats(struct tile *tile, const struct bd_tfrecord_list *list,
                       const struct head *head, const uint32_t *bits, uint64_t valid)
{
    const int count = tile->count;
    const int64_t size = head->size;
    uint8_t **const rows = tile->at;
    if (head->max_payload < 4) {
        int64_t numbers[BD_TILE];
        for (int r = 0; r < count; r++)
            numbers[r] = bits[r];
        put_long_heads(tile, list, numbers, valid);
        return;
    }
    uint8_t written[HEAD_ROOM];
    put_head(written, head, 4);
    for (int r = 0; r < count; r++) {
        uint8_t *at = rows[r];
        copy_head(at, written, size);
        bd_store_u32(at + size, bits[r]);
        rows[r] = at + (valid >> r & 1 ? size + 4 : 0);
    }
}

static void put_texts(struct tile *tile, const struct bd_tfrecord_list *list,
                      const struct head *head, const struct bd_tile_texts *texts,
                      const uint8_t *text_end, uint64_t valid)
{
    const uint8_t *key = tile->plan->keys + list->key_at;
    for (int r = 0; r < tile->count; r++) {
        const int64_t length = texts->lengths[r];
        uint8_t *at = tile->at[r];
        if (!(valid >> r & 1))
            continue;
        if (length <= head->max_payload) {
            put_head(at, head, (uint8_t)length);
            at += head->size;
        } else {
            at = bd_put_list_head(at, list->kind, key, list->key_size, bd_field_bytes(length));
            *at++ = 0x0a;
            at = bd_put_varint(at, (uint64_t)length);
        }
        tile->at[r] = bd_put_text(at, texts->starts[r], length, text_end);
    }
}

/* Where the texts of a column may be read up to; NULL: exactly as they are. */
static const uint8_t *readable_end(const struct bd_open_column *column)
{
    return column->type == BD_TFRECORD_UINT64 ? NULL : column->text + column->text_end;
}

/* The layout rows: a feature of one value per column; false for a number beyond float32. */
static bool put_feature(struct tile *tile, const struct bd_tfrecord_list *list)
{
    const struct bd_open_column *column = &tile->columns[list->first];
    const struct head head = {tile->plan->heads + list->head_at, list->head_size,
                              list->max_payload};
    const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
    if (list->kind == BD_TFRECORD_BYTES) {
        struct bd_tile_texts texts;
        bd_tile_texts(column, tile->row, tile->count, valid, &texts);
        put_texts(tile, list, &head, &texts, readable_end(column), valid);
        return true;
    }
    if (list->kind == BD_TFRECORD_FLOAT) {
        uint32_t bits[BD_TILE];
        const bool fits = bd_tile_floats(column, tile->row, tile->count, valid, bits);
        put_floats(tile, list, &head, bits, valid);
        return fits;
    }
    int64_t numbers[BD_TILE];
    bd_tile_integers(column, tile->row, tile->count, valid, numbers);
    put_ints(tile, list, &head, numbers, valid);
    return true;
}

/* What stands before the values of a list of packed, whose keys are short; returns its bytes. */
static int64_t list_head(const struct bd_tfrecord_plan *plan, const struct bd_tfrecord_list *list,
                         int64_t payload, uint8_t head[LIST_HEAD])
{
    const uint8_t *key = plan->keys + list->key_at;
    return bd_put_list_head(head, list->kind, key, list->key_size, payload) - head;
}

/* The layout packed: the columns of a list. All return -1, or the column that cannot be stored. */

static int put_float_list(struct tile *tile, const struct bd_tfrecord_list *list)
{
    uint8_t head[LIST_HEAD] = {0};
    const int64_t size = list_head(tile->plan, list, 4ll * list->count, head);
    for (int r = 0; r < tile->count; r++) {
        bd_copy_short(tile->at[r], head, size);
        tile->at[r] += size;
    }
    for (int c = list->first; c < list->first + list->count; c++) {
        const struct bd_open_column *column = &tile->columns[c];
        const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
        uint32_t bits[BD_TILE];
        if (!bd_tile_floats(column, tile->row, tile->count, valid, bits))
            return c;
        const int64_t offset = 4ll * (c - list->first);
        for (int r = 0; r < tile->count; r++)
            bd_store_u32(tile->at[r] + offset, bits[r]);
    }
    for (int r = 0; r < tile->count; r++)
        tile->at[r] += 4ll * list->count;
    return -1;
}

/* Also fills some_null: the rows in which one is. */
static int put_int_list(struct tile *tile, const struct bd_tfrecord_list *list, uint64_t *some_null)
{
    /* How many bytes the head takes is known at the end: it is guessed, and mostly right. */
    const int64_t guess = bd_list_head_bytes(list->kind, list->key_size, list->count);
    uint8_t *begin[BD_TILE];
    for (int r = 0; r < tile->count; r++)
        begin[r] = tile->at[r] += guess;
    *some_null = 0;
    for (int c = list->first; c < list->first + list->count; c++) {
        const struct bd_open_column *column = &tile->columns[c];
        const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
        int64_t numbers[BD_TILE];
        if (!bd_tile_integers(column, tile->row, tile->count, valid, numbers))
            return c;
        uint64_t any = 0;
        if (!all_rows(tile, valid)) {
            *some_null |= ~valid;
            for (int r = 0; r < tile->count; r++)
                numbers[r] &= -(int64_t)(valid >> r & 1);
        }
        for (int r = 0; r < tile->count; r++)
            any |= (uint64_t)numbers[r];
        if (any < 0x80)
            for (int r = 0; r < tile->count; r++)
                *tile->at[r]++ = (uint8_t)numbers[r];
        else if (any < 0x4000)
            for (int r = 0; r < tile->count; r++)
                tile->at[r] = bd_put_varint14(tile->at[r], (uint64_t)numbers[r]);
        else
            for (int r = 0; r < tile->count; r++)
                tile->at[r] = bd_put_varint(tile->at[r], (uint64_t)numbers[r]);
    }
    uint8_t head[LIST_HEAD] = {0};
    int64_t size = 0, known = -1;
    for (int r = 0; r < tile->count; r++) {
        const int64_t payload = tile->at[r] - begin[r];
        uint8_t *start = begin[r] - guess;
        if (payload != known)
            size = list_head(tile->plan, list, payload, head);
        known = payload;
        if (size != guess)
            memmove(start + size, begin[r], (size_t)payload);
        for (int64_t k = 0; k < size; k++)
            start[k] = head[k];
        tile->at[r] = start + size + payload;
    }
    return -1;
}

/* 1 or 0 for each column, in the rows in which one of them is null. */
static void put_valid_list(struct tile *tile, const struct bd_tfrecord_list *list,
                           uint64_t some_null)
{
    const uint8_t *key = tile->plan->keys + list->key_at;
    uint8_t *begin[BD_TILE];
    for (int r = 0; r < tile->count; r++)
        if (some_null >> r & 1) {
            begin[r] =
                bd_put_list_head(tile->at[r], list->kind, key, list->key_size, list->count);
            memset(begin[r], 1, (size_t)list->count);
            tile->at[r] = begin[r] + list->count;
        }
    for (int k = 0; some_null && k < list->count; k++) {
        const struct bd_open_column *column = &tile->columns[list->first + k];
        const uint64_t valid = bd_tile_valid(column, tile->row, tile->count);
        if (!all_rows(tile, valid))
            for (int r = 0; r < tile->count; r++)
                if (!(valid >> r & 1))
                    begin[r][k] = 0;
    }
}

/* The features of a tile's rows; returns -1, or the column that cannot be stored. */
static int put_features(struct tile *tile)
{
    uint64_t some_null = 0;
    for (int f = 0; f < tile->plan->n_lists; f++) {
        const struct bd_tfrecord_list *list = &tile->plan->lists[f];
        int wrong = -1;
        if (tile->plan->layout == BD_TFRECORD_ROWS)
            wrong = put_feature(tile, list) ? -1 : list->first;
        else if (list->kind == BD_TFRECORD_FLOAT)
            wrong = put_float_list(tile, list);
        else if (list->kind == BD_TFRECORD_INT)
            wrong = put_int_list(tile, list, &some_null);
        else
            put_valid_list(tile, list, some_null);
        if (wrong >= 0)
            return wrong;
    }
    return -1;
}

/* Give each row of a tile its place in scratch. */
static void place_rows(struct tile *tile, int64_t row_bytes, uint8_t *scratch)
{
    int64_t sizes[BD_TILE] = {0};
    for (int c = 0; c < tile->plan->n_columns; c++)
        if (is_text(&tile->plan->columns[c]))
            bd_add_text_bytes(&tile->columns[c], tile->row, tile->count, sizes);
    for (int r = 0; r < tile->count; r++) {
        tile->at[r] = scratch + BD_RECORD_HEAD;
        const int64_t lines = (sizes[r] + row_bytes + BD_TFRECORD_SLACK) / 64 + 1;
        /* An odd number, so that places do not share the same few lines of a cache. */
        scratch += 64 * (lines | 1);
    }
}

static int64_t encode_batch(const struct bd_tfrecord_plan *plan,
                            const struct bd_open_column *columns, int64_t n_rows,
                            const struct bd_crc32c_method *method, uint8_t *out, uint8_t *scratch)
{
    const int64_t row_bytes = lists_bytes(plan, 1) + BD_RECORD_HEAD + 4;
    int64_t tile_rows = TILE_BYTES / row_bytes;
    tile_rows = tile_rows < MIN_TILE_ROWS ? MIN_TILE_ROWS : tile_rows;
    tile_rows = tile_rows > BD_TILE ? BD_TILE : tile_rows;
    uint8_t *const start = out;
    struct tile tile = {.plan = plan, .columns = columns};
    for (; tile.row < n_rows; tile.row += tile.count) {
        tile.count = (int)(n_rows - tile.row < tile_rows ? n_rows - tile.row : tile_rows);
        uint8_t *features[BD_TILE];
        place_rows(&tile, row_bytes, scratch);
        memcpy(features, tile.at, sizeof features);
        const int wrong = put_features(&tile);
        if (wrong >= 0)
            return -1 - wrong;
        uint8_t *records[BD_TILE];
        for (int r = 0; r < tile.count; r++)
            records[r] = bd_put_record_head(features[r], tile.at[r] - features[r]);
        for (int r = 0; r < tile.count; r++)
            bd_put_crcs(method, records[r], tile.at[r]);
        for (int r = 0; r < tile.count; r++) {
            const int64_t size = tile.at[r] + 4 - records[r];
            memcpy(out, records[r], (size_t)size);
            out += size;
        }
    }
    return out - start;
}

int64_t bd_tfrecord_encode(const struct bd_tfrecord_plan *plan,
                           const struct bd_tfrecord_batches *batches, uint8_t *out,
                           uint8_t *scratch)
{
    struct bd_open_column *columns = (struct bd_open_column *)scratch;
    const int64_t n_columns = plan->n_columns;
    for (int64_t b = 0; b < batches->n_batches; b++)
        for (int64_t c = 0; c < n_columns; c++) {
            const int64_t k = b * n_columns + c;
            columns[k] = bd_open_column(&plan->columns[c], batches->batches[b],
                                        batches->lookups ? batches->lookups[k] : NULL);
        }
    scratch += batches->n_batches * n_columns * (int64_t)sizeof *columns;
    struct bd_crc32c_method method;
    bd_crc32c_choose(&method);
    if (plan->layout == BD_TFRECORD_BLOCK)
        return bd_tfrecord_encode_blocks(plan, batches, columns, &method, out);
    int64_t total = 0;
    for (int64_t b = 0; b < batches->n_batches; b++) {
        const int64_t size =
            encode_batch(plan, columns + b * n_columns, batches->batches[b]->length, &method,
                         out + total, scratch);
        if (size < 0)
            return size;
        total += size;
    }
    return total;
}
