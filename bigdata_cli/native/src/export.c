/* The columns of a block as an Arrow record batch.
 *
 * Everything lies in one piece of memory: the structs of the columns, then their buffers, each at a
 * multiple of 64 bytes. It belongs to the batch, whose release frees it. A first pass adds up how
 * large the buffers are, a second fills them. */

#include <stdlib.h>

#include "arrow.h"
#include "parser.h"

enum { ALIGNMENT = 64, MAX_BUFFERS = 3 };

/* The structs of a column in the memory of the batch. */
typedef struct {
    struct ArrowArray array, dictionary;
    const void *buffers[MAX_BUFFERS], *dictionary_buffers[MAX_BUFFERS];
} column_structs;

static void release_child(struct ArrowArray *array)
{
    array->release = NULL;
}

static void release_batch(struct ArrowArray *array)
{
    free(array->private_data);
    array->release = NULL;
}

/* Where the next buffer goes; memory is null in the first pass. */
typedef struct {
    uint8_t *memory;
    int64_t used;
} space;

static uint8_t *take(space *room, int64_t size)
{
    uint8_t *place = room->memory == NULL ? NULL : room->memory + room->used;
    room->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return place;
}

/* A bit for each byte, set where it is not 0; up to 63 bytes after them are read. */
static void pack_bits(uint8_t *bits, const uint8_t *bytes, int64_t n)
{
    for (int64_t i = 0; i < n; i += 64) {
        uint64_t word = ~bd_match64(bd_load64(bytes + i), 0);
        if (n - i < 64)
            word &= ((uint64_t)1 << (n - i)) - 1;
        const int64_t size = (n - i + 7) / 8 < 8 ? (n - i + 7) / 8 : 8;
        memcpy(bits + i / 8, &word, (size_t)size);
    }
}

static void narrow_floats(float *to, const double *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

/* Integers from the width they were parsed with to another. */
static void convert_integers(uint8_t *to, int32_t storage, const bd_column *column, int64_t n)
{
    int64_t wide[BD_RUN_ROWS];
    const int64_t width = bd_item_bytes(storage);
    if (storage == column->storage) {
        memcpy(to, column->values.data, (size_t)(n * width));
        return;
    }
    for (int64_t i = 0; i < n; i += BD_RUN_ROWS) {
        const int64_t size = n - i < BD_RUN_ROWS ? n - i : BD_RUN_ROWS;
        bd_widen(column->storage, wide, column->values.data, i, size);
        bd_narrow(storage, to + i * width, wide, size);
    }
}

static void put_fixed(space *room, column_structs *out, int32_t storage, const bd_column *column,
                      int64_t n)
{
    const bool as_bits = storage == BD_BOOL || storage == BD_NULL;
    const int64_t size = as_bits ? (n + 7) / 8 : n * bd_item_bytes(storage);
    uint8_t *to = take(room, size);
    out->buffers[1] = to;
    if (to == NULL || n == 0)
        return;
    if (storage == BD_NULL)
        memset(to, 0, (size_t)size);
    else if (as_bits)
        pack_bits(to, column->values.data, n);
    else if (storage == BD_FLOAT32)
        narrow_floats((float *)to, (const double *)column->values.data, n);
    else if (storage == BD_FLOAT64 || storage == BD_TIMESTAMP64)
        memcpy(to, column->values.data, (size_t)size);
    else
        convert_integers(to, storage, column, n);
}

/* Offsets and bytes of n texts. */
static void put_texts(space *room, const void **buffers, const uint8_t *offsets,
                      const uint8_t *texts, int64_t n, int64_t size)
{
    uint8_t *to_offsets = take(room, 4 * (n + 1)), *to_texts = take(room, size + 8);
    buffers[1] = to_offsets;
    buffers[2] = to_texts;
    if (to_texts == NULL)
        return;
    if (n > 0)
        memcpy(to_offsets, offsets, (size_t)(4 * (n + 1)));
    else
        memset(to_offsets, 0, 4);
    if (size > 0)
        memcpy(to_texts, texts, (size_t)size);
    memset(to_texts + size, 0, 8);
}

static void put_category(space *room, column_structs *out, const bd_column *column, int64_t n)
{
    const bd_dictionary *dictionary = &column->dictionary;
    uint8_t *to = take(room, 4 * n);
    out->buffers[1] = to;
    if (to != NULL && n > 0)
        memcpy(to, column->codes.data, (size_t)(4 * n));
    out->dictionary_buffers[0] = NULL;
    put_texts(room, out->dictionary_buffers, dictionary->offsets.data, dictionary->texts.data,
              dictionary->n_values, dictionary->text_bytes);
    out->dictionary = (struct ArrowArray){.length = dictionary->n_values,
                                          .n_buffers = 3,
                                          .buffers = out->dictionary_buffers,
                                          .release = release_child};
    out->array.dictionary = &out->dictionary;
}

static void put_column(space *room, column_structs *out, int32_t storage, const bd_column *column,
                       int64_t n)
{
    const int64_t n_nulls = storage == BD_NULL ? n : column->n_nulls;
    out->array = (struct ArrowArray){.length = n,
                                     .null_count = n_nulls,
                                     .n_buffers = storage == BD_TEXT ? 3 : 2,
                                     .buffers = out->buffers,
                                     .release = release_child};
    out->buffers[0] = NULL;
    if (n_nulls > 0) {
        uint8_t *bits = take(room, (n + 7) / 8);
        out->buffers[0] = bits;
        if (bits != NULL && storage == BD_NULL)
            memset(bits, 0, (size_t)(n + 7) / 8);
        else if (bits != NULL)
            pack_bits(bits, column->valid.data, n);
    }
    if (storage == BD_TEXT)
        put_texts(room, out->buffers, column->values.data, column->text.data, n,
                  column->text_bytes);
    else if (storage == BD_CATEGORY)
        put_category(room, out, column, n);
    else
        put_fixed(room, out, storage, column, n);
}

int32_t bd_export(bd_parser *parser, const int32_t *storage, int64_t n_columns, int64_t n_rows,
                  struct ArrowArray *batch)
{
    for (int64_t i = 0; i < n_columns; i++)
        if (storage[i] == BD_TEXT && !parser->columns[i].wants_text &&
            !bd_codes_to_texts(parser->columns + i, n_rows))
            return BD_NO_MEMORY;
    column_structs unused;
    space room = {NULL, 0};
    take(&room, n_columns * (int64_t)sizeof(column_structs));
    take(&room, n_columns * (int64_t)sizeof(struct ArrowArray *));
    take(&room, (int64_t)sizeof(void *));
    for (int64_t i = 0; i < n_columns; i++)
        put_column(&room, &unused, storage[i], parser->columns + i, n_rows);

    room.memory = aligned_alloc(ALIGNMENT, (size_t)room.used);
    if (room.memory == NULL)
        return BD_NO_MEMORY;
    room.used = 0;
    column_structs *structs =
        (column_structs *)take(&room, n_columns * (int64_t)sizeof(column_structs));
    struct ArrowArray **children =
        (struct ArrowArray **)take(&room, n_columns * (int64_t)sizeof(struct ArrowArray *));
    const void **buffers = (const void **)take(&room, (int64_t)sizeof(void *));
    buffers[0] = NULL;
    for (int64_t i = 0; i < n_columns; i++) {
        put_column(&room, structs + i, storage[i], parser->columns + i, n_rows);
        children[i] = &structs[i].array;
    }
    *batch = (struct ArrowArray){.length = n_rows,
                                 .n_buffers = 1,
                                 .n_children = n_columns,
                                 .buffers = buffers,
                                 .children = children,
                                 .release = release_batch,
                                 .private_data = room.memory};
    return 0;
}
