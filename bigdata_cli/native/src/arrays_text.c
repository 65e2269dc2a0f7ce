/* Text of a batch as arrays: ends, fixed width, or ended by NULs; and back from fixed width.
 *
 * Preconditions of all: the child is a string column (int32 offsets), and no bytes lie beneath its
 * nulls (`bd_measured.hidden`), so that a null is an empty text. */

#include "arrays.h"

static const int32_t *text_offsets(const struct ArrowArray *batch, int64_t child)
{
    const struct ArrowArray *array = batch->children[child];
    return (const int32_t *)array->buffers[1] + batch->offset + array->offset;
}

void bd_text_ends(const struct ArrowArray *batch, int64_t child, int64_t before, int64_t *ends)
{
    if (batch->length == 0)
        return;
    const int32_t *offsets = text_offsets(batch, child);
    for (int64_t i = 0; i < batch->length; i++)
        ends[i] = before + offsets[i + 1] - offsets[0];
}

void bd_text_fixed(const struct ArrowArray *batch, int64_t child, int64_t width, uint8_t *out)
{
    if (batch->length == 0)
        return;
    const int32_t *offsets = text_offsets(batch, child);
    const uint8_t *bytes = batch->children[child]->buffers[2];
    for (int64_t i = 0; i < batch->length; i++, out += width) {
        const int64_t n = offsets[i + 1] - offsets[i];
        if (n == 0) { /* there may be no bytes at all */
            memset(out, 0, (size_t)width);
        } else if (n == 8 && width == 8) { /* ids and hashes: a copy of known length */
            memcpy(out, bytes + offsets[i], 8);
        } else {
            memcpy(out, bytes + offsets[i], (size_t)n);
            memset(out + n, 0, (size_t)(width - n));
        }
    }
}

void bd_text_ended(const struct ArrowArray *batch, int64_t child, int64_t before, uint8_t *out,
                   int64_t *places)
{
    if (batch->length == 0)
        return;
    const int32_t *offsets = text_offsets(batch, child);
    const uint8_t *bytes = batch->children[child]->buffers[2];
    for (int64_t i = 0; i < batch->length; i++) {
        const int64_t n = offsets[i + 1] - offsets[i];
        places[i] = before;
        if (n)
            memcpy(out + before, bytes + offsets[i], (size_t)n);
        out[before + n] = 0;
        before += n + 1;
    }
}

int64_t bd_text_from_fixed(const uint8_t *values, int64_t n, int64_t width, int64_t *offsets,
                           uint8_t *out)
{
    int64_t filled = 0;
    offsets[0] = 0;
    for (int64_t i = 0; i < n; i++, values += width) {
        int64_t length = width;
        while (length && values[length - 1] == 0)
            length--;
        memcpy(out + filled, values, (size_t)length);
        offsets[i + 1] = filled += length;
    }
    return filled;
}
