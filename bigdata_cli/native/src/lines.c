/* Line ends, counted 64 bytes at a time. BD_PADDING bytes may be read from block[end] on. */

#include "bigdata.h"
#include "simd.h"

/* The bits of the bytes before `end`, of the 64 from pos on. */
static inline uint64_t before_end(int64_t pos, int64_t end)
{
    return end - pos >= 64 ? UINT64_MAX : ((uint64_t)1 << (end - pos)) - 1;
}

/* Line ends in block[start:end]: LF, CR, and CR LF as one. */
int64_t bd_count_line_ends(const uint8_t *block, int64_t start, int64_t end)
{
    int64_t n = 0;
    uint64_t after_return = 0;
    for (int64_t pos = start; pos < end; pos += 64) {
        const bd_block bytes = bd_load64(block + pos);
        const uint64_t valid = before_end(pos, end);
        const uint64_t feeds = bd_match64(bytes, '\n') & valid;
        const uint64_t returns = bd_match64(bytes, '\r') & valid;
        n += __builtin_popcountll(returns | (feeds & ~(returns << 1 | after_return)));
        after_return = returns >> 63;
    }
    return n;
}

/* An upper bound of the records in block[start:end]: every LF and CR, and one more. */
int64_t bd_max_records(const uint8_t *block, int64_t start, int64_t end)
{
    int64_t n = 1;
    for (int64_t pos = start; pos < end; pos += 64) {
        const bd_block bytes = bd_load64(block + pos);
        const uint64_t ends = bd_match64(bytes, '\n') | bd_match64(bytes, '\r');
        n += __builtin_popcountll(ends & before_end(pos, end));
    }
    return n;
}
