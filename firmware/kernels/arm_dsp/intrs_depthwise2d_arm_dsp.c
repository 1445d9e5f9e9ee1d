/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_depthwise2d_arm_dsp.c - depthwise convolution, four channels of one pixel at a time.
 *
 * Each channel has a sum of its own, so no instruction does two products of one sum without shuffling the taps first;
 * SXTB16 and the half-word multiplications cost 8 instructions a tap of four channels, the shuffle would cost 7.5 and
 * more registers.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

/* acc + the product of the lower and of the upper half-words */
static inline int32_t smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

static inline int32_t smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

struct taps {
    int32_t h, w, pixel_bytes, row_bytes;
};

#define TAP(address)                                                                                                   \
    do {                                                                                                               \
        const uint32_t x_ = intrs_load(address);                                                                       \
        const uint32_t even_ = intrs_sxtb16(x_), odd_ = intrs_sxtb16_ror8(x_);                                         \
        const uint32_t w02_ = *weights++, w13_ = *weights++;                                                           \
        y0 = smlabb(even_, w02_, y0);                                                                                  \
        y2 = smlatt(even_, w02_, y2);                                                                                  \
        y1 = smlabb(odd_, w13_, y1);                                                                                   \
        y3 = smlatt(odd_, w13_, y3);                                                                                   \
    } while (0)

/*
 * The same for the nine taps of a 3x3 filter at once: gcc would spill. With MVE it has too few registers for this
 * block.
 */
#if defined(__ARM_FEATURE_MVE)
#define NINE_TAPS(line)                                                                                                \
    for (int32_t fy = 0; fy < 3; fy++, (line) += row) {                                                                \
        TAP(line);                                                                                                     \
        TAP((line) + step);                                                                                            \
        TAP((line) + 2 * step);                                                                                        \
    }
#else
#define ROW_TAP(address)                                                                                               \
    "ldr r2, [" address "]\n"                                                                                          \
    "ldm %[weights]!, {r4, r5}\n"                                                                                      \
    "sxtb16 r3, r2, ror #8\n"                                                                                          \
    "sxtb16 r2, r2\n"                                                                                                  \
    "smlabb %[y0], r2, r4, %[y0]\n"                                                                                    \
    "smlatt %[y2], r2, r4, %[y2]\n"                                                                                    \
    "smlabb %[y1], r3, r5, %[y1]\n"                                                                                    \
    "smlatt %[y3], r3, r5, %[y3]\n"
#define ROW ROW_TAP("%[line]") ROW_TAP("%[line], %[step]") ROW_TAP("%[line], %[step], lsl #1")
#define NEXT_ROW "ldr r2, %[row]\n add %[line], r2\n"
#define NINE_TAPS(line)                                                                                                \
    __asm__ volatile(                                                                                                  \
        ROW NEXT_ROW ROW NEXT_ROW ROW                                                                                  \
        : [y0] "+r"(y0), [y1] "+r"(y1), [y2] "+r"(y2), [y3] "+r"(y3), [line] "+r"(line), [weights] "+r"(weights)       \
        : [step] "r"(step), [row] "m"(row)                                                                             \
        : "r2", "r3", "r4", "r5", "memory")
#endif

static inline int32_t requant(int32_t acc, const int32_t *q, int linear)
{
    int32_t h = intrs_smmlar(acc, q[0], q[1]);
    if (linear) {
        h += acc >> 31;
    }
    return intrs_ssat8(h >> q[2]);
}

/* All channels of one output pixel. from: the first tap. */
static inline __attribute__((always_inline)) void pixel(const int32_t *stream, const uint8_t *from,
                                                        const struct taps *t, int32_t channels, int8_t *out, int three,
                                                        int linear)
{
    const int32_t step = t->pixel_bytes, row = t->row_bytes;
    for (int32_t c = 0; c < channels; c += 4) {
        if (c > channels - 4) {
            c = channels - 4;
        }
        int32_t y0 = stream[0], y2 = stream[1], y1 = stream[2], y3 = stream[3];
        const uint32_t *weights = (const void *)(stream + 4);
        const uint8_t *line = from + c;
        if (three) {
            NINE_TAPS(line);
        } else {
            for (int32_t fy = t->h; fy > 0; fy--, line += row) {
                const uint8_t *tap = line;
                for (int32_t fx = t->w; fx > 0; fx--, tap += step) {
                    TAP(tap);
                }
            }
        }
        const int32_t *q = (const void *)weights;
        out[c] = (int8_t)requant(y0, q, linear);
        out[c + 1] = (int8_t)requant(y1, q + 3, linear);
        out[c + 2] = (int8_t)requant(y2, q + 6, linear);
        out[c + 3] = (int8_t)requant(y3, q + 9, linear);
        stream = q + 12;
    }
}

static __attribute__((noinline)) void pixel_3(const struct intrs_conv2d_arm_dsp *p, const uint8_t *from,
                                              const struct taps *t, int8_t *out)
{
    if (p->linear) {
        pixel(p->stream, from, t, p->w.in_c, out, 1, 1);
    } else {
        pixel(p->stream, from, t, p->w.in_c, out, 1, 0);
    }
}

static __attribute__((noinline)) void pixel_any(const struct intrs_conv2d_arm_dsp *p, const uint8_t *from,
                                                const struct taps *t, int8_t *out)
{
    pixel(p->stream, from, t, p->w.in_c, out, 0, p->linear);
}

void intrs_depthwise2d_arm_dsp(const struct intrs_conv2d_arm_dsp *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c;
    const struct taps inside = {w->filter_h, w->filter_w, w->dilation_w * c, w->dilation_h * w->in_w * c};
    const struct taps gathered = {w->filter_h, w->filter_w, c, w->filter_w * c};
    const int32_t high = (w->filter_h - 1) * w->dilation_h, wide = (w->filter_w - 1) * w->dilation_w;
    int8_t *to = out;

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        const int32_t y0 = oy * w->stride_h - w->pad_top;
        for (int32_t ox = 0; ox < w->out_w; ox++, to += c) {
            const int32_t x0 = ox * w->stride_w - w->pad_left;
            const struct taps *t = &inside;
            const uint8_t *from = (const uint8_t *)in + (y0 * w->in_w + x0) * c;
            if (y0 < 0 || x0 < 0 || y0 + high >= w->in_h || x0 + wide >= w->in_w) {
                uint8_t *next = scratch;
                for (int32_t fy = 0; fy < w->filter_h; fy++) {
                    for (int32_t fx = 0; fx < w->filter_w; fx++, next += c) {
                        const int32_t y = y0 + fy * w->dilation_h, x = x0 + fx * w->dilation_w;
                        if (y < 0 || x < 0 || y >= w->in_h || x >= w->in_w) {
                            __builtin_memset(next, p->in_zero_point, (uint32_t)c);
                        } else {
                            __builtin_memcpy(next, in + (y * w->in_w + x) * c, (uint32_t)c);
                        }
                    }
                }
                t = &gathered;
                from = scratch;
            }
            (w->filter_w == 3 && w->filter_h == 3 ? pixel_3 : pixel_any)(p, from, t, to);
        }
    }
    intrs_clamp_arm_dsp(out, (int32_t)(to - out), p->min, p->max);
}
