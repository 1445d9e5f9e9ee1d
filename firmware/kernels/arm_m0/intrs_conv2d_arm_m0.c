/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_m0.c - direct convolution in Thumb-1, or on Armv7-M without the DSP extension.
 *
 * Two filters times two pixels. MULS overwrites a factor, and of four products three may: one copy for four
 * multiply-accumulates. The sums live in r8-r11, which ADD reaches; the window is staged as words, so that LDM brings
 * both pixels' tap in one instruction; weights stay bytes. 13.5 instructions a tap, 3.4 a multiply-accumulate.
 */
#include "intrs_asm.h"
#include "intrs_arm_m0.h"
#include "intrs_high_mul.h"

#if __ARM_ARCH_ISA_THUMB >= 2
/* Armv7-M: multiply-accumulate, and a rotation where a byte is extended; 1.8 instructions a multiply-accumulate */
#define TAP(byte)                                                                                                      \
    "ldmia r1!, {r2, r3}\n"                                                                                            \
    "sxtb r5, r4, ror #8 * (" byte ")\n"                                                                               \
    "sxtb r6, r4, ror #8 * (" byte " + 1)\n"                                                                           \
    "mla r8, r5, r2, r8\n"                                                                                             \
    "mla r9, r5, r3, r9\n"                                                                                             \
    "mla r10, r6, r2, r10\n"                                                                                           \
    "mla r11, r6, r3, r11\n"
#define TWO_TAPS "ldr r4, [r0], #4\n" TAP("0") TAP("2")
#else
/* x in r2 and r3, one weight of each filter: code for the first into r5, for the second into the register named */
#define TAP(first, second, r)                                                                                          \
    "ldmia r1!, {r2, r3}\n" first "movs r6, r2\n"                                                                      \
    "muls r6, r5, r6\n"                                                                                                \
    "muls r5, r3, r5\n"                                                                                                \
    "add r8, r6\n"                                                                                                     \
    "add r9, r5\n" second "muls r2, " r ", r2\n"                                                                       \
    "muls r3, " r ", r3\n"                                                                                             \
    "add r10, r2\n"                                                                                                    \
    "add r11, r3\n"
#define TWO_TAPS                                                                                                       \
    "ldmia r0!, {r4}\n" TAP("sxtb r5, r4\n", "lsls r5, r4, #16\n asrs r5, r5, #24\n", "r5")                            \
        TAP("lsls r5, r4, #8\n asrs r5, r5, #24\n", "asrs r4, r4, #24\n", "r4")
#endif

/* y[filter][pixel] of `taps` taps, a multiple of 4; returns the stream behind the weights */
static inline const int32_t *block(const int32_t *stream, const int32_t *window, int32_t taps, int32_t y[2][2])
{
    register const int32_t *weights __asm__("r0") = stream;
    register const int32_t *x __asm__("r1") = window;
    register const int32_t *end __asm__("r2") = stream + 2 + (taps >> 1);
    register int32_t y00 __asm__("r3"), y01 __asm__("r4"), y10 __asm__("r5"), y11 __asm__("r6");
    /* clang-format off */
    __asm__ volatile(".syntax unified\n"
                     "mov r12, r2\n"
                     "ldmia r0!, {r2, r3}\n"
                     "mov r8, r2\n"
                     "mov r9, r2\n"
                     "mov r10, r3\n"
                     "mov r11, r3\n"
                     "1:\n" TWO_TAPS TWO_TAPS "cmp r0, r12\n"
                     "bne 1b\n"
                     "mov r3, r8\n"
                     "mov r4, r9\n"
                     "mov r5, r10\n"
                     "mov r6, r11\n"
                     : "+r"(weights), "+r"(x), "+r"(end), "=&r"(y00), "=&r"(y01), "=&r"(y10), "=&r"(y11)
                     :
                     : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    /* clang-format on */
    y[0][0] = y00;
    y[0][1] = y01;
    y[1][0] = y10;
    y[1][1] = y11;
    return weights;
}

static int32_t *spread(int32_t *to, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, from += 4, to += 8) {
        to[0] = from[0];
        to[2] = from[1];
        to[4] = from[2];
        to[6] = from[3];
    }
    for (; n > 0; n--, to += 2) {
        *to = *from++;
    }
    return to;
}

static int32_t *fill(int32_t *to, int32_t value, int32_t n)
{
    for (; n > 0; n--, to += 2) {
        *to = value;
    }
    return to;
}

/* The window of one pixel, every second word. */
static void stage(const struct intrs_conv2d_arm_m0 *p, const int8_t *in, int32_t pixel, int32_t *to)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c;
    const int32_t oy = pixel / w->out_w;
    const int32_t y0 = oy * w->stride_h - w->pad_top;
    const int32_t x0 = (pixel - oy * w->out_w) * w->stride_w - w->pad_left;
    const int32_t run = w->dilation_w == 1 ? w->filter_w : 1; /* pixels that lie side by side */

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
            to = fill(to, p->in_zero_point, before * c);
            to = spread(to, in + (y * w->in_w + x + before) * c, (run - before - after) * c);
            to = fill(to, p->in_zero_point, after * c);
        }
    }
}

static int8_t requant(const struct intrs_conv2d_arm_m0 *p, int32_t y, const int32_t *q)
{
    const int32_t acc = y * (1 << (q[2] >> 8));
    int32_t h = intrs_high_mul(acc, q[0], 0x80000000U) + q[1];
    if (p->linear) {
        h += acc >> 31;
    }
    return (int8_t)intrs_limit(h >> (q[2] & 0xFF), p->min, p->max);
}

void intrs_conv2d_arm_m0(const struct intrs_conv2d_arm_m0 *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t used = w->filter_h * w->filter_w * w->in_c;
    const int32_t taps = (used + 3) & ~3;
    const int32_t pixels = w->out_h * w->out_w;
    const int32_t out_c = w->out_c;
    int32_t *window = (void *)scratch;
    int8_t *to = out;

    for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
        const int pair = pixel + 1 < pixels;
        const int32_t *stream = p->stream;
        stage(p, in, pixel, window);
        if (pair) {
            stage(p, in, pixel + 1, window + 1);
        }
        for (int32_t f = 0; f < out_c; f += 2) {
            int32_t y[2][2];
            stream = block(stream, window, taps, y);
            for (int32_t i = 0; i < 2 && f + i < out_c; i++, stream += 3) {
                to[f + i] = requant(p, y[i][0], stream);
                if (pair) {
                    to[out_c + f + i] = requant(p, y[i][1], stream);
                }
            }
        }
        to += 2 * out_c;
    }
}
