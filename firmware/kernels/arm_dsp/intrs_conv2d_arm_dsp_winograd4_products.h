/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_winograd4_products.h - sums over channels of U V, two filters and two tiles at a time.
 */
#ifndef INTRS_CONV2D_ARM_DSP_WINOGRAD4_PRODUCTS_H
#define INTRS_CONV2D_ARM_DSP_WINOGRAD4_PRODUCTS_H

#include "intrs_asm.h"
#include "intrs_arm_dsp_inline.h"

#if INTRS_ALL_REGISTERS
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
#define STEP_BYTES 40U

/*
 * m[position] = {f0 t0, f0 t1, f1 t0, f1 t1}, sums over `channels` channels. Registers as in
 * intrs_conv2d_arm_dsp_direct.h; the first step starts the sums, then a jump skips those of the fifteen others that
 * there are no channels for.
 */
static __attribute__((noinline)) void products(const uint32_t *u, const uint32_t *v, int32_t channels, uint32_t *m)
{
    register const uint32_t *weights __asm__("r0") = u;
    register const uint32_t *tiles __asm__("r1") = v;
    register uint32_t skip __asm__("r2") = (16U - ((uint32_t)channels >> 2)) * STEP_BYTES + 1U;
    uint32_t *to = m;
    const uint32_t *end = m + 4 * 36;
    uint32_t target;
    /* clang-format off */
    __asm__ volatile("adr r3, 2f\n"
                     "add r3, r2\n"
                     "str r3, %[target]\n"
                     ".p2align 2\n"
                     "1:\n"
                     "ldm r0!, {r2-r5}\n"
                     "ldm r1!, {r6-r9}\n"
                     "smuad r10, r2, r6\n"
                     "smuad r11, r2, r8\n"
                     "smuad r12, r4, r6\n"
                     "smuad lr, r4, r8\n"
                     "ldr r2, %[target]\n"
                     "smlad r10, r3, r7, r10\n"
                     "smlad r11, r3, r9, r11\n"
                     "smlad r12, r5, r7, r12\n"
                     "smlad lr, r5, r9, lr\n"
                     "bx r2\n"
                     ".p2align 2\n"
                     "2:\n" STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP
                     "ldr r2, %[to]\n"
                     "ldr r3, %[end]\n"
                     "stm r2!, {r10, r11, r12, lr}\n"
                     "cmp r2, r3\n"
                     "str r2, %[to]\n"
                     "bne 1b\n"
                     : "+r"(weights), "+r"(tiles), "+r"(skip), [to] "+m"(to), [target] "=m"(target)
                     : [end] "m"(end)
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
    /* clang-format on */
}

#else
/* m[position] = {f0 t0, f0 t1, f1 t0, f1 t1}, sums over `channels` channels. */
static __attribute__((noinline)) void products(const uint32_t *u, const uint32_t *v, int32_t channels, uint32_t *m)
{
    for (int32_t position = 0; position < 36; position++, m += 4) {
        int32_t y[4] = {0, 0, 0, 0};
        for (int32_t c = 0; c < channels; c += 4, u += 4, v += 4) {
            for (int32_t i = 0; i < 4; i++) {
                const uint32_t *f = u + (i & 2), *t = v + 2 * (i & 1);
                y[i] = intrs_smlad(f[1], t[1], intrs_smlad(f[0], t[0], y[i]));
            }
        }
        for (int32_t i = 0; i < 4; i++) {
            m[i] = (uint32_t)y[i];
        }
    }
}
#endif

#endif
