/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_scalar.c - direct convolution for cores with some thirty registers: four filters times four pixels, or
 * times one where there is but one.
 */
#include "intrs_asm.h"
#include "intrs_high_mul.h"
#include "intrs_scalar.h"

/* four bytes of a tensor */
typedef uint32_t __attribute__((may_alias)) word;

/* y[filter][pixel] of `taps`, a multiple of 4; x: [four taps][pixel][4], weights: [tap][filter]. */
static __attribute__((noinline)) void four_pixels(const int8_t *weights, const int8_t *x, int32_t taps,
                                                  const int32_t *bias, int32_t *y)
{
#if defined(__riscv)
    /* 40 instructions for the 16 products of a tap; in C most of the sums would lie in memory */
#define FOUR(filter, y0, y1, y2, y3)                                                                                   \
    "lb a7, " filter "(%[w])\n"                                                                                        \
    "mul t0, a7, a2\n"                                                                                                 \
    "add " y0 ", " y0 ", t0\n"                                                                                         \
    "mul t0, a7, a3\n"                                                                                                 \
    "add " y1 ", " y1 ", t0\n"                                                                                         \
    "mul t0, a7, a4\n"                                                                                                 \
    "add " y2 ", " y2 ", t0\n"                                                                                         \
    "mul t0, a7, a5\n"                                                                                                 \
    "add " y3 ", " y3 ", t0\n"
#define TAP(i)                                                                                                         \
    "lb a2, " #i "(%[x])\n"                                                                                            \
    "lb a3, " #i " + 4(%[x])\n"                                                                                        \
    "lb a4, " #i " + 8(%[x])\n"                                                                                        \
    "lb a5, " #i " + 12(%[x])\n" FOUR("4 * " #i, "s1", "s2", "s3", "s4")                                               \
        FOUR("4 * " #i " + 1", "s5", "s6", "s7", "s8") FOUR("4 * " #i " + 2", "s9", "s10", "s11", "t3")                \
            FOUR("4 * " #i " + 3", "t4", "t5", "t6", "a6")
    const int8_t *end = x + 4 * taps;
    __asm__ volatile("lw s1, 0(%[bias])\n lw s5, 4(%[bias])\n lw s9, 8(%[bias])\n lw t4, 12(%[bias])\n"
                     "mv s2, s1\n mv s3, s1\n mv s4, s1\n mv s6, s5\n mv s7, s5\n mv s8, s5\n"
                     "mv s10, s9\n mv s11, s9\n mv t3, s9\n mv t5, t4\n mv t6, t4\n mv a6, t4\n"
                     "1:\n" TAP(0) TAP(1) TAP(2)
                         TAP(3) "addi %[x], %[x], 16\n"
                                "addi %[w], %[w], 16\n"
                                "bne %[x], %[end], 1b\n"
                                "sw s1, 0(%[y])\n sw s2, 4(%[y])\n sw s3, 8(%[y])\n sw s4, 12(%[y])\n"
                                "sw s5, 16(%[y])\n sw s6, 20(%[y])\n sw s7, 24(%[y])\n sw s8, 28(%[y])\n"
                                "sw s9, 32(%[y])\n sw s10, 36(%[y])\n sw s11, 40(%[y])\n sw t3, 44(%[y])\n"
                                "sw t4, 48(%[y])\n sw t5, 52(%[y])\n sw t6, 56(%[y])\n sw a6, 60(%[y])\n"
                     : [w] "+r"(weights), [x] "+r"(x)
                     : [end] "r"(end), [bias] "r"(bias), [y] "r"(y)
                     : "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t0", "t3", "t4", "t5", "t6",
                       "a2", "a3", "a4", "a5", "a6", "a7", "memory");
#else
    for (int32_t k = 0; k < 16; k++) {
        y[k] = bias[k >> 2];
    }
    for (int32_t i = 0; i < taps; i++, weights += 4) {
        for (int32_t k = 0; k < 16; k++) {
            y[k] = (int32_t)((uint32_t)y[k] + (uint32_t)(weights[k >> 2] * x[(i >> 2) * 16 + 4 * (k & 3) + (i & 3)]));
        }
    }
#endif
}

/* The same of one pixel: every fourth word of x, every fourth of y. */
static __attribute__((noinline)) void one_pixel(const int8_t *weights, const int8_t *x, int32_t taps,
                                                const int32_t *bias, int32_t *y)
{
    uint32_t y0 = (uint32_t)bias[0], y1 = (uint32_t)bias[1], y2 = (uint32_t)bias[2], y3 = (uint32_t)bias[3];
    for (const int8_t *end = x + 4 * taps; x != end; x += 16) {
#pragma GCC unroll 4
        for (int32_t i = 0; i < 4; i++, weights += 4) {
            const int32_t value = x[i];
            y0 += (uint32_t)(weights[0] * value);
            y1 += (uint32_t)(weights[1] * value);
            y2 += (uint32_t)(weights[2] * value);
            y3 += (uint32_t)(weights[3] * value);
        }
    }
    y[0] = (int32_t)y0;
    y[4] = (int32_t)y1;
    y[8] = (int32_t)y2;
    y[12] = (int32_t)y3;
}

/* Bytes to every fourth word, from the k-th tap on, which comes from `from` or, where that is NULL, is `value`. */
static int32_t spread(int8_t *to, int32_t k, const int8_t *from, int32_t value, int32_t n)
{
    const int32_t end = k + n;
    if (((k | n) & 3) == 0 && (((uintptr_t)from) & 3U) == 0) {
        word *words = (word *)(void *)(to + 4 * k);
        if (from == 0) {
            for (; k < end; k += 4, words += 4) {
                *words = ((uint32_t)value & 0xFFU) * 0x01010101U;
            }
        } else {
            for (const word *source = (const void *)from; k < end; k += 4, words += 4) {
                *words = *source++;
            }
        }
        return end;
    }
    for (; k < end; k++) {
        to[(k >> 2) * 16 + (k & 3)] = from != 0 ? *from++ : (int8_t)value;
    }
    return end;
}

/* The window of one pixel. */
static void stage(const struct intrs_conv2d_scalar *p, const int8_t *in, int32_t pixel, int8_t *to)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c, zero = p->in_zero_point;
    const int32_t oy = pixel / w->out_w;
    const int32_t y0 = oy * w->stride_h - w->pad_top;
    const int32_t x0 = (pixel - oy * w->out_w) * w->stride_w - w->pad_left;
    const int32_t run = w->dilation_w == 1 ? w->filter_w : 1; /* pixels that lie side by side */
    int32_t k = 0;

    for (int32_t fy = 0; fy < w->filter_h; fy++) {
        const int32_t y = y0 + fy * w->dilation_h;
        for (int32_t fx = 0; fx < w->filter_w; fx += run) {
            const int32_t x = x0 + fx * w->dilation_w;
            int32_t before = x < 0 ? -x : 0;
            int32_t after = x + run > w->in_w ? x + run - w->in_w : 0;
            if (y < 0 || y >= w->in_h || before > run || after > run) {
                before = run;
                after = 0;
            }
            const int32_t inside = run - before - after;
            k = spread(to, k, 0, zero, before * c);
            if (inside > 0) {
                k = spread(to, k, in + (y * w->in_w + x + before) * c, 0, inside * c);
            }
            k = spread(to, k, 0, zero, after * c);
        }
    }
}

void intrs_conv2d_scalar(const struct intrs_conv2d_scalar *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t taps = (w->filter_h * w->filter_w * w->in_c + 3) & ~3;
    const int32_t pixels = w->out_h * w->out_w;
    const int32_t out_c = w->out_c, min = p->min, max = p->max;
    const int32_t sign = p->linear ? -32 : 0;
    int8_t *windows = (void *)scratch;

    for (int32_t pixel = 0; pixel < pixels; pixel += 4, out += 4 * out_c) {
        const int32_t count = pixels - pixel < 4 ? pixels - pixel : 4;
        const int32_t *stream = p->stream;
        for (int32_t i = 0; i < count; i++) {
            stage(p, in, pixel + i, windows + 4 * i);
        }
        for (int32_t f = 0; f < out_c; f += 4) {
            int32_t y[16];
            const int8_t *weights = (const void *)(stream + 4);
            if (count > 1) {
                four_pixels(weights, windows, taps, stream, y);
            } else {
                one_pixel(weights, windows, taps, stream, y);
            }
            stream += 4 + taps;
            for (int32_t j = 0; j < 4; j++, stream += 3) {
                if (f + j < out_c) {
                    const int32_t multiplier = stream[0], addend = stream[1], shift = stream[2];
                    int8_t *to = out + f + j;
                    for (int32_t i = 0; i < count; i++, to += out_c) {
                        const int32_t acc = (int32_t)((uint32_t)y[4 * j + i] << 6);
                        const int32_t h = intrs_high_mul(acc, multiplier, 0) + addend + ((acc >> 31) & sign);
                        *to = (int8_t)intrs_limit(h >> shift, min, max);
                    }
                }
            }
        }
    }
}
