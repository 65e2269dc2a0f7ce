/* Hashes of rows: sums over their columns, so that the order of columns means nothing. */

#ifndef BD_HASH_ROWS_H
#define BD_HASH_ROWS_H

#include <stdint.h>

/* A hash with a salt, each bit of which depends on all bits of both (the finaliser of Steele, Lea
 * and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). */
static inline uint64_t bd_mix_hash(uint64_t hash, uint64_t salt)
{
    uint64_t word = hash + salt * 0x9E3779B97F4A7C15u;
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

#endif
