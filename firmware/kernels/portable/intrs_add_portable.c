/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_portable.c - sums and differences with broadcasting.
 */
#include "intrs_elementwise.h"

/*
 * ADD, and SUB with a negative second multiplier. Operands and output may share memory where an operand is not
 * broadcast.
 */
void intrs_add_portable(const struct intrs_add *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    const int32_t unit = (int32_t)1 << p->left_shift;
    const struct intrs_requant *q = &p->q;

    INTRS_ELEMENTWISE(p->broadcast, p->n, {
        const int32_t x = intrs_scale((a[i] - p->zero_point[0]) * unit, p->multiplier[0], p->shift[0]);
        const int32_t y = intrs_scale((b[j] - p->zero_point[1]) * unit, p->multiplier[1], p->shift[1]);
        output[k] = intrs_requantize(q, x + y, 0);
    });
}
