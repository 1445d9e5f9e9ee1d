/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_add_portable.c - a convolution and the addition of its result, value by value.
 */
#include "intrs_requant.h"

/*
 * CONV_2D followed by ADD. Output element i needs element i of the other operand alone, so the two may share memory: a
 * residual block then needs two buffers instead of three.
 */
void intrs_conv2d_add_portable(const struct intrs_conv2d_add *fused, const int8_t *input, const int8_t *other,
                               int8_t *output)
{
    const struct intrs_conv2d *p = &fused->conv;
    const struct intrs_add *s = &fused->add;
    const int32_t own = fused->operand;
    const int32_t unit = (int32_t)1 << s->left_shift;
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
                const int32_t a = intrs_requantize(&p->q, (int32_t)acc, oc) - s->zero_point[own];
                const int32_t b = *other++ - s->zero_point[1 - own];
                *output++ = intrs_requantize(&s->q,
                                             intrs_scale(a * unit, s->multiplier[own], s->shift[own]) +
                                                 intrs_scale(b * unit, s->multiplier[1 - own], s->shift[1 - own]),
                                             0);
            }
        }
    }
}
