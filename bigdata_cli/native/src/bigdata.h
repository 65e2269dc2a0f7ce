/* What the library offers to Python, by source file. `native/library.py` declares the same for
 * ctypes: a function that is added here is added there.
 *
 * Rules for every function: pointers come with lengths; nothing is kept after the call unless it
 * says so; no global state; the caller owns all memory that it passes in. */

#ifndef BIGDATA_H
#define BIGDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Readable bytes that must follow the end of every block of text. */
#define BD_PADDING 64

#define BD_API __attribute__((visibility("default")))

/* processor.c */

/* The digest of the sources that the library is made of (`record.sources_digest`). */
BD_API uint64_t bd_sources(void);
/* A bit per instruction set that can be used here, in the order of `levels.LEVELS`. */
BD_API uint32_t bd_instruction_sets(void);

#endif
