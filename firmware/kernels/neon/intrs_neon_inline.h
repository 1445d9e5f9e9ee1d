/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_neon_inline.h - what the NEON kernels share: requantisation, stores, frames, the int16 product.
 */
#ifndef INTRS_NEON_INLINE_H
#define INTRS_NEON_INLINE_H

#include <arm_neon.h>
#include <string.h>

#include "intrs_neon.h"

#define INTRS_INLINE static inline __attribute__((always_inline))

INTRS_INLINE uint8_t *intrs_align16(uint8_t *p)
{
    return p + (-(uintptr_t)p & 15u);
}

/// requantisation ///

/*
 * gemmlowp's two roundings: SQRDMULH is the first, and SRSHL rounds halves up, so negative values go down by one before
 * it (not where the shift is 0: the mask is then 0).
 */
INTRS_INLINE int32x4_t intrs_requant4(int32x4_t acc, int32x4_t multiplier, int32x4_t shift)
{
    int32x4_t h = vqrdmulhq_s32(acc, multiplier);
    h = vqaddq_s32(h, vshrq_n_s32(vandq_s32(h, shift), 31));
    return vrshlq_s32(h, shift);
}

/* 8 channels: accumulators to int8 */
INTRS_INLINE int8x8_t intrs_requant8(int32x4_t lo, int32x4_t hi, const int32_t *table,
                                     const struct intrs_neon_requant *q)
{
    const int32_t *m = table + INTRS_NEON_MULTIPLIER * 8, *s = table + INTRS_NEON_SHIFT * 8;
    int16x4_t a = vqmovn_s32(intrs_requant4(lo, vld1q_s32(m), vld1q_s32(s)));
    int16x4_t b = vqmovn_s32(intrs_requant4(hi, vld1q_s32(m + 4), vld1q_s32(s + 4)));
    int16x8_t h = vqaddq_s16(vcombine_s16(a, b), vdupq_n_s16((int16_t)q->zero_point));
    return vmin_s8(vmax_s8(vqmovn_s16(h), vdup_n_s8((int8_t)q->min)), vdup_n_s8((int8_t)q->max));
}

INTRS_INLINE void intrs_store_some(int8_t *p, int8x8_t v, int32_t n)
{
    if (n >= 8) {
        vst1_s8(p, v);
    } else {
        int8_t bytes[8];
        vst1_s8(bytes, v);
        memcpy(p, bytes, (size_t)n);
    }
}

/// geometry of a direct convolution ///

/* rows and columns that the windows reach, and the runs of each window */
struct intrs_neon_runs {
    int32_t rows, columns, runs, taps, length;
};

INTRS_INLINE struct intrs_neon_runs intrs_neon_runs(const struct intrs_window *w)
{
    struct intrs_neon_runs r;
    r.rows = (w->out_h - 1) * w->stride_h + (w->filter_h - 1) * w->dilation_h + 1;
    r.columns = (w->out_w - 1) * w->stride_w + (w->filter_w - 1) * w->dilation_w + 1;
    r.taps = w->dilation_w > 1 ? w->filter_w : 1;
    r.runs = w->filter_h * r.taps;
    r.length = ((w->dilation_w > 1 ? 1 : w->filter_w) * w->in_c + 3) & ~3;
    return r;
}

/* a layer of one pixel an image takes the whole batch as one row */
INTRS_INLINE int32_t intrs_neon_flatten(struct intrs_window *w, int32_t batch)
{
    if (w->in_h * w->in_w != 1 || w->filter_h * w->filter_w != 1) {
        return batch;
    }
    w->in_w = batch;
    w->out_w = batch;
    w->stride_w = 1;
    return 1;
}

/// the int16 product ///

/* 4 rows of values times 8 channels, from the accumulators in acc; u: [4 quads][8], quads of values at a time */
INTRS_INLINE void intrs_product_4x8(int32x4_t acc[8], const int16_t *p0, const int16_t *p1, const int16_t *p2,
                                    const int16_t *p3, const int16_t *u, int32_t quads)
{
    int32x4_t a0 = acc[0], b0 = acc[1], a1 = acc[2], b1 = acc[3], a2 = acc[4], b2 = acc[5], a3 = acc[6], b3 = acc[7];
    for (int32_t k = 0; k < quads; k++) {
        int16x4_t x0 = vld1_s16(p0), x1 = vld1_s16(p1), x2 = vld1_s16(p2), x3 = vld1_s16(p3);
        p0 += 4, p1 += 4, p2 += 4, p3 += 4;
#define INTRS_STEP(lane)                                                                                               \
    do {                                                                                                               \
        int16x8_t w = vld1q_s16(u + 8 * (lane));                                                                       \
        a0 = vmlal_lane_s16(a0, vget_low_s16(w), x0, lane), b0 = vmlal_lane_s16(b0, vget_high_s16(w), x0, lane);       \
        a1 = vmlal_lane_s16(a1, vget_low_s16(w), x1, lane), b1 = vmlal_lane_s16(b1, vget_high_s16(w), x1, lane);       \
        a2 = vmlal_lane_s16(a2, vget_low_s16(w), x2, lane), b2 = vmlal_lane_s16(b2, vget_high_s16(w), x2, lane);       \
        a3 = vmlal_lane_s16(a3, vget_low_s16(w), x3, lane), b3 = vmlal_lane_s16(b3, vget_high_s16(w), x3, lane);       \
    } while (0)
        INTRS_STEP(0);
        INTRS_STEP(1);
        INTRS_STEP(2);
        INTRS_STEP(3);
#undef INTRS_STEP
        u += 32;
    }
    acc[0] = a0, acc[1] = b0, acc[2] = a1, acc[3] = b1, acc[4] = a2, acc[5] = b2, acc[6] = a3, acc[7] = b3;
}

#endif
