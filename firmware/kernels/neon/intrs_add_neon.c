/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_neon.c - the sum of two tensors step by step, as TFLite computes it.
 */
#if defined(__ARM_NEON) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

INTRS_INLINE int32x4_t scaled(int16x4_t x, const struct intrs_add *p, int k)
{
    int32x4_t v = vshlq_s32(vsubq_s32(vmovl_s16(x), vdupq_n_s32(p->zero_point[k])), vdupq_n_s32(p->left_shift));
    return intrs_requant4(v, vdupq_n_s32(p->multiplier[k]), vdupq_n_s32(p->shift[k]));
}

INTRS_INLINE int16x4_t add4(int16x4_t x, int16x4_t y, const struct intrs_add *p)
{
    int32x4_t sum = vaddq_s32(scaled(x, p, 0), scaled(y, p, 1));
    return vqmovn_s32(intrs_requant4(sum, vdupq_n_s32(p->q.multiplier[0]), vdupq_n_s32(p->q.shift[0])));
}

/* TFLite's ADD and SUB step by step. No broadcast; every shift is to the right. out may be x or y. */
void intrs_add_neon(const struct intrs_add *p, int32_t batch, const int8_t *x, const int8_t *y, int8_t *out)
{
    const int8x8_t min = vdup_n_s8((int8_t)p->q.min), max = vdup_n_s8((int8_t)p->q.max);
    const size_t n = (size_t)batch * (size_t)p->n;
    for (size_t i = 0; i < n; i += 8) {
        int8_t some[16] = {0};
        const int8_t *xs = x + i, *ys = y + i;
        if (n - i < 8) {
            memcpy(some, xs, n - i);
            memcpy(some + 8, ys, n - i);
            xs = some;
            ys = some + 8;
        }
        int16x8_t a = vmovl_s8(vld1_s8(xs)), b = vmovl_s8(vld1_s8(ys));
        int16x8_t h =
            vcombine_s16(add4(vget_low_s16(a), vget_low_s16(b), p), add4(vget_high_s16(a), vget_high_s16(b), p));
        h = vqaddq_s16(h, vdupq_n_s16((int16_t)p->q.zero_point));
        intrs_store_some(out + i, vmin_s8(vmax_s8(vqmovn_s16(h), min), max), n - i < 8 ? (int32_t)(n - i) : 8);
    }
}
#endif
