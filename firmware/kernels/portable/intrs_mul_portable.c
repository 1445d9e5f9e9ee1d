/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_mul_portable.c - products with broadcasting.
 */
#include "intrs_elementwise.h"

void intrs_mul_portable(const struct intrs_mul *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    INTRS_ELEMENTWISE(p->broadcast, p->n, {
        output[k] = intrs_requantize(&p->q, (a[i] - p->zero_point[0]) * (b[j] - p->zero_point[1]), 0);
    });
}
