/* A record as a template of those after it, which differ from it in their values only: they are
 * read without being parsed.
 *
 * Where all other bytes are equal, so is all that the parse depends on. That is what records of
 * numbers are, as our writer writes them. */

#ifndef BD_TFRECORD_TEMPLATE_H
#define BD_TFRECORD_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bigdata.h"

/* Fill places with where the values of each list begin and end in a record, counted from `start`;
 * spans: where its Feature does. False where a list is not as our writer writes it, the lists are
 * in another order, or one of several values is not of floats: their bytes vary in number. */
bool bd_value_places_of(const struct bd_tfrecord_plan *plan, const uint8_t *data, int64_t start,
                        const int64_t *spans, int64_t *places);

/* Fill mask[0:size + BD_PADDING] with which bits of a record decide over its parse, and moves with
 * what is read of it; returns how many of them, which come first, are floats, and their number. */
int64_t bd_plan_moves(const struct bd_tfrecord_plan *plan, const struct bd_tfrecord_places *into,
                      const struct bd_tfrecord_scratch *scratch, int64_t size, int64_t *n_moves);

/* Whether a record of the size of the template equals it but for its values. */
bool bd_matches_template(const uint8_t *record, const uint8_t *template, int64_t size,
                         const uint8_t *mask);

/* Read the values of a record that matches the template; `offset` is that of its row. */
void bd_read_by_template(const uint8_t *data, int64_t start, const struct bd_tfrecord_move *moves,
                         int64_t n_floats, int64_t n_moves, const struct bd_tfrecord_places *into,
                         int64_t offset);

#endif
