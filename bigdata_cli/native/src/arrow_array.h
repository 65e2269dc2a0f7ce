/* A column, or a batch of columns, as the Arrow C data interface hands it over.
 * See https://arrow.apache.org/docs/format/CDataInterface.html. */

#ifndef BD_ARROW_ARRAY_H
#define BD_ARROW_ARRAY_H

#include <stdint.h>

/* The layout of `struct ArrowArray`, which that specification fixes. The library only reads it; the
 * caller releases it. buffers[0] is the bitmap of validity, or NULL; null_count is -1 where it is
 * not known. Values begin at `offset` of each buffer. */
struct bd_arrow_array {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct bd_arrow_array **children;
    struct bd_arrow_array *dictionary;
    void (*release)(struct bd_arrow_array *);
    void *private_data;
};

#endif
