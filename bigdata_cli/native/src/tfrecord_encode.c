/* Encodes Arrow batches as records of `tf.train.Example`.
 *
 * A tile of rows is composed in scratch, column after column: each row has a place of its own
 * there, with room for the most that its columns can take, so that a column is read in one go and
 * what is written may spill over its end. A finished row gets its head and CRCs while it is in the
 * first cache, and is copied to the end of the output. */

#include "tfrecord_encode.h"
#include "tfrecord_wire.h"

enum {
    /* Bytes of a tile's rows, that stay in the first cache. */
    TILE_BYTES = 1 << 15,
    /* Fewer rows are not worth to open a column for. */
    MIN_TILE_ROWS = 16,
};

/* Give each row of a tile its place in scratch. */
static void place_rows(struct bd_tile *tile, int64_t row_bytes, uint8_t *scratch)
{
    int64_t sizes[BD_TILE] = {0};
    for (int c = 0; c < tile->plan->n_columns; c++)
        if (bd_tfrecord_is_text(&tile->plan->columns[c]))
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
    const int64_t row_bytes = bd_tfrecord_lists_bytes(plan, 1) + BD_RECORD_HEAD + 4;
    int64_t tile_rows = TILE_BYTES / row_bytes;
    tile_rows = tile_rows < MIN_TILE_ROWS ? MIN_TILE_ROWS : tile_rows;
    tile_rows = tile_rows > BD_TILE ? BD_TILE : tile_rows;
    uint8_t *const start = out;
    struct bd_tile tile = {.plan = plan, .columns = columns};
    for (; tile.row < n_rows; tile.row += tile.count) {
        tile.count = (int)(n_rows - tile.row < tile_rows ? n_rows - tile.row : tile_rows);
        uint8_t *features[BD_TILE];
        place_rows(&tile, row_bytes, scratch);
        memcpy(features, tile.at, sizeof features);
        const int wrong =
            plan->layout == BD_TFRECORD_ROWS ? bd_put_rows(&tile) : bd_put_packed(&tile);
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
