/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_requant.h - gemmlowp's fixed-point arithmetic, both roundings (docs/contract.md).
 */
#ifndef INTRS_REQUANT_H
#define INTRS_REQUANT_H

#include <stdint.h>

#include "intrs_kernels.h"

/* floor((a * b + 2^30) / 2^31): equal to gemmlowp's nudge and truncation for both signs */
static inline int32_t intrs_doubling_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^exponent, halves away from zero */
static inline int32_t intrs_rounding_shift(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* x * multiplier * 2^(shift - 31), rounded twice; the left shift wraps */
static inline int32_t intrs_scale(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return intrs_rounding_shift(intrs_doubling_high_mul((int32_t)((uint32_t)x << left), multiplier), right);
}

static inline int32_t intrs_clamp(int32_t x, int32_t min, int32_t max)
{
    return x < min ? min : x > max ? max : x;
}

/* An accumulator to an output value, with the multiplier of `channel`. The sum wraps, as the reference's would. */
static inline int8_t intrs_requantize(const struct intrs_requant *q, int32_t acc, int32_t channel)
{
    const int32_t scaled = intrs_scale(acc, q->multiplier[channel], q->shift[channel]);
    return (int8_t)intrs_clamp((int32_t)((uint32_t)scaled + (uint32_t)q->zero_point), q->min, q->max);
}

#endif
