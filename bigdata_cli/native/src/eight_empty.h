/* The empty fields of eight, which are nulls: found and put without a branch for each, since where
 * they stand cannot be foreseen. */

#ifndef BD_EIGHT_EMPTY_H
#define BD_EIGHT_EMPTY_H

#include "eight_numbers.h"
#include "parser.h"

/* The bits of the empty fields of the eight from `i` on of a run, whose places are found; those in
 * quotes are none. */
static inline uint32_t bd_find_empty(const struct bd_parser *parser, int64_t i)
{
    uint32_t empty = 0xff & ~bd_longer_than(parser->sizes + i, 0);
    const uint64_t quoted = bd_load_u64(parser->quoted + i);
    if (quoted != 0) /* bytes of 0 and 1: their bits come together in the highest byte */
        empty &= ~(uint32_t)(quoted * 0x0102040810204080u >> 56);
    return empty;
}

/* Make eight values of 64 bits 0 where their bit is set, and not valid; the others are valid. */
static inline void bd_put_empty(uint32_t empty, void *values, uint8_t *valid)
{
    /* Each bit in a byte of its own, of which the highest bit then tells that it is there. */
    const uint64_t spread = empty * 0x0101010101010101u & 0x8040201008040201u;
    const uint64_t is_there = ~(spread + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
    memcpy(valid, &is_there, 8);
    uint64_t bits[8];
    memcpy(bits, values, 64);
    for (int k = 0; k < 8; k++)
        bits[k] &= 0 - (uint64_t)valid[k];
    memcpy(values, bits, 64);
}

#endif
