/*
 * intrs_dsp_conv2d_s16.c - direct convolution, weights as int16 in flash.
 *
 * Register blocking: 2 filters x 2 pixels x 4 taps. Two LDM fetch 4 words of weights and 4 of window, 8 SMLAD do 16
 * multiply-accumulates: 10 instructions. Four accumulators, eight operands and two pointers are all fourteen registers, so the
 * loop's end lives on the stack and eight steps share one look at it; a first round of fewer steps jumps into their middle.
 */
#include "intrs_dsp.h"
#include "intrs_dsp_inline.h"

#define STEP                                                                                                           \
    "ldm.w r0!, {r2-r5}\n"                                                                                             \
    "ldm.w r1!, {r6-r9}\n"                                                                                             \
    "smlad r10, r2, r6, r10\n"                                                                                         \
    "smlad r11, r2, r8, r11\n"                                                                                         \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "smlad lr, r4, r8, lr\n"                                                                                           \
    "smlad r10, r3, r7, r10\n"                                                                                         \
    "smlad r11, r3, r9, r11\n"                                                                                         \
    "smlad r12, r5, r7, r12\n"                                                                                         \
    "smlad lr, r5, r9, lr\n"
#define STEP_BYTES 40

void intrs_dsp_conv2d_s16(const struct intrs_dsp_conv2d *p, const int8_t *in, int8_t *out, void *scratch) {
    const struct intrs_window *w = &p->w;
    int32_t steps = (w->filter_h * w->filter_w * w->in_c + 3) >> 2;
    int32_t pixels = w->out_h * w->out_w;
    int32_t out_c = w->out_c;
    uint32_t *window = scratch;
    uint8_t *gather = (uint8_t *)(window + 4 * steps);
    uint32_t skip = (uint32_t)(-steps & 7) * STEP_BYTES + 1U; /* + 1: a Thumb address */

    for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
        intrs_dsp_stage(w, p->in_zero_point, in, pixel, window, gather);
        int pair = pixel + 1 < pixels;
        if (pair) {
            intrs_dsp_stage(w, p->in_zero_point, in, pixel + 1, window + 2, gather);
        }
        const int32_t *stream = p->stream;
        int8_t *to = out + pixel * out_c;
        for (int32_t f = 0; f < out_c; f += 2) {
            register const int32_t *weights __asm__("r0") = stream;
            register const uint32_t *taps __asm__("r1") = window;
            register int32_t a00 __asm__("r10"); /* filter, pixel */
            register int32_t a01 __asm__("r11");
            register int32_t a10 __asm__("r12");
            register int32_t a11 __asm__("lr");
            const int32_t *end = stream + 2 + 4 * steps;
            __asm__ volatile("ldr r2, %[skip]\n"
                             "adr r3, 1f\n"
                             "add r2, r3\n"
                             "ldm.w r0!, {r10, r12}\n"
                             "mov r11, r10\n"
                             "mov lr, r12\n"
                             "bx r2\n"
                             ".p2align 2\n"
                             "1:\n" STEP STEP STEP STEP STEP STEP STEP STEP "ldr r2, %[end]\n"
                             "cmp r0, r2\n"
                             "bne 1b\n"
                             : "+r"(weights), "+r"(taps), "=r"(a00), "=r"(a01), "=r"(a10), "=r"(a11)
                             : [skip] "m"(skip), [end] "m"(end)
                             : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "cc", "memory");
            const int32_t *q = weights; /* multiplier[2], addend[2], shift[2] */
            int32_t b00 = a00, b01 = a01, b10 = a10, b11 = a11;
            int second = f + 1 < out_c;
            int8_t *both = to + f;
            both[0] = intrs_dsp_requant2(b00, q[0], q[2], q[4]);
            if (second) {
                both[1] = intrs_dsp_requant2(b10, q[1], q[3], q[5]);
            }
            if (pair) {
                both[out_c] = intrs_dsp_requant2(b01, q[0], q[2], q[4]);
                if (second) {
                    both[out_c + 1] = intrs_dsp_requant2(b11, q[1], q[3], q[5]);
                }
            }
            stream = q + 6;
        }
        intrs_dsp_clamp(to, pair ? 2 * out_c : out_c, p->min, p->max);
    }
}
