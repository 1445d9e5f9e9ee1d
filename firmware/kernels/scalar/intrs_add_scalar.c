/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_scalar.c - the sum of two tensors with different scales: a table look-up, a shift and one requantisation an
 * element.
 */
#include "intrs_asm.h"
#include "intrs_high_mul.h"
#include "intrs_scalar.h"

void intrs_add_scalar(const struct intrs_add_scalar *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t *table = p->table;
    const int32_t multiplier = p->multiplier, addend = p->addend, shift = p->shift;
    const int32_t min = p->min, max = p->max, sign = p->linear ? -1 : 0;
    for (const int8_t *end = a + p->n; a != end; a++, b++, out++) {
        const int32_t w = table[(uint8_t)*a] + *b * (1 << 20);
        const int32_t h = intrs_high_mul(w, multiplier, 0x80000000U) + addend + ((w >> 31) & sign);
        *out = (int8_t)intrs_limit(h >> shift, min, max);
    }
}
