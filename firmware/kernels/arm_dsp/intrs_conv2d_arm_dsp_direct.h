/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_direct.h - the body of the direct convolutions, included once by each.
 *
 * FUNCTION    name
 * STEP        four taps of two filters and two pixels: reads the weights at r0 and the window at r1, adds to the
 *             accumulators r10 (filter 0, pixel 0), r11 (0, 1), r12 (1, 0), lr (1, 1); may use r2-r9
 * STEP_BYTES  of code; every instruction has its wide encoding
 * STEP_WORDS  words of weights
 * SHIFTS(word)  code before requantisation with a filter's shift word, and
 * DOUBLE(a)     code that makes an accumulator 2 y (scaled up, where the filter is); may use r9
 *
 * and for compilers that do not give all registers, the same in C:
 *
 * TAPS(w, f)    the words {0, 2} and {1, 3} of filter f from the weights at w
 * UP(word)      the left shift in a filter's shift word
 *
 * Four accumulators, eight operands and two pointers are all fourteen registers, so the loop's end lies on the stack,
 * and eight steps share one look at it. The first round jumps into their middle when the number of steps is no multiple
 * of eight.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

/* From an accumulator to an int8 value; see intrs_arm_dsp.h. */
#define REQUANT(a, sign)                                                                                               \
    DOUBLE(a)                                                                                                          \
    "smmlar r8, " a ", r2, r3\n" sign "asr r8, r8, r4\n"                                                               \
    "ssat " a ", #8, r8\n"
#define SIGN(a) "add r8, r8, " a ", asr #31\n"

#if INTRS_ALL_REGISTERS
/* Two filters of two pixels; returns the stream behind them. Writes two bytes at *to0 and at *to1. */
static inline __attribute__((always_inline)) const int32_t *block(const int32_t *stream, const uint32_t *window,
                                                                  uint32_t skip, int32_t words, int32_t linear,
                                                                  int8_t **to0, int8_t **to1)
{
    register const int32_t *weights __asm__("r0") = stream;
    register const uint32_t *taps __asm__("r1") = window;
    const int32_t *end = stream + 2 + words;
    /* clang-format off */
    __asm__ volatile("ldr r2, %[skip]\n"
                     "adr r3, 1f\n"
                     "add r2, r3\n"
                     "ldm r0!, {r10, r12}\n"
                     "mov r11, r10\n"
                     "mov lr, r12\n"
                     "bx r2\n"
                     ".p2align 2\n"
                     "1:\n" STEP STEP STEP STEP STEP STEP STEP STEP "ldr r2, %[end]\n"
                     "cmp r0, r2\n"
                     "bne 1b\n"
                     "ldr r5, %[linear]\n"
                     "ldm r0!, {r2-r4}\n" /* multiplier, addend, shift of the first filter */
                     "cbnz r5, 2f\n" SHIFTS("r4") REQUANT("r10", "") REQUANT("r11", "")
                     "ldm r0!, {r2-r4}\n" SHIFTS("r4") REQUANT("r12", "") REQUANT("lr", "")
                     "b 3f\n"
                     "2:\n" SHIFTS("r4") REQUANT("r10", SIGN("r10")) REQUANT("r11", SIGN("r11"))
                     "ldm r0!, {r2-r4}\n" SHIFTS("r4") REQUANT("r12", SIGN("r12")) REQUANT("lr", SIGN("lr"))
                     "3:\n"
                     "ldr r1, %[to0]\n"
                     "ldr r9, %[to1]\n"
                     "strb r10, [r1], #1\n"
                     "strb r11, [r9], #1\n"
                     "strb r12, [r1], #1\n"
                     "strb lr, [r9], #1\n"
                     "str r1, %[to0]\n"
                     "str r9, %[to1]\n"
                     : "+r"(weights), "+r"(taps), [to0] "+m"(*to0), [to1] "+m"(*to1)
                     : [skip] "m"(skip), [end] "m"(end), [linear] "m"(linear)
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
    /* clang-format on */
    return weights;
}
#else
static inline int8_t requant(int32_t acc, const int32_t *q, int32_t linear)
{
    const int32_t twice = (int32_t)((uint32_t)acc << UP(q[2]));
    const int32_t h = intrs_smmlar(twice, q[0], q[1]) + (linear ? twice >> 31 : 0);
    return (int8_t)intrs_ssat8(h >> (q[2] & 0xFF));
}

/* The same; skip is of the jump that there is none of here. */
static inline const int32_t *block(const int32_t *stream, const uint32_t *window, uint32_t skip, int32_t words,
                                   int32_t linear, int8_t **to0, int8_t **to1)
{
    const uint32_t *weights = (const uint32_t *)(const void *)(stream + 2);
    const int32_t *q = stream + 2 + words;
    int32_t y[2][2] = {{stream[0], stream[0]}, {stream[1], stream[1]}};
    (void)skip;
    for (; words > 0; words -= STEP_WORDS, weights += STEP_WORDS, window += 4) {
        for (int32_t f = 0; f < 2; f++) {
            const uint32_t taps[2] = {TAPS(weights, f)};
            y[f][0] = intrs_smlad(taps[1], window[1], intrs_smlad(taps[0], window[0], y[f][0]));
            y[f][1] = intrs_smlad(taps[1], window[3], intrs_smlad(taps[0], window[2], y[f][1]));
        }
    }
    for (int32_t f = 0; f < 2; f++, q += 3) {
        *(*to0)++ = requant(y[f][0], q, linear);
        *(*to1)++ = requant(y[f][1], q, linear);
    }
    return q;
}
#endif

void FUNCTION(const struct intrs_conv2d_arm_dsp *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t steps = (w->filter_h * w->filter_w * w->in_c + 3) >> 2;
    const int32_t pixels = w->out_h * w->out_w;
    const int32_t out_c = w->out_c;
    uint32_t *window = (void *)scratch;
    uint8_t *gather = scratch + 16 * steps;
    /* where the last pair's missing second pixel goes */
    int8_t *unused = (void *)(gather + 8 * steps);
    const uint32_t skip = (uint32_t)(-steps & 7) * STEP_BYTES + 1U; /* + 1: a Thumb address */

    for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
        const int pair = pixel + 1 < pixels;
        int8_t *to0 = out + pixel * out_c;
        int8_t *to1 = pair ? to0 + out_c : unused;
        const int32_t *stream = p->stream;

        intrs_stage_arm_dsp(w, p->in_zero_point, in, pixel, pair, window, gather);
        for (int32_t left = out_c; left > 0; left -= 2) {
            int8_t *last0 = to0, *last1 = to1;
            int8_t last[2][2];
            if (left == 1) {
                /* the last filter's partner is all zeros, and not to be seen */
                to0 = last[0];
                to1 = last[1];
            }
            stream = block(stream, window, skip, STEP_WORDS * steps, p->linear, &to0, &to1);
            if (left == 1) {
                *last0 = last[0][0];
                *last1 = last[1][0];
            }
        }
        intrs_clamp_arm_dsp(out + pixel * out_c, pair ? 2 * out_c : out_c, p->min, p->max);
    }
}
