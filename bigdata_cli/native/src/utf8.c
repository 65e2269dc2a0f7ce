/* Whether text is UTF-8: The Unicode Standard, table 3-7, well-formed byte sequences.
 *
 * Where bytes can be shuffled: Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction
 * Per Byte" (Software: Practice and Experience, 2021). Three look-ups of half bytes, of each byte
 * and the one before it, tell every error that two bytes show; what is left is whether the third
 * and fourth bytes of sequences are where they must be. */

#include "parser.h"

#if defined(__AVX2__)
enum { WIDTH = 32 };
typedef __m256i vector;

static inline vector load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

static inline vector look_up(const uint8_t table[16], vector halves)
{
    const __m128i entries = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), halves);
}

static inline vector low_half(vector bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

static inline vector high_half(vector bytes)
{
    return low_half(_mm256_srli_epi16(bytes, 4));
}

static inline vector both(vector a, vector b)
{
    return _mm256_and_si256(a, b);
}

/* What is wrong with the sequences whose third or fourth byte is here; all 0 for nothing. */
static inline vector differences(vector found, vector before2, vector before3)
{
    const vector third = _mm256_subs_epu8(before2, _mm256_set1_epi8(0xe0 - 0x80));
    const vector fourth = _mm256_subs_epu8(before3, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    const vector must =
        _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(must, found);
}

static inline bool is_zero(vector bytes)
{
    return _mm256_testz_si256(bytes, bytes);
}

#elif defined(__ARM_NEON)
enum { WIDTH = 16 };
typedef uint8x16_t vector;

static inline vector load(const uint8_t *at)
{
    return vld1q_u8(at);
}

static inline vector look_up(const uint8_t table[16], vector halves)
{
    return vqtbl1q_u8(vld1q_u8(table), halves);
}

static inline vector low_half(vector bytes)
{
    return vandq_u8(bytes, vdupq_n_u8(15));
}

static inline vector high_half(vector bytes)
{
    return vshrq_n_u8(bytes, 4);
}

static inline vector both(vector a, vector b)
{
    return vandq_u8(a, b);
}

static inline vector differences(vector found, vector before2, vector before3)
{
    const vector third = vqsubq_u8(before2, vdupq_n_u8(0xe0 - 0x80));
    const vector fourth = vqsubq_u8(before3, vdupq_n_u8(0xf0 - 0x80));
    return veorq_u8(vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(0x80)), found);
}

static inline bool is_zero(vector bytes)
{
    return vmaxvq_u8(bytes) == 0;
}
#endif

#if defined(__AVX2__) || defined(__ARM_NEON)
/* Errors, one bit each; those of the last two lines never come with the same bytes. */
enum {
    TOO_SHORT = 1,   /* a byte that goes on is missing: 11______ 0_______, 11______ 11______ */
    TOO_LONG = 2,    /* 0_______ 10______ */
    OVERLONG_3 = 4,  /* 11100000 100_____ */
    TOO_LARGE = 8,   /* 11110100 1001____, and more */
    SURROGATE = 16,  /* 11101101 101_____ */
    OVERLONG_2 = 32, /* 1100000_ 10______ */
    TWO_CONTS = 128, /* 10______ 10______: right only in long sequences */
    OVERLONG_4 = 64, /* 11110000 1000____ */
    TOO_LARGE_1000 = 64,
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
    LARGE = CARRY | TOO_LARGE | TOO_LARGE_1000,
    CONT = TOO_LONG | OVERLONG_2 | TWO_CONTS
};

static const uint8_t FIRST_HIGH[16] = {TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TOO_LONG,
                                       TWO_CONTS,
                                       TWO_CONTS,
                                       TWO_CONTS,
                                       TWO_CONTS,
                                       TOO_SHORT | OVERLONG_2,
                                       TOO_SHORT,
                                       TOO_SHORT | OVERLONG_3 | SURROGATE,
                                       TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};
static const uint8_t FIRST_LOW[16] = {CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
                                      CARRY | OVERLONG_2,
                                      CARRY,
                                      CARRY,
                                      CARRY | TOO_LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE,
                                      LARGE | SURROGATE,
                                      LARGE,
                                      LARGE};
static const uint8_t SECOND_HIGH[16] = {TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        CONT | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
                                        CONT | OVERLONG_3 | TOO_LARGE,
                                        CONT | SURROGATE | TOO_LARGE,
                                        CONT | SURROGATE | TOO_LARGE,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT,
                                        TOO_SHORT};

/* Whether the WIDTH bytes at `at` go on rightly after the three before them, which are read too. */
static inline bool is_right(const uint8_t *at)
{
    const vector before1 = load(at - 1);
    const vector found =
        both(both(look_up(FIRST_HIGH, high_half(before1)), look_up(FIRST_LOW, low_half(before1))),
             look_up(SECOND_HIGH, high_half(load(at))));
    return is_zero(differences(found, load(at - 2), load(at - 3)));
}

bool bd_is_utf8(const uint8_t *text, int64_t n)
{
    uint8_t edge[3 + WIDTH + 64] = {0};
    const int64_t head = n < WIDTH ? n : WIDTH;
    memcpy(edge + 3, text, (size_t)head);
    if (!is_right(edge + 3))
        return false;
    int64_t i = WIDTH;
    bool plain = false; /* the bytes just before are ASCII: no sequence goes on */
    while (i + 64 <= n) {
        const bool ascii = bd_not_ascii64(bd_load64(text + i)) == 0;
        if (!(plain && ascii))
            for (int k = 0; k < 64; k += WIDTH)
                if (!is_right(text + i + k))
                    return false;
        plain = ascii;
        i += 64;
    }
    /* What is left, with zeros after it: a sequence that is cut off is too short before a zero. */
    const int64_t left = i < n ? n - i : 0;
    const int64_t from = n - left >= 3 ? n - left - 3 : 0, before = n - left - from;
    memset(edge, 0, sizeof edge);
    memcpy(edge + 3 - before, text + from, (size_t)(before + left));
    for (int64_t k = 0; k <= left; k += WIDTH)
        if (!is_right(edge + 3 + k))
            return false;
    return true;
}

#else
/* Bytes of the sequence that begins at text, of the n > 0 that are left; 0 where it is not UTF-8.
 */
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
        if (n - i >= 64 && bd_not_ascii64(bd_load64(text + i)) == 0) {
            i += 64;
            continue;
        }
        const int64_t size = sequence_bytes(text + i, n - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}
#endif
