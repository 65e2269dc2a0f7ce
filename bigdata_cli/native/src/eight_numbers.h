/* Decimals in eight fields at a time: taken apart, and turned into float64 where one operation does
 * it exactly.
 *
 * With AVX-512 a lane of 64 bits holds eight characters of a field, the first in the lowest byte.
 * Shifts by 64 bits and more, and by a negative number, leave nothing: lengths need no branches. */

#ifndef BD_EIGHT_NUMBERS_H
#define BD_EIGHT_NUMBERS_H

#include "decimal.h"
#include "number.h"

/* What eight fields hold, a bit for each: a number that is taken apart here; one whose value one
 * exact operation gives (Clinger; see number.h); a minus; neither point nor exponent; one that
 * float32 need not keep. The others count only where `good` is set. */
typedef struct {
    uint32_t good, exact, negative, integer, wide;
} bd_numbers;

/* The bits of the fields of eight that have more than `limit` bytes; all have less than 2**31. */
static inline uint32_t bd_longer_than(const uint32_t *sizes, int32_t limit)
{
#if defined(__AVX2__)
    const __m256i all = _mm256_loadu_si256((const __m256i *)sizes);
    const __m256i longer = _mm256_cmpgt_epi32(all, _mm256_set1_epi32(limit));
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(longer));
#elif defined(__SSE2__)
    const __m128i than = _mm_set1_epi32(limit);
    const __m128i low = _mm_cmpgt_epi32(_mm_loadu_si128((const __m128i *)sizes), than);
    const __m128i high = _mm_cmpgt_epi32(_mm_loadu_si128((const __m128i *)(sizes + 4)), than);
    const __m128i both = _mm_packs_epi32(low, high);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(both, _mm_setzero_si128()));
#else
    uint32_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits |= (uint32_t)((int32_t)sizes[i] > limit) << i;
    return bits;
#endif
}

#if defined(__AVX512BW__)
/* Where eight fields are, without the minus that some of them have. */
typedef struct {
    __m512i at, size;
    __mmask8 negative;
} bd_eight;

static inline bd_eight bd_load_eight(const uint8_t *block, const uint32_t *starts,
                                     const uint32_t *sizes)
{
    const __m512i one = _mm512_set1_epi64(1);
    const __m512i at = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)starts));
    const __m512i size = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)sizes));
    const __m512i first =
        _mm512_and_si512(_mm512_i64gather_epi64(at, block, 1), _mm512_set1_epi64(0xff));
    const __mmask8 negative = _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi64('-'));
    return (bd_eight){_mm512_mask_add_epi64(at, negative, at, one),
                      _mm512_mask_sub_epi64(size, negative, size, one), negative};
}

/* The value of the eight digits in each lane. */
static inline __m512i bd_join_lanes(__m512i digits)
{
    const __m512i pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a));
    const __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00010064));
    return _mm512_add_epi64(_mm512_mul_epu32(fours, _mm512_set1_epi64(10000)),
                            _mm512_srli_epi64(fours, 32));
}

/* Lanes in which all bytes are 0 … 9. */
static inline __mmask8 bd_all_digits(__m512i digits)
{
    const __m512i over = _mm512_add_epi64(digits, _mm512_set1_epi64((int64_t)BD_OVER_NINE));
    return _mm512_testn_epi64_mask(_mm512_or_si512(over, digits),
                                   _mm512_set1_epi64((int64_t)BD_HIGH_BITS));
}

/* All ones in the bytes that are this one; *lanes: those that have it. */
static inline __m512i bd_find_bytes(__m512i bytes, uint8_t byte, __mmask8 *lanes)
{
    const __mmask64 is = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)byte));
    const __m512i found = _mm512_movm_epi8(is);
    *lanes = _mm512_test_epi64_mask(found, found);
    return found;
}

/* Bytes behind the last one that was found, 8 where there is none. */
static inline __m512i bd_bytes_after(__m512i found)
{
    return _mm512_srli_epi64(_mm512_lzcnt_epi64(found), 3);
}

/* In some lanes, move the bytes before the first one that was found over it, and `carried` in front
 * of them. */
static inline __m512i bd_close_gap(__m512i bytes, __m512i found, __mmask8 lanes, __m512i carried)
{
    const __m512i none = _mm512_setzero_si512();
    const __m512i first = _mm512_and_si512(found, _mm512_sub_epi64(none, found));
    const __m512i moves =
        _mm512_maskz_sub_epi64(lanes, _mm512_slli_epi64(first, 8), _mm512_set1_epi64(1));
    const __m512i moved = _mm512_or_si512(_mm512_slli_epi64(bytes, 8), carried);
    return _mm512_ternarylogic_epi64(moves, moved, bytes, 0xca); /* moves ? moved : bytes */
}

/* Whether there is a digit before the point, and a zero in front only as the only one. first: the
 * first characters, less '0'. */
static inline __mmask8 bd_is_usual(__m512i n_whole, __m512i first)
{
    const __m512i one = _mm512_set1_epi64(1);
    const __mmask8 zero_first = _mm512_testn_epi64_mask(first, _mm512_set1_epi64(0xff));
    return _mm512_cmpge_epi64_mask(n_whole, one) &
           (__mmask8) ~(zero_first & _mm512_cmpgt_epi64_mask(n_whole, one));
}

/* Decimals without sign and exponent. after: their digits behind the point; first: their first
 * characters, less '0'. */
typedef struct {
    __m512i significand, after, first;
    __mmask8 good, has_point;
} bd_mantissas;

/* The decimals of n <= 16 characters from `at` on. Of two points the first found is left out, and
 * the other is no digit. */
static inline bd_mantissas bd_read_sixteen(const uint8_t *block, __m512i at, __m512i n,
                                           uint8_t point)
{
    const __m512i zeros = _mm512_set1_epi64((int64_t)BD_ZEROS), width = _mm512_set1_epi64(64);
    __m512i low = _mm512_xor_si512(_mm512_i64gather_epi64(at, block, 1), zeros);
    __m512i high = _mm512_xor_si512(_mm512_i64gather_epi64(at, block + 8, 1), zeros);
    const __m512i first = low;
    /* The last character to the end, zeros before the first. */
    const __m512i shift = _mm512_slli_epi64(_mm512_sub_epi64(_mm512_set1_epi64(16), n), 3);
    const __m512i crosses = _mm512_or_si512(_mm512_srlv_epi64(low, _mm512_sub_epi64(width, shift)),
                                            _mm512_sllv_epi64(low, _mm512_sub_epi64(shift, width)));
    high = _mm512_or_si512(_mm512_sllv_epi64(high, shift), crosses);
    low = _mm512_sllv_epi64(low, shift);

    __mmask8 has_low, has_high;
    const __m512i in_high = bd_find_bytes(high, point ^ '0', &has_high);
    const __m512i in_low = bd_find_bytes(low, point ^ '0', &has_low);
    const __m512i none = _mm512_setzero_si512();
    high = bd_close_gap(high, in_high, has_high, _mm512_srli_epi64(low, 56));
    const __m512i closed = bd_close_gap(low, in_low, has_low, none);
    low = _mm512_mask_slli_epi64(closed, has_high, low, 8);
    const __m512i after_high = bd_bytes_after(in_high);
    const __m512i after =
        _mm512_mask_add_epi64(after_high, (__mmask8)~has_high, after_high, bd_bytes_after(in_low));
    const __mmask8 has_point = has_low | has_high;
    return (bd_mantissas){
        .significand =
            _mm512_add_epi64(_mm512_mul_epu32(bd_join_lanes(low), _mm512_set1_epi64(100000000)),
                             bd_join_lanes(high)),
        .after = _mm512_maskz_mov_epi64(has_point, after),
        .first = first,
        .good = bd_all_digits(low) & bd_all_digits(high),
        .has_point = has_point,
    };
}

/* The decimals of n <= 24 characters from `at` on, of at most 19 digits but for zeros in front. */
static inline bd_mantissas bd_read_mantissas(const uint8_t *block, __m512i at, __m512i n,
                                             uint8_t point)
{
    const __m512i zeros = _mm512_set1_epi64((int64_t)BD_ZEROS), eight = _mm512_set1_epi64(8);
    const __m512i none = _mm512_setzero_si512();
    const __m512i n_head = _mm512_max_epi64(_mm512_sub_epi64(n, _mm512_set1_epi64(16)), none);
    const bd_mantissas tail =
        bd_read_sixteen(block, _mm512_add_epi64(at, n_head), _mm512_sub_epi64(n, n_head), point);
    const __m512i first = _mm512_xor_si512(_mm512_i64gather_epi64(at, block, 1), zeros);
    __m512i head = _mm512_sllv_epi64(first, _mm512_slli_epi64(_mm512_sub_epi64(eight, n_head), 3));
    __mmask8 in_head;
    const __m512i points = bd_find_bytes(head, point ^ '0', &in_head);
    head = bd_close_gap(head, points, in_head, none);
    const __mmask8 has_point = in_head | tail.has_point;
    const __m512i after =
        _mm512_mask_add_epi64(tail.after, in_head, bd_bytes_after(points), _mm512_set1_epi64(16));
    const __m512i n_digits = _mm512_mask_sub_epi64(n, has_point, n, _mm512_set1_epi64(1));
    /* Sixteen digits follow, or fifteen and the point. */
    const __m512i scale = _mm512_mask_blend_epi64(
        tail.has_point, _mm512_set1_epi64(10000000000000000), _mm512_set1_epi64(1000000000000000));
    const __m512i limit =
        _mm512_mask_blend_epi64(tail.has_point, _mm512_set1_epi64(1000), _mm512_set1_epi64(10000));
    const __m512i value = bd_join_lanes(head);
    return (bd_mantissas){
        .significand = _mm512_add_epi64(_mm512_mullo_epi64(value, scale), tail.significand),
        .after = after,
        .first = first,
        .good = tail.good & bd_all_digits(head) & (__mmask8) ~(in_head & tail.has_point) &
                _mm512_cmple_epi64_mask(n_head, eight) & _mm512_cmplt_epu64_mask(value, limit) &
                bd_is_usual(_mm512_sub_epi64(n_digits, after), first),
        .has_point = has_point,
    };
}

/* The exponents that end fields, whose last eight characters are at hand: 0 for none. */
typedef struct {
    __mmask8 has, good, has_sign; /* good counts where there is one */
    __m512i value, size;          /* size: its characters with the `e` */
} bd_exponents;

static inline bd_exponents bd_find_exponents(__m512i last)
{
    const __m512i one = _mm512_set1_epi64(1), eight = _mm512_set1_epi64(8);
    __mmask8 has;
    const __m512i marks = bd_find_bytes(_mm512_or_si512(last, _mm512_set1_epi8(0x20)), 'e', &has);
    const __m512i n = bd_bytes_after(marks);
    const __m512i behind = _mm512_slli_epi64(_mm512_sub_epi64(eight, n), 3);
    const __m512i sign = _mm512_and_si512(_mm512_srlv_epi64(last, behind), _mm512_set1_epi64(0xff));
    const __mmask8 negative = _mm512_cmpeq_epi64_mask(sign, _mm512_set1_epi64('-'));
    const __mmask8 has_sign = negative | _mm512_cmpeq_epi64_mask(sign, _mm512_set1_epi64('+'));
    const __m512i n_digits = _mm512_mask_sub_epi64(n, has_sign, n, one);
    const __m512i before = _mm512_slli_epi64(_mm512_sub_epi64(eight, n_digits), 3);
    const __m512i zeros = _mm512_set1_epi64((int64_t)BD_ZEROS);
    const __m512i digits =
        _mm512_sllv_epi64(_mm512_srlv_epi64(_mm512_xor_si512(last, zeros), before), before);
    const __m512i value = bd_join_lanes(digits);
    return (bd_exponents){
        .has = has,
        .good = bd_all_digits(digits) &
                _mm512_cmple_epu64_mask(_mm512_sub_epi64(n_digits, one), _mm512_set1_epi64(4)),
        .has_sign = has_sign,
        .value = _mm512_maskz_mov_epi64(
            has, _mm512_mask_sub_epi64(value, negative, _mm512_setzero_si512(), value)),
        .size = _mm512_maskz_add_epi64(has, n, one),
    };
}

/* Fill significands and exponents, and the values that are good and exact. ten: 10**|power|, where
 * that is at most 10**22. */
static inline bd_numbers bd_scale_eight(const bd_mantissas *found, __m512i power, __m512d ten,
                                        __mmask8 negative, double *values, uint64_t *significands,
                                        int64_t *exponents)
{
    const __m512i significand = found->significand, none = _mm512_setzero_si512();
    const __m512i steps = _mm512_abs_epi64(power);
    const __mmask8 down = _mm512_cmplt_epi64_mask(power, none);
    const __mmask8 exact =
        found->good & _mm512_cmple_epu64_mask(steps, _mm512_set1_epi64(22)) &
        _mm512_cmple_epu64_mask(significand, _mm512_set1_epi64((int64_t)1 << 53));
    const __m512d whole = _mm512_cvtepu64_pd(significand);
    const __m512d scaled = _mm512_mask_div_pd(_mm512_mul_pd(whole, ten), down, whole, ten);
    const __m512i bits = _mm512_castpd_si512(scaled);
    _mm512_mask_storeu_epi64(
        values, exact, _mm512_mask_or_epi64(bits, negative, bits, _mm512_set1_epi64(INT64_MIN)));
    _mm512_storeu_si512(significands, significand);
    _mm512_storeu_si512(exponents, power);
    const __mmask8 wide =
        _mm512_cmpge_epu64_mask(significand, _mm512_set1_epi64((int64_t)BD_SURE_IN_FLOAT32));
    return (bd_numbers){found->good, exact, negative, (__mmask8)~found->has_point, wide};
}
#endif

/* The decimals `-?(0|[1-9][0-9]*)(\.[0-9]*)?` of up to sixteen characters, without the sign, in
 * eight fields: field i is the sizes[i] bytes from block + starts[i] on. They are ±significands[i]
 * * 10**exponents[i]; those that are good are exact, and only their values are written. 32 bytes
 * from each start on are read. Where bytes cannot be shuffled none is good. */
static inline bd_numbers bd_eight_decimals(const uint8_t *block, const uint32_t *starts,
                                           const uint32_t *sizes, uint8_t point, double *values,
                                           uint64_t *significands, int64_t *exponents)
{
#if defined(__AVX512BW__)
    const __m512i one = _mm512_set1_epi64(1), none = _mm512_setzero_si512();
    const bd_eight fields = bd_load_eight(block, starts, sizes);
    bd_mantissas found = bd_read_sixteen(block, fields.at, fields.size, point);
    const __m512i n_digits = _mm512_mask_sub_epi64(fields.size, found.has_point, fields.size, one);
    found.good &= bd_is_usual(_mm512_sub_epi64(n_digits, found.after), found.first) &
                  _mm512_cmple_epu64_mask(fields.size, _mm512_set1_epi64(16));
    const __m512d ten =
        _mm512_permutex2var_pd(_mm512_loadu_pd(bd_tens), found.after, _mm512_loadu_pd(bd_tens + 8));
    bd_numbers numbers = bd_scale_eight(&found, _mm512_sub_epi64(none, found.after), ten,
                                        fields.negative, values, significands, exponents);
    numbers.good = numbers.exact;
    return numbers;
#elif defined(__AVX2__) || defined(__ARM_NEON)
    bd_numbers found = {0};
    for (int i = 0; i < 8; i++) {
        const uint8_t *at = block + starts[i];
        const uint32_t negative = *at == '-';
        at += negative;
        const uint32_t n = sizes[i] - negative;
        if (n > 16)
            continue;
        const bd_sixteen digits = bd_load_digits(at);
        const uint32_t end = (uint32_t)1 << n;
        const int whole = __builtin_ctz((bd_find_character(digits, point) & (end - 1)) | end);
        const uint32_t has_point = (uint32_t)whole < n;
        const int n_digits = (int)(n - has_point);
        uint64_t value;
        uint32_t good = bd_join_sixteen(bd_align_digits(digits, n_digits, whole), &value);
        good &= (whole > 0) & (value <= (uint64_t)1 << 53) & !((*at == '0') & (whole > 1));
        if (!good)
            continue;
        significands[i] = value;
        exponents[i] = whole - n_digits;
        values[i] = bd_put_sign((double)(int64_t)value / bd_tens[n_digits - whole], negative);
        found.good |= 1u << i;
        found.negative |= negative << i;
        found.integer |= !has_point << i;
        found.wide |= (uint32_t)(value >= BD_SURE_IN_FLOAT32) << i;
    }
    found.exact = found.good;
    return found;
#else
    (void)block, (void)starts, (void)sizes, (void)point;
    (void)values, (void)significands, (void)exponents;
    return (bd_numbers){0};
#endif
}

/* The numbers `-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]{1,5})?` in those of eight fields whose
 * bit of `wanted` is set, as above. The exponent needs a sign or a point before it; the mantissa
 * has at most 24 characters, and not more than 19 digits but for zeros in front. values[i] is
 * written where a number is exact, and no other is. 32 bytes from each start on are read, and
 * eight from each stop on. */
static inline bd_numbers bd_eight_numbers(const uint8_t *block, const uint32_t *starts,
                                          const uint32_t *sizes, uint8_t point, uint32_t wanted,
                                          double *values, uint64_t *significands,
                                          int64_t *exponents)
{
#if defined(__AVX512BW__)
    const __m512i one = _mm512_set1_epi64(1), none = _mm512_setzero_si512();
    const __m512i eight = _mm512_set1_epi64(8);
    const bd_eight fields = bd_load_eight(block, starts, sizes);
    /* A field that is too long, or a sign alone, is read as if it were empty. */
    const __mmask8 fits =
        _mm512_cmple_epu64_mask(_mm512_sub_epi64(fields.size, one), _mm512_set1_epi64(30));
    const __m512i n = _mm512_maskz_mov_epi64(fits, fields.size);
    const __m512i n_before = _mm512_max_epi64(_mm512_sub_epi64(n, eight), none);
    const __m512i n_missing = _mm512_sub_epi64(_mm512_add_epi64(eight, n_before), n);
    const __m512i last =
        _mm512_sllv_epi64(_mm512_i64gather_epi64(_mm512_add_epi64(fields.at, n_before), block, 1),
                          _mm512_slli_epi64(n_missing, 3));
    const bd_exponents exponent = bd_find_exponents(last);
    const __m512i n_mantissa = _mm512_max_epi64(_mm512_sub_epi64(n, exponent.size), none);
    bd_mantissas found = bd_read_mantissas(block, fields.at, n_mantissa, point);
    const __mmask8 may_end = exponent.has_sign | found.has_point;
    found.good &= fits & (__mmask8)wanted;
    found.good &= (__mmask8)(~exponent.has | (exponent.good & may_end));
    const __m512i power = _mm512_sub_epi64(exponent.value, found.after);
    const __m512i steps = _mm512_min_epi64(_mm512_abs_epi64(power), _mm512_set1_epi64(22));
    const __m512d ten = _mm512_i64gather_pd(steps, bd_tens, 8);
    bd_numbers numbers =
        bd_scale_eight(&found, power, ten, fields.negative, values, significands, exponents);
    numbers.integer &= ~(uint32_t)exponent.has;
    return numbers;
#else
    bd_numbers found = {0};
    for (uint32_t i = 0; i < 8; i++) {
        const uint8_t *at = block + starts[i];
        const uint32_t negative = *at == '-';
        bd_decimal decimal = {0};
        const uint32_t good =
            bd_scan_decimal(at + negative, (int64_t)sizes[i] - negative, point, &decimal);
        significands[i] = decimal.significand;
        exponents[i] = decimal.exponent;
        found.good |= good << i;
        found.negative |= negative << i;
        found.integer |= (uint32_t)decimal.is_integer << i;
    }
    found.good &= wanted;
    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t exact =
            found.good >> i & (uint32_t)bd_is_exact(significands[i], exponents[i]);
        found.wide |= (uint32_t)(significands[i] >= BD_SURE_IN_FLOAT32) << i;
        found.exact |= exact << i;
        if (exact) {
            const double value = bd_scale_exactly(significands[i], exponents[i]);
            values[i] = bd_put_sign(value, found.negative >> i & 1);
        }
    }
    return found;
#endif
}

#endif
