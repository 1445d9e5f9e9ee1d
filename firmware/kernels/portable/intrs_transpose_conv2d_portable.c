/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_transpose_conv2d_portable.c - a transposed convolution, gathered by output.
 */
#include "intrs_requant.h"

/*
 * TRANSPOSE_CONV: an output pixel gathers the input pixels whose windows reach it. The window is that of the
 * convolution backwards: input position i meets the outputs i * stride - pad + tap.
 */
void intrs_transpose_conv2d_portable(const struct intrs_conv2d *p, const int8_t *input, int8_t *output)
{
    const struct intrs_window *w = &p->w;
    const int32_t taps = w->filter_h * w->filter_w * w->in_c;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy + w->pad_top;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t x0 = ox + w->pad_left;
            const int8_t *weights = p->weights;
            for (int32_t oc = 0; oc < w->out_c; oc++, weights += taps) {
                uint32_t acc = (uint32_t)p->bias[oc];
                for (int32_t ky = y0 % w->stride_h; ky < w->filter_h && ky <= y0; ky += w->stride_h) {
                    const int32_t y = (y0 - ky) / w->stride_h;
                    if (y >= w->in_h) {
                        continue;
                    }
                    for (int32_t kx = x0 % w->stride_w; kx < w->filter_w && kx <= x0; kx += w->stride_w) {
                        const int32_t x = (x0 - kx) / w->stride_w;
                        if (x >= w->in_w) {
                            continue;
                        }
                        const int8_t *in = input + (y * w->in_w + x) * w->in_c;
                        const int8_t *f = weights + (ky * w->filter_w + kx) * w->in_c;
                        for (int32_t c = 0; c < w->in_c; c++) {
                            acc += (uint32_t)(f[c] * (in[c] - p->in_zero_point));
                        }
                    }
                }
                *output++ = intrs_requantize(&p->q, (int32_t)acc, oc);
            }
        }
    }
}
