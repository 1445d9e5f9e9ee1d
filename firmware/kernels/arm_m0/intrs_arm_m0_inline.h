/*
 * intrs_arm_m0_inline.h - requantisation, where there is no long multiplication without it.
 */
#ifndef INTRS_ARM_M0_INLINE_H
#define INTRS_ARM_M0_INLINE_H

#include <stdint.h>

/* (a * m + 2^31) >> 32, m not negative: on Armv6-M, four products of half-words */
static inline int32_t intrs_high_mul_arm_m0(int32_t a, int32_t m)
{
#if __ARM_ARCH_ISA_THUMB >= 2
    return (int32_t)(((int64_t)a * m + (1LL << 31)) >> 32);
#else
    const uint32_t a_low = (uint32_t)a & 0xFFFFU, m_low = (uint32_t)m & 0xFFFFU;
    const int32_t a_high = a >> 16, m_high = m >> 16;
    const uint32_t low = a_low * m_low;
    const uint32_t cross = a_low * (uint32_t)m_high; /* below 2^31 */
    const int32_t other = a_high * (int32_t)m_low;   /* magnitude up to 2^31 - 2^15 */
    /* the upper half of the low product, and the crosses with their own halves apart, so that nothing overflows */
    const int32_t middle = (int32_t)((low >> 16) + (cross & 0xFFFFU) + ((uint32_t)other & 0xFFFFU) + 0x8000U);
    return a_high * m_high + (int32_t)(cross >> 16) + (other >> 16) + (middle >> 16);
#endif
}

static inline int32_t intrs_clamp_arm_m0(int32_t x, int32_t min, int32_t max)
{
    return x < min ? min : x > max ? max : x;
}

#endif
