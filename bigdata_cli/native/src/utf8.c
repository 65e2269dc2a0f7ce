/* Whether text is UTF-8: The Unicode Standard, table 3-7, well-formed byte sequences. */

#include "parser.h"

/* Bytes of the sequence that begins at text, of the n > 0 that are left; 0 where it is not UTF-8. */
static inline int64_t sequence_bytes(const uint8_t *text, int64_t n)
{
    const uint8_t first = text[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    const int64_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > n)
        return 0;
    /* The second byte excludes longer forms, surrogates, and what is beyond U+10FFFF. */
    uint8_t low = 0x80, high = 0xbf;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (int64_t i = 2; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool bd_is_utf8(const uint8_t *text, int64_t n)
{
    int64_t i = 0;
    while (i < n) {
        while (n - i >= 64) {
            const uint64_t wide = bd_not_ascii64(bd_load64(text + i));
            if (wide) {
                i += bd_trailing_zeros(wide);
                break;
            }
            i += 64;
        }
        /* A run of sequences, until plain text goes on. */
        while (i < n) {
            const int64_t size = sequence_bytes(text + i, n - i);
            if (size == 0)
                return false;
            i += size;
            if (size == 1 && n - i >= 64)
                break;
        }
    }
    return true;
}
