/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_max_pool2d_portable.c - max pooling.
 */
#include "intrs_requant.h"

/* MAX_POOL_2D over the taps inside the input. */
void intrs_max_pool2d_portable(const struct intrs_pool2d *p, const int8_t *input, int8_t *output)
{
    const struct intrs_window *w = &p->w;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy * w->stride_h - w->pad_top;
        const int32_t y1 = intrs_clamp(y0 + w->filter_h, 0, w->in_h);
        const int32_t ys = y0 < 0 ? 0 : y0;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t x0 = ox * w->stride_w - w->pad_left;
            const int32_t x1 = intrs_clamp(x0 + w->filter_w, 0, w->in_w);
            const int32_t xs = x0 < 0 ? 0 : x0;
            for (int32_t c = 0; c < w->in_c; c++) {
                int32_t top = INT8_MIN;
                for (int32_t y = ys; y < y1; y++) {
                    for (int32_t x = xs; x < x1; x++) {
                        const int32_t v = input[(y * w->in_w + x) * w->in_c + c];
                        top = v > top ? v : top;
                    }
                }
                *output++ = (int8_t)intrs_clamp(top, p->min, p->max);
            }
        }
    }
}
