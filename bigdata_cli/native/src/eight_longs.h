/* Long numbers in eight fields at a time, with AVX-512: integers of up to nineteen digits, and
 * decimals that no single operation turns into float64. What is not decided here is left to what
 * reads field by field, which gives the same. */

#ifndef BD_EIGHT_LONGS_H
#define BD_EIGHT_LONGS_H

#include "eight_numbers.h"

#if defined(__AVX512BW__)
/* Eight bytes of some lanes from block + at on, as digits less '0'. */
static inline __m512i bd_load_lanes(const uint8_t *block, __m512i at, __mmask8 lanes)
{
    const __m512i zeros = _mm512_set1_epi64((int64_t)BD_ZEROS);
    return _mm512_xor_si512(_mm512_mask_i64gather_epi64(zeros, lanes, at, block, 1), zeros);
}

/* The canonical integers of 8 to 19 digits in those of eight fields whose bit of `wanted` is set,
 * that int64 holds, or uint64 where they are not signed; values[i] is written where there is one.
 * No byte but those of the fields, and seven behind their start, is read. Returns their bits. */
static inline uint32_t bd_eight_long_integers(const uint8_t *block, const uint32_t *starts,
                                              const uint32_t *sizes, uint32_t wanted,
                                              bool is_signed, int64_t *values)
{
    const __m512i none = _mm512_setzero_si512(), eight = _mm512_set1_epi64(8);
    const bd_eight fields = bd_load_eight(block, starts, sizes);
    const __m512i n = fields.size;
    __mmask8 good = (__mmask8)wanted;
    good &= _mm512_cmple_epu64_mask(_mm512_sub_epi64(n, eight), _mm512_set1_epi64(11));
    if (!is_signed)
        good &= (__mmask8)~fields.negative;
    /* The last eight digits, up to eight before them, and up to three before those. */
    const __m512i n_front = _mm512_sub_epi64(n, eight);
    const __m512i n_head = _mm512_max_epi64(_mm512_sub_epi64(n_front, eight), none);
    const __m512i n_middle = _mm512_min_epi64(n_front, eight);
    const __m512i first = bd_load_lanes(block, fields.at, good);
    const __m512i head =
        _mm512_sllv_epi64(first, _mm512_slli_epi64(_mm512_sub_epi64(eight, n_head), 3));
    const __m512i middle =
        _mm512_sllv_epi64(bd_load_lanes(block, _mm512_add_epi64(fields.at, n_head), good),
                          _mm512_slli_epi64(_mm512_sub_epi64(eight, n_middle), 3));
    const __m512i last = bd_load_lanes(block, _mm512_add_epi64(fields.at, n_front), good);
    good &= bd_all_digits(head) & bd_all_digits(middle) & bd_all_digits(last);
    good &= _mm512_test_epi64_mask(first, _mm512_set1_epi64(0xff)); /* no zero in front */
    const __m512i step = _mm512_set1_epi64(100000000);
    const __m512i front =
        _mm512_add_epi64(_mm512_mul_epu32(bd_join_lanes(head), step), bd_join_lanes(middle));
    const __m512i magnitude =
        _mm512_add_epi64(_mm512_mullo_epi64(front, step), bd_join_lanes(last));
    if (is_signed) { /* -2**63 is left to the others, too */
        const __mmask8 beyond = _mm512_cmplt_epi64_mask(magnitude, none);
        good &= (__mmask8)~beyond;
    }
    const __m512i value = _mm512_mask_sub_epi64(magnitude, fields.negative, none, magnitude);
    _mm512_mask_storeu_epi64(values, good, value);
    return good;
}

/* bd_eisel_lemire (number.c) of eight decimals: those of `wanted`, whose significands are not 0. A
 * value is written, with its sign, where it is normal and decided by the upper half of the power.
 * Returns the bits of those. */
static inline uint32_t bd_eight_eisel_lemire(const uint64_t *significands, const int64_t *exponents,
                                             uint32_t wanted, uint32_t negative, double *values)
{
    enum { SMALLEST_POWER = -342, N_POWERS = 651 };
    const __m512i one = _mm512_set1_epi64(1), low_half = _mm512_set1_epi64(0xffffffff);
    const __m512i significand = _mm512_loadu_si512(significands);
    const __m512i exponent = _mm512_loadu_si512(exponents);
    const __m512i place = _mm512_sub_epi64(exponent, _mm512_set1_epi64(SMALLEST_POWER));
    __mmask8 good = (__mmask8)wanted;
    good &= _mm512_cmplt_epu64_mask(place, _mm512_set1_epi64(N_POWERS));
    const __m512i zeros = _mm512_lzcnt_epi64(significand);
    const __m512i w = _mm512_sllv_epi64(significand, zeros);
    const __m512i five =
        _mm512_mask_i64gather_epi64(one, good, _mm512_slli_epi64(place, 1), bd_fives, 8);
    /* The product of 128 bits, of four of 64. */
    const __m512i w_high = _mm512_srli_epi64(w, 32), five_high = _mm512_srli_epi64(five, 32);
    const __m512i lower = _mm512_mul_epu32(w, five), upper = _mm512_mul_epu32(w_high, five_high);
    const __m512i cross = _mm512_mul_epu32(w, five_high), other = _mm512_mul_epu32(w_high, five);
    const __m512i middle = _mm512_add_epi64(
        _mm512_add_epi64(_mm512_srli_epi64(lower, 32), _mm512_and_si512(cross, low_half)),
        _mm512_and_si512(other, low_half));
    const __m512i high = _mm512_add_epi64(
        _mm512_add_epi64(upper, _mm512_srli_epi64(cross, 32)),
        _mm512_add_epi64(_mm512_srli_epi64(other, 32), _mm512_srli_epi64(middle, 32)));
    const __m512i low =
        _mm512_or_si512(_mm512_slli_epi64(middle, 32), _mm512_and_si512(lower, low_half));
    const __m512i last_bits = _mm512_set1_epi64(0x1ff);
    good &= _mm512_cmpneq_epi64_mask(_mm512_and_si512(high, last_bits), last_bits);
    /* Neither 0, 1 nor UINT64_MAX: those may be halfway, or not be known exactly. */
    good &= _mm512_cmpgt_epu64_mask(_mm512_add_epi64(low, one), _mm512_set1_epi64(2));
    const __m512i top = _mm512_srli_epi64(high, 63);
    const __m512i cut = _mm512_srlv_epi64(high, _mm512_add_epi64(top, _mm512_set1_epi64(9)));
    const __m512i mantissa =
        _mm512_srli_epi64(_mm512_add_epi64(cut, _mm512_and_si512(cut, one)), 1);
    const __m512i twos =
        _mm512_srai_epi64(_mm512_mul_epi32(exponent, _mm512_set1_epi64(217706)), 16);
    const __m512i power = _mm512_add_epi64(_mm512_sub_epi64(twos, zeros),
                                           _mm512_add_epi64(top, _mm512_set1_epi64(63 + 1023)));
    good &= _mm512_cmplt_epu64_mask(_mm512_sub_epi64(power, one), _mm512_set1_epi64(0x7fd));
    /* A mantissa that was rounded up to 2**53 carries into the power. */
    const __m512i bits =
        _mm512_add_epi64(_mm512_slli_epi64(power, 52),
                         _mm512_sub_epi64(mantissa, _mm512_set1_epi64((int64_t)1 << 52)));
    _mm512_mask_storeu_epi64(
        values, good,
        _mm512_mask_or_epi64(bits, (__mmask8)negative, bits, _mm512_set1_epi64(INT64_MIN)));
    return good;
}
#endif

#endif
