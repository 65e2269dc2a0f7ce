/* What the encoders of the TFRecord layouts share. */

#ifndef BD_TFRECORD_ENCODE_H
#define BD_TFRECORD_ENCODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bigdata.h"
#include "crc32c.h"
#include "tfrecord_columns.h"

/* Bytes after the end of what is written that may be overwritten. */
enum { BD_TFRECORD_SLACK = 64 };

/* Whether a column becomes a BytesList. */
bool bd_tfrecord_is_text(const struct bd_tfrecord_column *column);

/* Bytes of the lists of `rows` rows at the most, without those of texts. */
int64_t bd_tfrecord_lists_bytes(const struct bd_tfrecord_plan *plan, int64_t rows);

/* Copy a text, of which up to `text_end` may be read; up to 15 bytes after its end in `out` are
 * overwritten. */
static inline uint8_t *bd_put_text(uint8_t *out, const uint8_t *text, int64_t size,
                                   const uint8_t *text_end)
{
    if (size <= 16 && text_end - text >= 16)
        memcpy(out, text, 16);
    else
        memcpy(out, text, (size_t)size);
    return out + size;
}

/* Where the texts of a tile may be read up to. */
static inline const uint8_t *bd_readable_end(const struct bd_open_column *column,
                                             const struct bd_tile_texts *texts)
{
    if (column->type == BD_TFRECORD_UINT64)
        return texts->digits[0] + sizeof texts->digits;
    return column->text + column->text_end;
}

/* Rows that are encoded together, in scratch: at[r] is where row r goes on. Each row has room for
 * all that its columns can take, and BD_TFRECORD_SLACK bytes. */
struct bd_tile {
    const struct bd_tfrecord_plan *plan;
    const struct bd_open_column *columns;
    int64_t row;
    int count;
    uint8_t *at[BD_TILE];
};

/* Whether all rows of a tile are among the bits. */
static inline bool bd_all_rows(const struct bd_tile *tile, uint64_t valid)
{
    return valid == (tile->count == 64 ? UINT64_MAX : (1ull << tile->count) - 1);
}

/* tfrecord_rows.c, tfrecord_packed.c: the features of a tile's rows; return -1, or the column that
 * cannot be stored. */
int bd_put_rows(struct bd_tile *tile);
int bd_put_packed(struct bd_tile *tile);

/* tfrecord_blocks.c: the records of the layout block, as `bd_tfrecord_encode`; columns: those of
 * all batches, opened. */
int64_t bd_tfrecord_encode_blocks(const struct bd_tfrecord_plan *plan,
                                  const struct bd_tfrecord_batches *batches,
                                  const struct bd_open_column *columns,
                                  const struct bd_crc32c_method *method, uint8_t *out);

#endif
