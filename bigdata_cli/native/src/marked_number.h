/* Numbers with marks around them: $5, 12.5 %. */

#ifndef BD_MARKED_NUMBER_H
#define BD_MARKED_NUMBER_H

#include "number.h"

/* The number that the text block[start:end] is without the characters around it that the rules
 * strip: before it, between its sign and its first digit, and after it, with spaces between them.
 * Where there are none, `bd_scan_local_number`. No byte from `end` on is read. */
bd_number bd_scan_marked_number(const uint8_t *block, int64_t start, int64_t end,
                                const bd_rules *rules);

#endif
