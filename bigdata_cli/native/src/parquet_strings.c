/* Distinct texts: a hash table from a text to its code, in the order in which they come. */

#include "parquet.h"

static inline uint64_t mixed(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A hash that only has to be quick: no one depends on its values. Reads the text only. */
uint64_t bd_hash_bytes(const uint8_t *text, int64_t length)
{
    const uint64_t first = 0xa0761d6478bd642fu, second = 0xe7037ed1a0b428dbu;
    uint64_t state = (uint64_t)length ^ first;
    while (length > 8) {
        state = mixed(state ^ bd_load64(text), second);
        text += 8;
        length -= 8;
    }
    uint64_t last = 0;
    if (length >= 4) {
        uint32_t low, high;
        memcpy(&low, text, 4);
        memcpy(&high, text + length - 4, 4);
        last = (uint64_t)high << 32 | low;
    } else if (length > 0) {
        last = (uint64_t)text[0] << 16 | (uint64_t)text[length >> 1] << 8 | text[length - 1];
    }
    return mixed(state ^ last, first ^ second);
}

/* An empty table for at most `limit` texts; its arrays `texts` and `lengths` come from the arena
 * too. False where that is too small. */
bool bd_strings_begin(struct bd_strings *strings, int64_t limit, struct bd_arena *arena)
{
    const int bits = bd_bits_of((uint64_t)limit) + 1;
    strings->mask = ((int64_t)1 << bits) - 1;
    strings->slots = bd_take(arena, (int64_t)8 << bits);
    strings->texts = bd_take(arena, (limit + 1) * 8);
    strings->lengths = bd_take(arena, (limit + 1) * 4);
    strings->distinct = 0;
    if (!strings->slots || !strings->texts || !strings->lengths)
        return false;
    memset(strings->slots, 0, (size_t)8 << bits);
    return true;
}

/* The code of a text, which is new where it was not seen: then it is `distinct - 1`. The text is
 * not copied. No more than the limit may be new. */
uint32_t bd_strings_code(struct bd_strings *strings, const uint8_t *text, int32_t length)
{
    const uint64_t hash = bd_hash_bytes(text, length);
    const uint64_t high = hash & 0xffffffff00000000u;
    int64_t at = (int64_t)hash & strings->mask;
    for (;; at = (at + 1) & strings->mask) {
        const uint64_t slot = strings->slots[at];
        if (!slot) {
            const uint32_t code = (uint32_t)strings->distinct++;
            strings->texts[code] = text;
            strings->lengths[code] = length;
            strings->slots[at] = high | (code + 1);
            return code;
        }
        const uint32_t code = (uint32_t)slot - 1;
        if ((slot & 0xffffffff00000000u) == high && strings->lengths[code] == length &&
            memcmp(strings->texts[code], text, (size_t)length) == 0)
            return code;
    }
}
