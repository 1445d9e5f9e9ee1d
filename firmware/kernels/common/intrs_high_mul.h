/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_high_mul.h - requantisation on cores without SIMD: the upper half of a product may have to be put together.
 */
#ifndef INTRS_HIGH_MUL_H
#define INTRS_HIGH_MUL_H

#include <stdint.h>

/* (a * m + rounding) >> 32, m not negative, rounding 0 or 2^31: on Armv6-M, four products of half-words */
static inline int32_t intrs_high_mul(int32_t a, int32_t m, uint32_t rounding)
{
#if defined(__arm__) && __ARM_ARCH_ISA_THUMB < 2
    const uint32_t a_low = (uint32_t)a & 0xFFFFU, m_low = (uint32_t)m & 0xFFFFU;
    const int32_t a_high = a >> 16, m_high = m >> 16;
    const uint32_t low = a_low * m_low;
    const uint32_t cross = a_low * (uint32_t)m_high; /* below 2^31 */
    const int32_t other = a_high * (int32_t)m_low;   /* magnitude up to 2^31 - 2^15 */
    /* the upper half of the low product, and the crosses with their own halves apart, so that nothing overflows */
    const int32_t middle = (int32_t)((low >> 16) + (cross & 0xFFFFU) + ((uint32_t)other & 0xFFFFU) + (rounding >> 16));
    return a_high * m_high + (int32_t)(cross >> 16) + (other >> 16) + (middle >> 16);
#else
    return (int32_t)(((int64_t)a * m + (int64_t)rounding) >> 32);
#endif
}

static inline int32_t intrs_limit(int32_t x, int32_t min, int32_t max)
{
    return x < min ? min : x > max ? max : x;
}

#endif
