/* Which instruction sets this processor and its operating system offer. */

#include "bigdata.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* The state components that the operating system saves: XCR0. */
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

uint32_t bd_instruction_sets(void)
{
    enum { FMA = 1 << 12, PCLMUL = 1 << 1, MOVBE = 1 << 22, OSXSAVE = 1 << 27, AVX = 1 << 28 };
    enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8 };
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    const uint64_t avx_state = 0x6, avx512_state = 0xe6;
    uint32_t a, b, c, d, b7, c1;

    uint32_t found = 1;
    if (!__get_cpuid(1, &a, &b, &c1, &d))
        return found;
    const uint32_t needed1 = FMA | PCLMUL | MOVBE | OSXSAVE | AVX;
    if ((c1 & needed1) != needed1 || !__get_cpuid_count(7, 0, &a, &b7, &c, &d))
        return found;
    const uint64_t state = saved_state();
    const uint32_t needed7 = BMI1 | AVX2 | BMI2;
    if ((b7 & needed7) == needed7 && (state & avx_state) == avx_state)
        found |= 2;
    if ((found & 2) && (b7 & avx512) == avx512 && (state & avx512_state) == avx512_state)
        found |= 4;
    return found;
}

#else

uint32_t bd_instruction_sets(void)
{
    return 1;
}

#endif
