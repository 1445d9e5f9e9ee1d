/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_depthwise2d_portable.c - depthwise convolution of any multiplier.
 */
#include "intrs_requant.h"

/* DEPTHWISE_CONV_2D with any depth multiplier: output channel c * multiplier + m sees input channel c alone. */
void intrs_depthwise2d_portable(const struct intrs_depthwise2d *p, const int8_t *input, int8_t *output)
{
    const struct intrs_window *w = &p->w;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy * w->stride_h - w->pad_top;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t x0 = ox * w->stride_w - w->pad_left;
            for (int32_t oc = 0; oc < w->out_c; oc++) {
                const int8_t *in = input + oc / p->multiplier;
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
                        acc += (uint32_t)(p->weights[(ky * w->filter_w + kx) * w->out_c + oc] *
                                          (in[(y * w->in_w + x) * w->in_c] - p->in_zero_point));
                    }
                }
                *output++ = intrs_requantize(&p->q, (int32_t)acc, oc);
            }
        }
    }
}
