/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_portable.c - convolution of any groups, strides, dilation and padding.
 */
#include "intrs_requant.h"

/*
 * CONV_2D, grouped too. The taps outside the input are left out of the sums, so padding costs nothing; sums wrap in 32
 * bits.
 */
void intrs_conv2d_portable(const struct intrs_conv2d *p, const int8_t *input, int8_t *output)
{
    const struct intrs_window *w = &p->w;
    const int32_t in_group = w->in_c / p->groups;
    const int32_t out_group = w->out_c / p->groups;
    const int32_t taps = w->filter_h * w->filter_w * in_group;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy * w->stride_h - w->pad_top;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t x0 = ox * w->stride_w - w->pad_left;
            const int8_t *weights = p->weights;
            for (int32_t oc = 0; oc < w->out_c; oc++, weights += taps) {
                const int32_t first = oc / out_group * in_group;
                uint32_t acc = (uint32_t)p->bias[oc];
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
                        const int8_t *in = input + (y * w->in_w + x) * w->in_c + first;
                        const int8_t *f = weights + (ky * w->filter_w + kx) * in_group;
                        for (int32_t c = 0; c < in_group; c++) {
                            acc += (uint32_t)(f[c] * (in[c] - p->in_zero_point));
                        }
                    }
                }
                *output++ = intrs_requantize(&p->q, (int32_t)acc, oc);
            }
        }
    }
}
