/* Columns of a parser as record batches. */

#ifndef BD_EXPORT_H
#define BD_EXPORT_H

#include "parser.h"

/* Some rows of a block, by their numbers; rows: null for all of the n rows. */
typedef struct {
    const uint32_t *rows;
    int64_t n;
} bd_selection;

/* Rows [first, first + n) of a selection of a column's integers, n <= BD_RUN_ROWS, as 64 bits. */
void bd_widen_rows(const bd_column *column, const bd_selection *kept, int64_t first, int64_t n,
                   int64_t *wide);

int64_t bd_count_nulls(const bd_column *column, const bd_selection *kept);

/* Have the columns that are stored as text their texts, where they were numbered only. Returns
 * false without memory. */
bool bd_settle_texts(struct bd_parser *parser, const int32_t *storage, int64_t n_columns,
                     int64_t n_rows);

/* See bd_export. Precondition: bd_settle_texts. Returns false without memory. */
bool bd_export_rows(struct bd_parser *parser, const int32_t *storage, int64_t n_columns,
                    const bd_selection *kept, struct ArrowArray *batch);

#endif
