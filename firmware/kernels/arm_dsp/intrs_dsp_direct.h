/*
 * intrs_dsp_direct.h - the body of the direct convolutions, included once by each.
 *
 * FUNCTION    name
 * STEP        four taps of two filters and two pixels: reads the weights at r0 and the window at r1, adds to the accumulators r10
 *             (filter 0, pixel 0), r11 (0, 1), r12 (1, 0), lr (1, 1); may use r2-r9
 * STEP_BYTES  of code; every instruction has its wide encoding
 * STEP_WORDS  words of weights
 * DOUBLE      left shift that makes an accumulator 2 y
 *
 * Four accumulators, eight operands and two pointers are all fourteen registers, so the loop's end lies on the stack, and eight
 * steps share one look at it. The first round jumps into their middle when the number of steps is no multiple of eight.
 */
#include "intrs_dsp.h"
#include "intrs_dsp_inline.h"

void FUNCTION(const struct intrs_dsp_conv2d *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t steps = (w->filter_h * w->filter_w * w->in_c + 3) >> 2;
    const int32_t pixels = w->out_h * w->out_w;
    const int32_t out_c = w->out_c;
    uint32_t *window = (void *)scratch;
    uint8_t *gather = scratch + 16 * steps;
    int8_t *unused = (void *)(gather + 8 * steps);           /* where the missing second pixel of the last pair goes */
    const uint32_t skip = (uint32_t)(-steps & 7) * STEP_BYTES + 1U; /* + 1: a Thumb address */

    for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
        const int pair = pixel + 1 < pixels;
        int8_t *to0 = out + pixel * out_c;
        int8_t *to1 = pair ? to0 + out_c : unused;
        const int32_t *stream = p->stream;

        intrs_dsp_stage(w, p->in_zero_point, in, pixel, pair, window, gather);
        for (int32_t left = out_c; left > 0; left -= 2) {
            register const int32_t *weights __asm__("r0") = stream;
            register const uint32_t *taps __asm__("r1") = window;
            register int32_t a00 __asm__("r10");
            register int32_t a01 __asm__("r11");
            register int32_t a10 __asm__("r12");
            register int32_t a11 __asm__("lr");
            const int32_t *end = stream + 2 + STEP_WORDS * steps;
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
                             : "+r"(weights), "+r"(taps), "=&r"(a00), "=&r"(a01), "=&r"(a10), "=&r"(a11)
                             : [skip] "m"(skip), [end] "m"(end)
                             : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "cc", "memory");
            /* out of the fixed registers before anything else wants them */
            const int32_t *q = weights;
            const int32_t y00 = a00, y01 = a01, y10 = a10, y11 = a11;
            *to0++ = intrs_dsp_requant2(y00 * (1 << DOUBLE), q[0], q[1], q[2]);
            *to1++ = intrs_dsp_requant2(y01 * (1 << DOUBLE), q[0], q[1], q[2]);
            if (left > 1) {
                *to0++ = intrs_dsp_requant2(y10 * (1 << DOUBLE), q[3], q[4], q[5]);
                *to1++ = intrs_dsp_requant2(y11 * (1 << DOUBLE), q[3], q[4], q[5]);
            }
            stream = q + 6;
        }
        intrs_dsp_clamp(out + pixel * out_c, pair ? 2 * out_c : out_c, p->min, p->max);
    }
}
