/* 64 bytes at a time: the operations that differ between instruction sets.
 *
 * Every operation gives the same result on every instruction set. The compiler's flags choose the
 * branch; see LEVEL_FLAGS in native/compile.py. */

#ifndef BD_SIMD_H
#define BD_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512BW__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#else
#error "no instruction set of LEVEL_FLAGS in native/compile.py"
#endif

/* 64 bytes in registers. */
typedef struct {
#if defined(__AVX512BW__)
    __m512i part[1];
#elif defined(__AVX2__)
    __m256i part[2];
#elif defined(__SSE2__)
    __m128i part[4];
#else
    uint8x16_t part[4];
#endif
} bd_block;

/* The 64 bytes from `at` on, at any alignment. */
static inline bd_block bd_load64(const uint8_t *at)
{
    bd_block block;
#if defined(__AVX512BW__)
    block.part[0] = _mm512_loadu_si512(at);
#elif defined(__AVX2__)
    for (int i = 0; i < 2; i++)
        block.part[i] = _mm256_loadu_si256((const __m256i *)(at + 32 * i));
#elif defined(__SSE2__)
    for (int i = 0; i < 4; i++)
        block.part[i] = _mm_loadu_si128((const __m128i *)(at + 16 * i));
#else
    for (int i = 0; i < 4; i++)
        block.part[i] = vld1q_u8(at + 16 * i);
#endif
    return block;
}

#if !defined(__SSE2__)
/* Bit i is set where byte i of the four vectors is 0xff; all bytes are 0 or 0xff. */
static inline uint64_t bd_neon_bits(const uint8x16_t is[4])
{
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(is[0], bit), vandq_u8(is[1], bit));
    uint8x16_t high = vpaddq_u8(vandq_u8(is[2], bit), vandq_u8(is[3], bit));
    low = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(low, low)), 0);
}
#endif

/* Bit i is set where byte i equals `byte`. */
static inline uint64_t bd_match64(bd_block block, uint8_t byte)
{
#if defined(__AVX512BW__)
    return _mm512_cmpeq_epi8_mask(block.part[0], _mm512_set1_epi8((char)byte));
#elif defined(__AVX2__)
    const __m256i wanted = _mm256_set1_epi8((char)byte);
    const uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(block.part[0], wanted));
    const uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(block.part[1], wanted));
    return low | (uint64_t)high << 32;
#elif defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi8((char)byte);
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(block.part[i], wanted));
        bits |= (uint64_t)(uint32_t)found << (16 * i);
    }
    return bits;
#else
    uint8x16_t is[4];
    for (int i = 0; i < 4; i++)
        is[i] = vceqq_u8(block.part[i], vdupq_n_u8(byte));
    return bd_neon_bits(is);
#endif
}

/* Bit i is set where byte i is 128 or more. */
static inline uint64_t bd_not_ascii64(bd_block block)
{
#if defined(__AVX512BW__)
    return _mm512_movepi8_mask(block.part[0]);
#elif defined(__AVX2__)
    const uint32_t low = (uint32_t)_mm256_movemask_epi8(block.part[0]);
    const uint32_t high = (uint32_t)_mm256_movemask_epi8(block.part[1]);
    return low | (uint64_t)high << 32;
#elif defined(__SSE2__)
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(block.part[i]) << (16 * i);
    return bits;
#else
    uint8x16_t is[4];
    for (int i = 0; i < 4; i++)
        is[i] = vcltzq_s8(vreinterpretq_s8_u8(block.part[i]));
    return bd_neon_bits(is);
#endif
}

/* Bit i is set where byte i is below 32: a control character. */
static inline uint64_t bd_control64(bd_block block)
{
#if defined(__AVX512BW__)
    return _mm512_cmplt_epu8_mask(block.part[0], _mm512_set1_epi8(32));
#elif defined(__AVX2__)
    const __m256i last = _mm256_set1_epi8(31);
    uint64_t bits = 0;
    for (int i = 0; i < 2; i++) {
        const __m256i is = _mm256_cmpeq_epi8(_mm256_max_epu8(block.part[i], last), last);
        bits |= (uint64_t)(uint32_t)_mm256_movemask_epi8(is) << (32 * i);
    }
    return bits;
#elif defined(__SSE2__)
    const __m128i last = _mm_set1_epi8(31);
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        const __m128i is = _mm_cmpeq_epi8(_mm_max_epu8(block.part[i], last), last);
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(is) << (16 * i);
    }
    return bits;
#else
    uint8x16_t is[4];
    for (int i = 0; i < 4; i++)
        is[i] = vcltq_u8(block.part[i], vdupq_n_u8(32));
    return bd_neon_bits(is);
#endif
}

/* Bit i of the result is the XOR of the bits 0 … i of `bits`. */
static inline uint64_t bd_prefix_xor(uint64_t bits)
{
#if defined(__PCLMUL__)
    const __m128i ones = _mm_set1_epi8((char)0xff);
    const __m128i wide = _mm_set_epi64x(0, (int64_t)bits);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(wide, ones, 0));
#else
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
#endif
}

#if defined(__AVX2__) || defined(__ARM_NEON)
/* Write those of 8 bytes whose places are given, the first in the lowest byte; 8 bytes are written.
 */
static inline void bd_select8(uint8_t *to, const uint8_t *from, uint64_t places)
{
#if defined(__AVX2__)
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)from);
    const __m128i selected = _mm_shuffle_epi8(bytes, _mm_cvtsi64_si128((int64_t)places));
    _mm_storel_epi64((__m128i *)to, selected);
#else
    vst1_u8(to, vtbl1_u8(vld1_u8(from), vcreate_u8(places)));
#endif
}
#else
/* Copy 16 bytes; bit i of the result is set where byte i equals `byte`. Both places must have 16
 * bytes. */
static inline uint32_t bd_copy16(uint8_t *to, const uint8_t *from, uint8_t byte)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    _mm_storeu_si128((__m128i *)to, bytes);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)byte)));
}
#endif

/* Copy 16 bytes; both places must have them. */
static inline void bd_move16(uint8_t *to, const uint8_t *from)
{
    uint8_t bytes[16];
    memcpy(bytes, from, 16);
    memcpy(to, bytes, 16);
}

/* Doubles in a register. How many there are differs, so sums of them have to be exact. */
#if defined(__AVX512BW__)
typedef __m512d bd_doubles;
#elif defined(__AVX2__)
typedef __m256d bd_doubles;
#elif defined(__SSE2__)
typedef __m128d bd_doubles;
#else
typedef float64x2_t bd_doubles;
#endif

enum { BD_DOUBLES = sizeof(bd_doubles) / sizeof(double) };

/* As many unsigned integers of 64 bits. */
typedef uint64_t bd_words __attribute__((vector_size(sizeof(bd_doubles))));

static inline bd_doubles bd_all_doubles(double value)
{
#if defined(__AVX512BW__)
    return _mm512_set1_pd(value);
#elif defined(__AVX2__)
    return _mm256_set1_pd(value);
#elif defined(__SSE2__)
    return _mm_set1_pd(value);
#else
    return vdupq_n_f64(value);
#endif
}

/* sum + a * b, which must be exact: not all instruction sets round once. */
static inline bd_doubles bd_add_product(bd_doubles sum, bd_doubles a, bd_doubles b)
{
#if defined(__AVX512BW__)
    return _mm512_fmadd_pd(a, b, sum);
#elif defined(__AVX2__)
    return _mm256_fmadd_pd(a, b, sum);
#elif defined(__SSE2__)
    return _mm_add_pd(sum, _mm_mul_pd(a, b));
#else
    return vfmaq_f64(sum, a, b);
#endif
}

static inline uint64_t bd_load_u64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint32_t bd_load_u32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

static inline int bd_trailing_zeros(uint64_t word)
{
    return __builtin_ctzll(word);
}

#endif
