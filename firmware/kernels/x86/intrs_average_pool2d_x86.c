/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_average_pool2d_x86.c - average pooling, sixteen channels at a time.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_x86_inline.h"

/*
 * AVERAGE_POOL_2D: 16 channels at a time; a tail goes one by one. Windows of at most 256 taps, so that sums of int8 fit
 * int16.
 */
void intrs_average_pool2d_x86(const struct intrs_pool2d *p, int32_t batch, const int8_t *in, int8_t *out)
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
            for (size_t c = 0; c < channels; c += 16) {
                const size_t some = channels - c < 16 ? channels - c : 16;
                int16_t sums[16] = {0};
                if (some == 16) {
                    __m256i total = _mm256_setzero_si256();
                    for (int32_t y = y0; y < y1; y++) {
                        for (int32_t x = x0; x < x1; x++) {
                            total = _mm256_add_epi16(total, intrs_widen(in + (size_t)(y * w->in_w + x) * channels + c));
                        }
                    }
                    intrs_store(sums, total);
                } else {
                    for (int32_t y = y0; y < y1; y++) {
                        for (int32_t x = x0; x < x1; x++) {
                            for (size_t i = 0; i < some; i++) {
                                sums[i] = (int16_t)(sums[i] + in[(size_t)(y * w->in_w + x) * channels + c + i]);
                            }
                        }
                    }
                }
                for (size_t i = 0; i < some; i++) {
                    int32_t mean = (sums[i] > 0 ? sums[i] + count / 2 : sums[i] - count / 2) / count;
                    out[c + i] = (int8_t)(mean < p->min ? p->min : mean > p->max ? p->max : mean);
                }
            }
        }
    }
}

#include "intrs_target_end.h"
#endif
