/* Which instruction sets this processor and its operating system offer. */

#include "bigdata.h"

uint64_t bd_sources(void)
{
    return BD_SOURCES;
}

#if defined(__x86_64__)
#include <cpuid.h>

/* The state components that the operating system saves: XCR0. */
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* A level needs all that `compile.LEVEL_FLAGS` lets the compiler use, and the operating system to
 * save its registers. Bits: Intel's manual, volume 2, CPUID; leaf 0x80000001 has LZCNT. */
uint32_t bd_instruction_sets(void)
{
    const uint32_t avx2_1 = 1u << 1 | 1u << 12 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 27 |
                            1u << 28 |
                            1u << 29; /* PCLMUL FMA SSE4.2 MOVBE POPCNT OSXSAVE AVX F16C */
    const uint32_t avx2_7 = 1u << 3 | 1u << 5 | 1u << 8; /* BMI1 AVX2 BMI2 */
    const uint32_t avx512_7 =
        1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F DQ CD BW VL */
    const uint32_t lzcnt = 1u << 5;
    const uint64_t avx_state = 0x6, avx512_state = 0xe6;
    uint32_t a, b, c, d, features1, features7, extended;

    uint32_t found = 1;
    if (!__get_cpuid(1, &a, &b, &features1, &d) || (features1 & avx2_1) != avx2_1)
        return found;
    if (!__get_cpuid_count(7, 0, &a, &features7, &c, &d) || (features7 & avx2_7) != avx2_7)
        return found;
    if (!__get_cpuid(0x80000001, &a, &b, &extended, &d) || !(extended & lzcnt))
        return found;
    const uint64_t state = saved_state();
    if ((state & avx_state) == avx_state)
        found |= 2;
    if (found & 2 && (features7 & avx512_7) == avx512_7 && (state & avx512_state) == avx512_state)
        found |= 4;
    return found;
}

#else

uint32_t bd_instruction_sets(void)
{
    return 1;
}

#endif
