/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_neon_affine.c - the sum of two tensors by one formula.
 */
#if defined(__ARM_NEON) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

INTRS_INLINE int32x4_t sum4(int16x4_t x, int16x4_t y, const struct intrs_add_neon_affine *p)
{
    int32x4_t s = vmlaq_n_s32(vdupq_n_s32(p->offset), vmovl_s16(x), p->factor[0]);
    return vshlq_s32(vmlaq_n_s32(s, vmovl_s16(y), p->factor[1]), vdupq_n_s32(-p->shift));
}

/* Residual sum by the searched formula. out may be x or y. */
void intrs_add_neon_affine(const struct intrs_add_neon_affine *p, int32_t batch, const int8_t *x, const int8_t *y,
                           int8_t *out)
{
    const int8x8_t min = vdup_n_s8((int8_t)p->min), max = vdup_n_s8((int8_t)p->max);
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
        int16x4_t lo = vqmovn_s32(sum4(vget_low_s16(a), vget_low_s16(b), p));
        int16x4_t hi = vqmovn_s32(sum4(vget_high_s16(a), vget_high_s16(b), p));
        int8x8_t c = vmin_s8(vmax_s8(vqmovn_s16(vcombine_s16(lo, hi)), min), max);
        intrs_store_some(out + i, c, n - i < 8 ? (int32_t)(n - i) : 8);
    }
}
#endif
