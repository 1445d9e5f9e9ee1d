/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_average_pool2d_portable.c - average pooling; taps in the padding do not count.
 */
#include "intrs_requant.h"

/* AVERAGE_POOL_2D over the taps inside the input, halves away from zero. */
void intrs_average_pool2d_portable(const struct intrs_pool2d *p, const int8_t *input, int8_t *output)
{
    const struct intrs_window *w = &p->w;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy * w->stride_h - w->pad_top;
        const int32_t y1 = intrs_clamp(y0 + w->filter_h, 0, w->in_h);
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t x0 = ox * w->stride_w - w->pad_left;
            const int32_t x1 = intrs_clamp(x0 + w->filter_w, 0, w->in_w);
            const int32_t ys = y0 < 0 ? 0 : y0;
            const int32_t xs = x0 < 0 ? 0 : x0;
            const int32_t count = (y1 - ys) * (x1 - xs);
            for (int32_t c = 0; c < w->in_c; c++) {
                int32_t sum = 0;
                for (int32_t y = ys; y < y1; y++) {
                    for (int32_t x = xs; x < x1; x++) {
                        sum += input[(y * w->in_w + x) * w->in_c + c];
                    }
                }
                sum = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
                *output++ = (int8_t)intrs_clamp(sum, p->min, p->max);
            }
        }
    }
}
