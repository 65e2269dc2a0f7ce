/* Numbers with marks around them. See marked_number.h. */

#include "marked_number.h"

#include <string.h>

/* A longer number has digits that no type holds. */
enum { MAX_NUMBER_BYTES = 400 };

static bool is_mark(uint8_t byte, const bd_rules *rules)
{
    return byte == ' ' || memchr(rules->strip, byte, (size_t)rules->n_strip) != NULL;
}

bd_number bd_scan_marked_number(const uint8_t *block, int64_t start, int64_t end,
                                const bd_rules *rules)
{
    const bd_number plain = bd_scan_local_number(block, start, end, rules);
    if (rules->n_strip == 0 || plain.form != BD_NOT_A_NUMBER)
        return plain;
    uint8_t text[1 + MAX_NUMBER_BYTES + BD_PADDING] = {0};
    int64_t n = 0;
    while (start < end && is_mark(block[start], rules))
        start++;
    if (start < end && block[start] == '-') {
        text[n++] = block[start++];
        while (start < end && is_mark(block[start], rules))
            start++;
    }
    while (end > start && is_mark(block[end - 1], rules))
        end--;
    if (start == end || end - start > MAX_NUMBER_BYTES)
        return plain;
    memcpy(text + n, block + start, (size_t)(end - start));
    return bd_scan_local_number(text, 0, n + end - start, rules);
}
