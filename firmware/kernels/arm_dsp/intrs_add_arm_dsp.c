/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_arm_dsp.c - the sum of two tensors with different scales: a table look-up, a shift and one requantisation
 * an element.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

static inline __attribute__((always_inline)) void add_all(const struct intrs_add_arm_dsp *p, const int8_t *a,
                                                          const int8_t *b, int8_t *out, int linear)
{
    const int32_t *table = p->table;
    const int32_t multiplier = p->multiplier, addend = p->addend, shift = p->shift;
    const int8_t *end = a + p->n;
#pragma GCC unroll 4
    for (; a != end; a++, b++, out++) {
        const int32_t w = table[(uint8_t)*a] + *b * (1 << 20);
        int32_t h = intrs_smmlar(w, multiplier, addend);
        if (linear) {
            h += w >> 31;
        }
        *out = (int8_t)intrs_ssat8(h >> shift);
    }
}

void intrs_add_arm_dsp(const struct intrs_add_arm_dsp *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    if (p->linear) {
        add_all(p, a, b, out, 1);
    } else {
        add_all(p, a, b, out, 0);
    }
    intrs_clamp_arm_dsp(out, p->n, p->min, p->max);
}
