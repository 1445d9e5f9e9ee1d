/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_depthwise2d_portable_inplace.c - depthwise convolution over its own input, a plane at a time.
 */
#include "intrs_requant.h"

/*
 * DEPTHWISE_CONV_2D with multiplier 1 and equal input and output extents, whose output may be its input: a channel's
 * plane is copied to scratch (in_h * in_w bytes) before it is overwritten, and no other channel reads it.
 */
void intrs_depthwise2d_portable_inplace(const struct intrs_depthwise2d *p, const int8_t *input, int8_t *output,
                                        uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t pixels = w->in_h * w->in_w;
    int8_t *plane = (int8_t *)scratch;

    for (int32_t c = 0; c < w->in_c; c++) {
        for (int32_t i = 0; i < pixels; i++) {
            plane[i] = input[i * w->in_c + c];
        }
        int8_t *out = output + c;
        for (int32_t oy = 0; oy < w->out_h; oy++) {
            const int32_t y0 = oy * w->stride_h - w->pad_top;
            for (int32_t ox = 0; ox < w->out_w; ox++, out += w->out_c) {
                const int32_t x0 = ox * w->stride_w - w->pad_left;
                uint32_t acc = (uint32_t)p->bias[c];
                for (int32_t ky = 0; ky < w->filter_h; ky++) {
                    const int32_t y = y0 + ky * w->dilation_h;
                    if (y < 0 || y >= w->in_h) {
                        continue;
                    }
                    for (int32_t kx = 0; kx < w->filter_w; kx++) {
                        const int32_t x = x0 + kx * w->dilation_w;
                        if (x < 0 || x >= w->in_w) {
                            continue;
                        }
                        acc += (uint32_t)(p->weights[(ky * w->filter_w + kx) * w->out_c + c] *
                                          (plane[y * w->in_w + x] - p->in_zero_point));
                    }
                }
                *out = intrs_requantize(&p->q, (int32_t)acc, c);
            }
        }
    }
}
