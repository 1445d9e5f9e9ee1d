/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_depthwise2d_neon.c - depthwise convolution, eight channels at a time.
 */
#if defined(__ARM_NEON) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

/*
 * Depthwise convolution, multiplier 1: 8 channels at a time, the input read in place; a tap outside the image reads a
 * row of zero points. Scratch: 16 to align, in_c rounded up to 8 for that row, and a pointer a tap.
 */
void intrs_depthwise2d_neon(const struct intrs_depthwise2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                            uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t taps = w->filter_h * w->filter_w;
    const size_t channels = (size_t)w->in_c, padded = (channels + 7) & ~(size_t)7;
    const int8x8_t zero = vdup_n_s8((int8_t)p->in_zero_point);
    int8_t *nothing = (int8_t *)intrs_align16(scratch);
    const int8_t **tap = (const int8_t **)(void *)(nothing + padded);
    memset(nothing, p->in_zero_point, padded);

    for (int32_t image = 0; image < batch; image++, in += (size_t)(w->in_h * w->in_w) * channels) {
        for (int32_t pixel = 0; pixel < w->out_h * w->out_w; pixel++, out += channels) {
            const int32_t y0 = pixel / w->out_w * w->stride_h - w->pad_top,
                          x0 = pixel % w->out_w * w->stride_w - w->pad_left;
            for (int32_t i = 0; i < taps; i++) {
                int32_t y = y0 + i / w->filter_w * w->dilation_h, x = x0 + i % w->filter_w * w->dilation_w;
                int outside = y < 0 || y >= w->in_h || x < 0 || x >= w->in_w;
                tap[i] = outside ? nothing : in + (size_t)(y * w->in_w + x) * channels;
            }
            for (size_t c = 0; c < channels; c += 8) {
                const int32_t *table = p->q.table + c * INTRS_NEON_ROWS;
                const size_t some = channels - c < 8 ? channels - c : 8;
                int32x4_t lo = vld1q_s32(table), hi = vld1q_s32(table + 4);
                for (int32_t i = 0; i < taps; i++) {
                    int8_t last[8] = {0};
                    const int8_t *from = tap[i] + c;
                    if (some < 8) { /* the last channels: never past the tensor */
                        memcpy(last, from, some);
                        from = last;
                    }
                    int16x8_t x = vsubl_s8(vld1_s8(from), zero), u = vld1q_s16(p->weights + (size_t)i * padded + c);
                    lo = vmlal_s16(lo, vget_low_s16(x), vget_low_s16(u));
                    hi = vmlal_s16(hi, vget_high_s16(x), vget_high_s16(u));
                }
                intrs_store_some(out + c, intrs_requant8(lo, hi, table, &p->q), (int32_t)some);
            }
        }
    }
}
#endif
