/* CRC-32C (Castagnoli), by the processor's instruction where it has one.
 *
 * The instruction takes eight bytes a cycle but answers after three, so long data are cut into
 * three lanes whose CRCs are computed side by side and joined: Gopal et al., "Fast CRC Computation
 * for iSCSI Polynomial Using CRC32 Instruction", 2011. Without it: slicing-by-8, Kounavis and
 * Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators", 2005.
 *
 * A CRC is a polynomial modulo P with its highest power in the lowest bit. A lane that n bytes
 * follow counts for its CRC times x^8n. */

#include "crc32c.h"
#include "bigdata.h"
#include "simd.h"

static const uint32_t POLYNOMIAL = 0x82f63b78;

/* The one macro here: functions with the instructions are compiled also where the library's
 * instruction set lacks them, and are called only where the processor has them. */
#if defined(__x86_64__)

#include <cpuid.h>
#include <nmmintrin.h>
#include <wmmintrin.h>

#define WITH_INSTRUCTION __attribute__((target("sse4.2,crc32,pclmul")))

enum { N_LANES = 3 };
static const int64_t LANES[N_LANES] = {1024, 64, 32};
/* x^(8n - 33) for n bytes of one lane and of two: the product below adds 33 to the power. */
static const uint32_t AFTER_ONE[N_LANES] = {0x170076fa, 0x9e4addf8, 0xba4fc28e};
static const uint32_t AFTER_TWO[N_LANES] = {0xa51b6135, 0x0d3b6092, 0x9e4addf8};

static bool has_instruction(void)
{
#if defined(__SSE4_2__) && defined(__PCLMUL__)
    return true;
#else
    enum { PCLMUL = 1 << 1, SSE42 = 1 << 20 };
    uint32_t a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (PCLMUL | SSE42)) == (PCLMUL | SSE42);
#endif
}

WITH_INSTRUCTION static inline uint64_t take_u64(uint64_t crc, uint64_t word)
{
    return _mm_crc32_u64(crc, word);
}

WITH_INSTRUCTION static inline uint64_t take_u8(uint64_t crc, uint8_t byte)
{
    return _mm_crc32_u8((uint32_t)crc, byte);
}

/* crc * power * x^33: the carry-less product counts one power more for its 64th bit, and the
 * instruction multiplies by x^32 as it reduces. */
WITH_INSTRUCTION static inline uint64_t advance(uint64_t crc, uint32_t power)
{
    const __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)power), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

#elif defined(__aarch64__)

#include <arm_acle.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define WITH_INSTRUCTION __attribute__((target("+crc")))

enum { N_LANES = 2 };
static const int64_t LANES[N_LANES] = {8192, 1024};
/* x^8n for n bytes of one lane and of two. */
static const uint32_t AFTER_ONE[N_LANES] = {0x28461564, 0xe4172b16};
static const uint32_t AFTER_TWO[N_LANES] = {0xbf455269, 0x0d65762a};

static bool has_instruction(void)
{
#if defined(__ARM_FEATURE_CRC32)
    return true;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
    return false;
#endif
}

WITH_INSTRUCTION static inline uint64_t take_u64(uint64_t crc, uint64_t word)
{
    return __crc32cd((uint32_t)crc, word);
}

WITH_INSTRUCTION static inline uint64_t take_u8(uint64_t crc, uint8_t byte)
{
    return __crc32cb((uint32_t)crc, byte);
}

/* crc * power, bit by bit: the carry-less multiply is an extension of its own. */
static inline uint64_t advance(uint64_t crc, uint32_t power)
{
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; bit--) {
        product ^= power & (0u - (uint32_t)(crc >> bit & 1));
        power = power >> 1 ^ (POLYNOMIAL & (0u - (power & 1)));
    }
    return product;
}

#endif

/* The CRC, not yet inverted, after three lanes more. */
WITH_INSTRUCTION static inline uint64_t take_lanes(uint64_t crc, const uint8_t *data, int64_t lane,
                                                   uint32_t after_one, uint32_t after_two)
{
    uint64_t second = 0, third = 0;
    for (int64_t k = 0; k < lane; k += 8) {
        crc = take_u64(crc, bd_load_u64(data + k));
        second = take_u64(second, bd_load_u64(data + lane + k));
        third = take_u64(third, bd_load_u64(data + 2 * lane + k));
    }
    return advance(crc, after_two) ^ advance(second, after_one) ^ third;
}

WITH_INSTRUCTION static uint32_t by_instruction(const uint8_t *data, int64_t size)
{
    uint64_t crc = 0xffffffff;
    for (int k = 0; k < N_LANES; k++)
        for (; size >= 3 * LANES[k]; data += 3 * LANES[k], size -= 3 * LANES[k])
            crc = take_lanes(crc, data, LANES[k], AFTER_ONE[k], AFTER_TWO[k]);
    for (; size >= 8; data += 8, size -= 8)
        crc = take_u64(crc, bd_load_u64(data));
    for (; size > 0; data++, size--)
        crc = take_u8(crc, *data);
    return ~(uint32_t)crc;
}

/* Row k is the CRC of a byte followed by k zero bytes. */
static void fill_tables(uint32_t tables[8][256])
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (POLYNOMIAL & (0u - (crc & 1)));
        tables[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++) {
            const uint32_t before = tables[k - 1][byte];
            tables[k][byte] = tables[0][before & 0xff] ^ before >> 8;
        }
}

static uint32_t by_tables(const uint32_t tables[8][256], const uint8_t *data, int64_t size)
{
    uint32_t crc = 0xffffffff;
    for (; size >= 8; data += 8, size -= 8) {
        const uint64_t word = bd_load_u64(data) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= tables[7 - k][word >> 8 * k & 0xff];
    }
    for (; size > 0; data++, size--)
        crc = crc >> 8 ^ tables[0][(crc ^ *data) & 0xff];
    return ~crc;
}

void bd_crc32c_choose(struct bd_crc32c_method *method)
{
    method->by_instruction = has_instruction();
    if (!method->by_instruction)
        fill_tables(method->tables);
}

uint32_t bd_crc32c_of(const struct bd_crc32c_method *method, const uint8_t *data, int64_t size)
{
    return method->by_instruction ? by_instruction(data, size)
                                  : by_tables(method->tables, data, size);
}

uint32_t bd_crc32c(const uint8_t *data, int64_t size)
{
    struct bd_crc32c_method method;
    bd_crc32c_choose(&method);
    return bd_crc32c_of(&method, data, size);
}

uint32_t bd_crc32c_by_tables(const uint8_t *data, int64_t size)
{
    struct bd_crc32c_method method;
    fill_tables(method.tables);
    return by_tables(method.tables, data, size);
}
