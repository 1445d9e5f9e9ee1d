/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_prelu_portable.c - PReLU with broadcasting.
 */
#include "intrs_elementwise.h"

void intrs_prelu_portable(const struct intrs_prelu *p, const int8_t *input, const int8_t *alpha, int8_t *output)
{
    INTRS_ELEMENTWISE(p->broadcast, p->n, {
        const int32_t x = input[i] - p->in_zero_point;
        output[k] = x >= 0 ? intrs_requantize(&p->positive, x, 0)
                           : intrs_requantize(&p->negative, x * (alpha[j] - p->alpha_zero_point), 0);
    });
}
