/* Hashes of the values of rows, by which rows are assigned to splits.
 *
 * The hash of a value follows from what it is, and not from the type that its column has by now: a
 * type may widen while a source is read. So 7 is hashed alike as an integer, as a float and as the
 * text "7"; null as nothing. The hash of a row is the sum over its columns, each with a salt of its
 * own, so that their order means nothing. */

#ifndef BD_HASH_VALUES_H
#define BD_HASH_VALUES_H

#include <string.h>

#include "bigdata.h"
#include "classify.h"

/* A hash with a salt, each bit of which depends on all bits of both (the finaliser of Steele, Lea
 * and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). */
static inline uint64_t bd_mix_hash(uint64_t hash, uint64_t salt)
{
    uint64_t word = hash + salt * 0x9E3779B97F4A7C15u;
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

/* The hash of a number: -0 is 0, and all NaN are one. */
static inline uint64_t bd_hash_number(double value, uint64_t salt)
{
    uint64_t bits;
    value += 0.0;
    memcpy(&bits, &value, 8);
    return bd_mix_hash(value == value ? bits : 0x7ff8000000000000u, salt);
}

/* The hash of a date or timestamp: microseconds since 1970, and nanoseconds beyond them. */
static inline uint64_t bd_hash_time(int64_t micros, int64_t nanos, uint64_t salt)
{
    return bd_mix_hash(((uint64_t)micros ^ 0xD1B54A32D192ED03u) + ((uint64_t)nanos << 54), salt);
}

/* The hash of a text, which is that of the number, bool, date or time where it is one; of one that
 * stands for null 0. column: whose null tokens these are. 8 bytes after the text are read. */
uint64_t bd_hash_value(const uint8_t *text, int64_t n, uint64_t salt, const bd_rules *rules,
                       const bd_nulls *nulls, int64_t column);

#endif
