/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_average_pool2d_neon.c - average pooling, eight channels at a time.
 */
#if defined(__ARM_NEON) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

/* AVERAGE_POOL_2D: 8 channels at a time. Windows of at most 256 taps, so that sums of int8 fit int16. */
void intrs_average_pool2d_neon(const struct intrs_pool2d *p, int32_t batch, const int8_t *in, int8_t *out)
{
    const struct intrs_window *w = &p->w;
    const size_t channels = (size_t)w->in_c;
    for (int32_t image = 0; image < batch; image++, in += (size_t)(w->in_h * w->in_w) * channels) {
        for (int32_t pixel = 0; pixel < w->out_h * w->out_w; pixel++, out += channels) {
            int32_t y0 = pixel / w->out_w * w->stride_h - w->pad_top, x0 = pixel % w->out_w * w->stride_w - w->pad_left;
            int32_t y1 = y0 + w->filter_h < w->in_h ? y0 + w->filter_h : w->in_h;
            int32_t x1 = x0 + w->filter_w < w->in_w ? x0 + w->filter_w : w->in_w;
            y0 = y0 < 0 ? 0 : y0;
            x0 = x0 < 0 ? 0 : x0;
            const int32_t count = (y1 - y0) * (x1 - x0);
            for (size_t c = 0; c < channels; c += 8) {
                const size_t some = channels - c < 8 ? channels - c : 8;
                int16x8_t total = vdupq_n_s16(0);
                for (int32_t y = y0; y < y1; y++) {
                    for (int32_t x = x0; x < x1; x++) {
                        int8_t last[8] = {0};
                        const int8_t *from = in + (size_t)(y * w->in_w + x) * channels + c;
                        if (some < 8) { /* the last channels: never past the tensor */
                            memcpy(last, from, some);
                            from = last;
                        }
                        total = vaddw_s8(total, vld1_s8(from));
                    }
                }
                int16_t sums[8];
                vst1q_s16(sums, total);
                for (size_t i = 0; i < some; i++) {
                    int32_t mean = (sums[i] > 0 ? sums[i] + count / 2 : sums[i] - count / 2) / count;
                    out[c + i] = (int8_t)(mean < p->min ? p->min : mean > p->max ? p->max : mean);
                }
            }
        }
    }
}
#endif
