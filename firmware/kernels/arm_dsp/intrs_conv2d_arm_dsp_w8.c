/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_w8.c - direct convolution, weights as int8 in flash, widened in the loop.
 *
 * As intrs_conv2d_arm_dsp_w16.c with four SXTB16 more: 14 instructions for 16 multiply-accumulates.
 */
#define FUNCTION intrs_conv2d_arm_dsp_w8
#define STEP                                                                                                           \
    "ldm.w r0!, {r2, r4}\n"                                                                                            \
    "ldm.w r1!, {r6-r9}\n"                                                                                             \
    "sxtb16 r3, r2, ror #8\n"                                                                                          \
    "sxtb16 r5, r4, ror #8\n"                                                                                          \
    "sxtb16.w r2, r2\n"                                                                                                \
    "sxtb16.w r4, r4\n"                                                                                                \
    "smlad r10, r2, r6, r10\n"                                                                                         \
    "smlad r11, r2, r8, r11\n"                                                                                         \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "smlad lr, r4, r8, lr\n"                                                                                           \
    "smlad r10, r3, r7, r10\n"                                                                                         \
    "smlad r11, r3, r9, r11\n"                                                                                         \
    "smlad r12, r5, r7, r12\n"                                                                                         \
    "smlad lr, r5, r9, lr\n"
#define STEP_BYTES 56
#define STEP_WORDS 2
#define TAPS(w, f) intrs_sxtb16((w)[f]), intrs_sxtb16_ror8((w)[f])
#define UP(word) ((uint32_t)(word) >> 8)
#define SHIFTS(word) "lsr r9, " word ", #8\n"
#define DOUBLE(a) "lsl " a ", " a ", r9\n"

#include "intrs_conv2d_arm_dsp_direct.h"
