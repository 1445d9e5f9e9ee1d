/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_arm_mve.c - the sum of two tensors with different scales, eight elements at a time.
 *
 * Nearly always a linear formula gives the sum of every pair of bytes; the generator looks for one and tries it on all
 * 65 536. Otherwise TFLite's steps: the operand with the larger scale is multiplied by exactly 1/2, so its scaling is a
 * shift.
 */
#include "intrs_asm.h"
#include "intrs_arm_mve.h"
#include "intrs_arm_mve_inline.h"

/* shift at least 1; halves away from zero, or up */
static inline __attribute__((always_inline)) int32x4_t scale(int32x4_t x, int32_t multiplier, int32_t shift, int up)
{
    x = vqrdmulhq_n_s32(x, multiplier);
    return vrshlq_n_s32(up ? x : vaddq_s32(x, vshrq_n_s32(x, 31)), shift);
}

/* Four sums without the zero point. a and b: 2^20 and 2^19 times the operands less their zero points */
static inline __attribute__((always_inline)) int32x4_t sum(int32x4_t a, int32x4_t b, const struct intrs_add_arm_mve *p,
                                                           int scaled, int up)
{
    b = scaled ? vaddq_s32(b, scale(a, p->multiplier, p->shift, up)) : vqrdmlahq_n_s32(b, a, p->multiplier);
    return scale(b, p->out_multiplier, p->out_shift, up);
}

static inline __attribute__((always_inline)) int16x8_t eight(int16x8_t a, int16x8_t b,
                                                             const struct intrs_add_arm_mve *p, int scaled, int up)
{
    const int16x8_t sixteen = vdupq_n_s16(16);
    a = vmlasq_n_s16(a, sixteen, (int16_t)(-16 * p->zero_point[0]));
    b = vmlasq_n_s16(b, sixteen, (int16_t)(-16 * p->zero_point[1]));
    int16x8_t out = vqmovnbq_s32(a, sum(vshllbq_n_s16(a, 16), vshllbq_n_s16(b, 15), p, scaled, up));
    out = vqmovntq_s32(out, sum(vshlltq_n_s16(a, 16), vshlltq_n_s16(b, 15), p, scaled, up));
    out = vqaddq_n_s16(out, (int16_t)p->out_zero_point);
    return vminq_s16(vmaxq_s16(out, vdupq_n_s16((int16_t)p->min)), vdupq_n_s16((int16_t)p->max));
}

static inline __attribute__((always_inline)) void add_all(const struct intrs_add_arm_mve *all, const int8_t *a,
                                                          const int8_t *b, int8_t *out, int scaled, int up)
{
    const struct intrs_add_arm_mve p = *all; /* a copy in registers: stores of bytes may change anything else */
    for (int32_t n = p.n >> 3; n > 0; n--, a += 8, b += 8, out += 8) {
        vstrbq_s16(out, eight(vldrbq_s16(a), vldrbq_s16(b), &p, scaled, up));
    }
    if ((p.n & 7) != 0) {
        const mve_pred16_t rest = vctp16q((uint32_t)p.n & 7U);
        vstrbq_p_s16(out, eight(vldrbq_z_s16(a, rest), vldrbq_z_s16(b, rest), &p, scaled, up), rest);
    }
}

/* (a x + b y + offset) >> shift, where the generator found four such numbers */
static inline int16x8_t formula(int16x8_t a, int16x8_t b, const struct intrs_add_arm_mve *p)
{
    const int32x4_t factor = vdupq_n_s32(p->factor[0]);
    const int32x4_t low = vmlaq_n_s32(vmlasq_n_s32(vmovlbq_s16(a), factor, p->offset), vmovlbq_s16(b), p->factor[1]);
    const int32x4_t high = vmlaq_n_s32(vmlasq_n_s32(vmovltq_s16(a), factor, p->offset), vmovltq_s16(b), p->factor[1]);
    const int16x8_t out = vqmovntq_s32(vqmovnbq_s32(a, vshlq_r_s32(low, -p->down)), vshlq_r_s32(high, -p->down));
    return vminq_s16(vmaxq_s16(out, vdupq_n_s16((int16_t)p->min)), vdupq_n_s16((int16_t)p->max));
}

static void add_formula(const struct intrs_add_arm_mve *all, const int8_t *a, const int8_t *b, int8_t *out)
{
    const struct intrs_add_arm_mve p = *all;
    for (int32_t n = p.n >> 3; n > 0; n--, a += 8, b += 8, out += 8) {
        vstrbq_s16(out, formula(vldrbq_s16(a), vldrbq_s16(b), &p));
    }
    if ((p.n & 7) != 0) {
        const mve_pred16_t rest = vctp16q((uint32_t)p.n & 7U);
        vstrbq_p_s16(out, formula(vldrbq_z_s16(a, rest), vldrbq_z_s16(b, rest), &p), rest);
    }
}

void intrs_add_arm_mve(const struct intrs_add_arm_mve *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    if (p->down != 0) {
        add_formula(p, a, b, out);
    } else if (p->shift == 0) {
        add_all(p, a, b, out, 0, 0);
    } else if (p->up) {
        add_all(p, a, b, out, 1, 1);
    } else {
        add_all(p, a, b, out, 1, 0);
    }
}
