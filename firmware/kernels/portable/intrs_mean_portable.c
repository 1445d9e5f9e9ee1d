/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_mean_portable.c - means over neighbouring axes.
 */
#include "intrs_requant.h"

/* MEAN over neighbouring axes; the division by n is part of the multiplier. */
void intrs_mean_portable(const struct intrs_mean *p, const int8_t *input, int8_t *output)
{
    for (int32_t outer = 0; outer < p->outer; outer++, input += p->n * p->inner) {
        for (int32_t i = 0; i < p->inner; i++) {
            int32_t sum = 0;
            for (int32_t k = 0; k < p->n; k++) {
                sum += input[k * p->inner + i] - p->in_zero_point;
            }
            *output++ = intrs_requantize(&p->q, sum, 0);
        }
    }
}
