/* Digits to numbers: integers of up to eight characters, eight fields at a time; up to sixteen
 * digits at once, with a decimal point among them. */

#ifndef BD_DIGITS_H
#define BD_DIGITS_H

#include <stdbool.h>

#include "simd.h"

static const uint64_t BD_ZEROS = 0x3030303030303030u;
static const uint64_t BD_OVER_NINE = 0x7676767676767676u;
static const uint64_t BD_HIGH_BITS = 0x8080808080808080u;

/* The value of eight digits (0 … 9 in each byte), the first in the lowest byte. */
static inline uint64_t bd_eight_digits(uint64_t digits)
{
    const uint64_t pairs = 0x000000ff000000ffu;
    digits = (digits * 10) + (digits >> 8);
    return (((digits & pairs) * 0x000f424000000064u) +
            (((digits >> 16) & pairs) * 0x0000271000000001u)) >>
           32;
}

static inline bool bd_are_digits(uint64_t digits)
{
    return (((digits + BD_OVER_NINE) | digits) & BD_HIGH_BITS) == 0;
}

#if defined(__AVX2__) && !defined(__AVX512BW__)
/* Four fields of bd_eight_integers. Scalar loads: gathers are slow on many processors. */
static inline uint32_t bd_four_integers(const uint8_t *block, const uint32_t *starts,
                                        const uint32_t *sizes, bool is_signed, int64_t *values)
{
    const __m256i none = _mm256_setzero_si256(), eight = _mm256_set1_epi64x(8);
    const __m256i one = _mm256_set1_epi64x(1), byte = _mm256_set1_epi64x(0xff);
    const __m256i size = _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)sizes));
    __m256i words = _mm256_set_epi64x(
        (int64_t)bd_load_u64(block + starts[3]), (int64_t)bd_load_u64(block + starts[2]),
        (int64_t)bd_load_u64(block + starts[1]), (int64_t)bd_load_u64(block + starts[0]));
    const __m256i sign = _mm256_set1_epi64x(is_signed ? '-' : -1);
    const __m256i negative = _mm256_cmpeq_epi64(_mm256_and_si256(words, byte), sign);
    const __m256i n = _mm256_add_epi64(size, negative);
    words = _mm256_srlv_epi64(words, _mm256_and_si256(negative, eight));
    words = _mm256_xor_si256(words, _mm256_set1_epi64x((int64_t)BD_ZEROS));
    const __m256i zero_first = _mm256_cmpeq_epi64(_mm256_and_si256(words, byte), none);
    /* By 64 and more, or by a negative number: nothing is left. */
    words = _mm256_sllv_epi64(words, _mm256_slli_epi64(_mm256_sub_epi64(eight, n), 3));
    const __m256i over = _mm256_add_epi64(words, _mm256_set1_epi64x((int64_t)BD_OVER_NINE));
    const __m256i high =
        _mm256_and_si256(_mm256_or_si256(over, words), _mm256_set1_epi64x((int64_t)BD_HIGH_BITS));
    const __m256i pairs = _mm256_maddubs_epi16(words, _mm256_set1_epi16(0x010a));
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    const __m256i upper = _mm256_mul_epu32(fours, _mm256_set1_epi64x(10000));
    const __m256i value = _mm256_add_epi64(upper, _mm256_srli_epi64(fours, 32));
    _mm256_storeu_si256((__m256i *)values,
                        _mm256_sub_epi64(_mm256_xor_si256(value, negative), negative));
    const __m256i single = _mm256_cmpeq_epi64(size, one);
    const __m256i fits = _mm256_and_si256(_mm256_cmpgt_epi64(size, none),
                                          _mm256_cmpgt_epi64(_mm256_set1_epi64x(9), size));
    /* A leading zero is right in a 0 alone; a sign needs a digit that is none. */
    const __m256i wrong = _mm256_or_si256(_mm256_andnot_si256(single, zero_first),
                                          _mm256_and_si256(single, negative));
    const __m256i good =
        _mm256_andnot_si256(wrong, _mm256_and_si256(fits, _mm256_cmpeq_epi64(high, none)));
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(good));
}
#endif

/* The canonical integers in eight fields: field i is the sizes[i] bytes from block + starts[i] on.
 * Bit i of the result is set, and values[i] right, where it is `-?(0|[1-9][0-9]*)`, but not `-0`,
 * of one to eight characters; with is_signed = false no sign is taken. starts[i] < 2**31; eight
 * bytes from each start on are read. */
static inline uint32_t bd_eight_integers(const uint8_t *block, const uint32_t *starts,
                                         const uint32_t *sizes, bool is_signed, int64_t *values)
{
#if defined(__AVX512BW__)
    const __m512i eight = _mm512_set1_epi64(8), one = _mm512_set1_epi64(1);
    const __m512i places = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)starts));
    const __m512i size = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)sizes));
    __m512i words = _mm512_i64gather_epi64(places, block, 1);
    const __mmask64 sign_bytes = 0x0101010101010101u;
    const __mmask64 signs = _mm512_mask_cmpeq_epi8_mask(sign_bytes, words, _mm512_set1_epi8('-'));
    __mmask8 negative = 0;
    if (is_signed)
        negative = (__mmask8)_pext_u64(signs, sign_bytes);
    const __mmask8 fits =
        _mm512_cmple_epu64_mask(_mm512_sub_epi64(size, one), _mm512_set1_epi64(7));
    const __m512i n = _mm512_mask_sub_epi64(size, negative, size, one);
    words = _mm512_mask_srli_epi64(words, negative, words, 8);
    words = _mm512_xor_si512(words, _mm512_set1_epi64((int64_t)BD_ZEROS));
    const __mmask8 zero_first =
        _mm512_testn_epi64_mask(words, _mm512_set1_epi64(0xff)); /* the first digit is 0 */
    const __m512i shift = _mm512_slli_epi64(_mm512_sub_epi64(eight, n), 3);
    words = _mm512_sllv_epi64(words, shift); /* of no digit, by 64: nothing is left */
    const __m512i over =
        _mm512_or_si512(_mm512_add_epi64(words, _mm512_set1_epi64((int64_t)BD_OVER_NINE)), words);
    const __mmask8 digits = _mm512_testn_epi64_mask(over, _mm512_set1_epi64((int64_t)BD_HIGH_BITS));
    const __m512i pairs = _mm512_maddubs_epi16(words, _mm512_set1_epi16(0x010a));
    const __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00010064));
    const __m512i high = _mm512_mul_epu32(fours, _mm512_set1_epi64(10000));
    __m512i value = _mm512_add_epi64(high, _mm512_srli_epi64(fours, 32));
    value = _mm512_mask_sub_epi64(value, negative, _mm512_setzero_si512(), value);
    _mm512_storeu_si512(values, value);
    /* A leading zero is right in a 0 alone; a sign needs a digit that is none. */
    const __mmask8 single = _mm512_cmpeq_epi64_mask(size, one);
    return fits & digits & (__mmask8)(~zero_first | single) & (__mmask8)(~negative | ~single);
#elif defined(__AVX2__)
    const uint32_t low = bd_four_integers(block, starts, sizes, is_signed, values);
    return low | bd_four_integers(block, starts + 4, sizes + 4, is_signed, values + 4) << 4;
#else
    uint32_t good = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t word = bd_load_u64(block + starts[i]);
        const uint64_t negative = is_signed && (word & 0xff) == '-';
        const uint64_t n = sizes[i] - negative;
        word = (word >> (8 * negative)) ^ BD_ZEROS;
        const bool fits = sizes[i] - 1u < 8u && n > 0;
        const bool zero_first = (word & 0xff) == 0;
        word <<= fits ? 64 - 8 * n : 0;
        const int64_t value = (int64_t)bd_eight_digits(word);
        values[i] = negative ? -value : value;
        good |= (uint32_t)(fits & bd_are_digits(word) & (!zero_first | (sizes[i] == 1))) << i;
    }
    return good;
#endif
}

#if defined(__SSE2__)
typedef __m128i bd_sixteen;

/* Sixteen characters, each less '0'. */
static inline bd_sixteen bd_load_digits(const uint8_t *at)
{
    return _mm_sub_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('0'));
}

/* Bit i is set where byte i is no digit. */
static inline uint32_t bd_find_others(bd_sixteen digits)
{
    const __m128i nine = _mm_set1_epi8(9);
    const __m128i good = _mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine);
    return (uint32_t)_mm_movemask_epi8(good) ^ 0xffff;
}
#else
typedef uint8x16_t bd_sixteen;

static inline bd_sixteen bd_load_digits(const uint8_t *at)
{
    return vsubq_u8(vld1q_u8(at), vdupq_n_u8('0'));
}

static inline uint32_t bd_find_others(bd_sixteen digits)
{
    const uint8x16_t none = vdupq_n_u8(0);
    const uint8x16_t is[4] = {vcgtq_u8(digits, vdupq_n_u8(9)), none, none, none};
    return (uint32_t)bd_neon_bits(is);
}
#endif

/* Bit i is set where byte i, less '0', is this character. */
static inline uint32_t bd_find_character(bd_sixteen digits, uint8_t character)
{
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi8((char)(character - '0'));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(digits, wanted));
#else
    const uint8x16_t none = vdupq_n_u8(0);
    const uint8x16_t is[4] = {vceqq_u8(digits, vdupq_n_u8((uint8_t)(character - '0'))), none, none,
                              none};
    return (uint32_t)bd_neon_bits(is);
#endif
}

/* The value of sixteen digits; false where one of them is none. */
static inline bool bd_join_sixteen(bd_sixteen digits, uint64_t *value)
{
#if defined(__AVX2__)
    const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
    const __m128i packed = _mm_packus_epi32(fours, fours);
    const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x00012710));
    const uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    *value = (both & 0xffffffff) * 100000000 + (both >> 32);
#else
    uint64_t halves[2];
    memcpy(halves, &digits, 16);
    *value = bd_eight_digits(halves[0]) * 100000000 + bd_eight_digits(halves[1]);
#endif
    return bd_find_others(digits) == 0;
}

/* Whether bytes can be shuffled: what bd_align_digits needs. */
#if defined(__AVX2__) || defined(__ARM_NEON)
enum { BD_SHUFFLES = 1 };
#else
enum { BD_SHUFFLES = 0 };
#endif

#if defined(__AVX2__)
/* The first n_digits bytes, less the one at `point` (16: none), moved to the end; zeros before
 * them. What depends on the numbers is loaded from memory, which costs less than to compute it. */
static inline bd_sixteen bd_align_digits(bd_sixteen digits, int n_digits, int point)
{
    static const int8_t PLACES[32] = {-16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6,
                                      -5,  -4,  -3,  -2,  -1,  0,   1,   2,  3,  4,  5,
                                      6,   7,   8,   9,   10,  11,  12,  13, 14, 15};
    const __m128i index = _mm_loadu_si128((const __m128i *)(PLACES + n_digits));
    const __m128i last = _mm_set1_epi8(PLACES[15 + point]); /* the byte before the point */
    const __m128i behind = _mm_cmpgt_epi8(index, last);
    return _mm_shuffle_epi8(digits, _mm_sub_epi8(index, behind)); /* negative: a zero */
}
#elif defined(__ARM_NEON)
static inline bd_sixteen bd_align_digits(bd_sixteen digits, int n_digits, int point)
{
    const int8x16_t place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const int8x16_t index = vsubq_s8(place, vdupq_n_s8((int8_t)(16 - n_digits)));
    const uint8x16_t behind = vcgtq_s8(index, vdupq_n_s8((int8_t)(point - 1)));
    return vqtbl1q_u8(digits, vsubq_u8(vreinterpretq_u8_s8(index), behind)); /* beyond 15: zero */
}
#endif

/* The value of n <= 8 digits. Eight bytes are read. */
static inline uint64_t bd_few_digits(const uint8_t *at, int n)
{
    const int half = 4 * (8 - n); /* twice: a shift by 64 is not defined */
    return bd_eight_digits((bd_load_u64(at) ^ BD_ZEROS) << half << half);
}

/* The value of n_digits <= 16 digits at `at`, without the character at `point`, if that is among
 * them (16: none is). 32 bytes are read. */
#if defined(__AVX2__) || defined(__ARM_NEON)
static inline uint64_t bd_join_decimal(const uint8_t *at, int n_digits, int point)
{
    uint64_t value;
    bd_join_sixteen(bd_align_digits(bd_load_digits(at), n_digits, point), &value);
    return value;
}
#else
static inline uint64_t bd_up_to_sixteen(const uint8_t *at, int n)
{
    if (n <= 8)
        return bd_few_digits(at, n);
    return bd_few_digits(at, n - 8) * 100000000 + bd_few_digits(at + n - 8, 8);
}

static inline uint64_t bd_join_decimal(const uint8_t *at, int n_digits, int point)
{
    static const uint64_t POWERS[17] = {1,
                                        10,
                                        100,
                                        1000,
                                        10000,
                                        100000,
                                        1000000,
                                        10000000,
                                        100000000,
                                        1000000000,
                                        10000000000,
                                        100000000000,
                                        1000000000000,
                                        10000000000000,
                                        100000000000000,
                                        1000000000000000,
                                        10000000000000000};
    if (point >= n_digits)
        return bd_up_to_sixteen(at, n_digits);
    if (n_digits <= 7) {
        uint64_t word = bd_load_u64(at) ^ BD_ZEROS;
        const uint64_t before = ((uint64_t)1 << (8 * point)) - 1;
        word = (word & before) | (word >> 8 & ~before);
        return bd_eight_digits(word << (64 - 8 * n_digits));
    }
    const int after = n_digits - point;
    const uint64_t whole = point == 1 ? (uint64_t)(*at - '0') : bd_up_to_sixteen(at, point);
    return whole * POWERS[after] + bd_up_to_sixteen(at + point + 1, after);
}
#endif

#endif
