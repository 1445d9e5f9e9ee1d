/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_softmax_portable.c - softmax of rows, exponentials from a table.
 */
#include "intrs_requant.h"

enum {
    SUM_BITS = 12,                              /* integer bits of the sum, so that 4096 ones fit */
    FORTY_EIGHT_SEVENTEENTHS = 1515870810,      /* Q2.29 */
    MINUS_THIRTY_TWO_SEVENTEENTHS = -1010580540 /* Q2.29 */
};

static int32_t saturating_double(int32_t x, int32_t bits)
{
    const int64_t y = (int64_t)x * ((int64_t)1 << bits);
    return y > INT32_MAX ? INT32_MAX : y < INT32_MIN ? INT32_MIN : (int32_t)y;
}

/* 1 / (1 + a) for a in [0, 1), Q0.31: three Newton steps from the linear guess 48/17 - 32/17 d, d = (1 + a) / 2 */
static int32_t one_over_one_plus(int32_t a)
{
    const int32_t d = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
    int32_t x = intrs_doubling_high_mul(d, MINUS_THIRTY_TWO_SEVENTEENTHS) + FORTY_EIGHT_SEVENTEENTHS;
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = ((int32_t)1 << 29) - intrs_doubling_high_mul(d, x);
        x += saturating_double(intrs_doubling_high_mul(x, error), 2);
    }
    return saturating_double(x, 1);
}

/*
 * SOFTMAX over the last axis in gemmlowp's fixed point; the exponentials come as a table of the distance from the
 * maximum.
 */
void intrs_softmax_portable(const struct intrs_softmax *p, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth, output += p->depth) {
        int32_t top = INT8_MIN;
        for (int32_t i = 0; i < p->depth; i++) {
            top = input[i] > top ? input[i] : top;
        }
        uint32_t sum = 0;
        for (int32_t i = 0; i < p->depth; i++) {
            sum += (uint32_t)intrs_rounding_shift(p->exponential[top - input[i]], SUM_BITS);
        }
        /* the maximum itself counts 2^19, so the sum is not zero */
        const int32_t headroom = __builtin_clz(sum);
        const int32_t scale = one_over_one_plus((int32_t)((sum << headroom) - ((uint32_t)1 << 31)));
        const int32_t exponent = SUM_BITS - headroom + 31 - 8;
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t distance = top - input[i];
            int32_t y = INT8_MIN;
            if (distance < p->first && exponent <= 31) {
                y += intrs_rounding_shift(intrs_doubling_high_mul(scale, p->exponential[distance]), exponent);
            }
            output[i] = (int8_t)intrs_clamp(y, INT8_MIN, INT8_MAX);
        }
    }
}
