/* The shortest decimals of floating-point numbers. */

#ifndef BIGDATA_SHORTEST_H
#define BIGDATA_SHORTEST_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes that a number takes at the most: `-2.2250738585072014e-308`. */
enum { BD_FLOAT_BYTES = 24 };

/* Writes a finite number as the decimal with the fewest digits that is read as the same number, of
 * those the nearest one; the position after it. Its form is that of Python's repr(): `1.0`,
 * `0.0001`, `1e-05`, `1e+16`. out: BD_FLOAT_BYTES. */
uint8_t *bd_write_float64(uint8_t *out, double value);

/* The same for float32, of which it is the shortest decimal. */
uint8_t *bd_write_float32(uint8_t *out, float value);

/* Writes digits of a number, none in front that is 0; the position after them. At most 20 bytes. */
uint8_t *bd_write_integer(uint8_t *out, uint64_t number);

/* Writes the n last digits of a number, with zeros in front. */
void bd_write_digits(uint8_t *out, uint64_t number, int n);

#endif
