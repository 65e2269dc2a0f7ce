/* What the encoders of the TFRecord layouts share. */

#ifndef BD_TFRECORD_ENCODE_H
#define BD_TFRECORD_ENCODE_H

#include <stdint.h>

#include "bigdata.h"
#include "crc32c.h"
#include "tfrecord_columns.h"

/* Bytes after the end of what is written that may be overwritten. */
enum { BD_TFRECORD_SLACK = 64 };

/* The most bytes of a value, without those of a text. */
int64_t bd_tfrecord_value_bytes(int type);

/* Copy a text; up to 15 bytes after its end are overwritten. */
uint8_t *bd_put_text(uint8_t *out, const uint8_t *text, int64_t size, const uint8_t *text_end);

/* tfrecord_blocks.c: the records of the layout block; columns: those of all batches, opened. */
int64_t bd_tfrecord_encode_blocks(const struct bd_tfrecord_plan *plan,
                                  const struct bd_tfrecord_batches *batches,
                                  const struct bd_open_column *columns,
                                  const struct bd_crc32c_method *method, uint8_t *out);

#endif
