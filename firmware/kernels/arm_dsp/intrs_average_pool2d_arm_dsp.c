/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_average_pool2d_arm_dsp.c - the mean over the taps inside the input, four channels at a time in half-word sums.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

static inline uint32_t add16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

static int8_t mean(const struct intrs_pool2d *p, int32_t sum, int32_t count)
{
    const int32_t x = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
    const int32_t y = x < p->min ? p->min : x;
    return (int8_t)(y > p->max ? p->max : y);
}

void intrs_average_pool2d_arm_dsp(const struct intrs_pool2d *p, const int8_t *in, int8_t *out)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy * w->stride_h - w->pad_top;
        const int32_t top = y0 < 0 ? 0 : y0, bottom = y0 + w->filter_h < w->in_h ? y0 + w->filter_h : w->in_h;
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const int32_t x0 = ox * w->stride_w - w->pad_left;
            const int32_t left = x0 < 0 ? 0 : x0, right = x0 + w->filter_w < w->in_w ? x0 + w->filter_w : w->in_w;
            const int32_t count = (bottom - top) * (right - left);
            for (int32_t i = 0; i < c; i += 4, out += 4) {
                uint32_t even = 0, odd = 0; /* channels {0, 2} and {1, 3} */
                for (int32_t y = top; y < bottom; y++) {
                    const int8_t *from = in + (y * w->in_w + left) * c + i;
                    for (int32_t x = left; x < right; x++, from += c) {
                        const uint32_t four = intrs_load(from);
                        even = add16(even, intrs_sxtb16(four));
                        odd = add16(odd, intrs_sxtb16_ror8(four));
                    }
                }
                out[0] = mean(p, (int16_t)even, count);
                out[1] = mean(p, (int16_t)odd, count);
                out[2] = mean(p, (int32_t)even >> 16, count);
                out[3] = mean(p, (int32_t)odd >> 16, count);
            }
        }
    }
}
