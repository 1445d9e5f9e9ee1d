/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_l2_normalization_portable.c - rows divided by their Euclidean length.
 */
#include "intrs_requant.h"

enum { HALF_SQRT_2 = 1518500250, ONE = 1 << 28 }; /* Q0.31, Q3.28 */

static int32_t saturating_shift(int32_t x, int32_t bits)
{
    const int64_t y = (int64_t)x * ((int64_t)1 << bits);
    return y > INT32_MAX ? INT32_MAX : y < INT32_MIN ? INT32_MIN : (int32_t)y;
}

/* 1 / sqrt(x) = multiplier * 2^(shift - 31) by five Newton steps from 1; 0 counts as 1 (docs/contract.md, isqrt) */
static int32_t inverse_sqrt(int32_t x, int32_t *shift)
{
    if (x <= 1) {
        *shift = 0;
        return INT32_MAX;
    }
    const int32_t pairs = (__builtin_clz((uint32_t)x) - 1) / 2;
    const int32_t right = 12 - pairs;
    const int32_t scaled = pairs > 0 ? (int32_t)((uint32_t)x << (2 * (pairs - 1))) : x >> 2;
    const int32_t half = intrs_rounding_shift(scaled >> 1, 1);
    int32_t y = ONE;
    for (int32_t step = 0; step < 5; step++) {
        const int32_t cube = intrs_doubling_high_mul(intrs_doubling_high_mul(y, y), y);
        const int32_t rest = intrs_doubling_high_mul(half, saturating_shift(cube, 6));
        y = saturating_shift(intrs_doubling_high_mul(y, 3 * (ONE / 2)) - rest, 3);
    }
    y = intrs_doubling_high_mul(y, HALF_SQRT_2);
    *shift = right > 0 ? -right : 0;
    return right < 0 ? (int32_t)((uint32_t)y << -right) : y;
}

/* L2_NORMALIZATION over the last axis, in 128ths. */
void intrs_l2_normalization_portable(const struct intrs_l2_normalization *p, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth) {
        uint32_t sum = 0;
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t v = input[i] - p->in_zero_point;
            sum += (uint32_t)(v * v);
        }
        int32_t shift;
        const int32_t multiplier = inverse_sqrt((int32_t)sum, &shift);
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t y = intrs_scale(input[i] - p->in_zero_point, multiplier, shift + 7);
            *output++ = (int8_t)intrs_clamp(y, INT8_MIN, INT8_MAX);
        }
    }
}
