/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_squared_difference_portable.c - squared differences with broadcasting.
 */
#include "intrs_elementwise.h"

/* SQUARED_DIFFERENCE: as ADD with fewer guard bits, so that the square fits. */
void intrs_squared_difference_portable(const struct intrs_add *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    const int32_t unit = (int32_t)1 << p->left_shift;
    const struct intrs_requant *q = &p->q;

    INTRS_ELEMENTWISE(p->broadcast, p->n, {
        const int32_t x = intrs_scale((a[i] - p->zero_point[0]) * unit, p->multiplier[0], p->shift[0]);
        const int32_t y = intrs_scale((b[j] - p->zero_point[1]) * unit, p->multiplier[1], p->shift[1]);
        output[k] = intrs_requantize(q, (x - y) * (x - y), 0);
    });
}
