/* Texts as buckets, the hashing trick: FNV-1a over the bytes (Fowler, Noll and Vo), mixed once more
 * by the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */

#include "bigdata.h"

/* buckets[i] is that of the text text[ends[i]:ends[i + 1]], in [0, n_buckets). */
void bd_hash_buckets(const uint8_t *text, const int64_t *ends, int64_t n, uint64_t n_buckets,
                     int32_t *buckets)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t x = 0xcbf29ce484222325;
        for (int64_t p = ends[i]; p < ends[i + 1]; p++)
            x = (x ^ text[p]) * 0x100000001b3;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        x ^= x >> 31;
        buckets[i] = (int32_t)(x % n_buckets);
    }
}
