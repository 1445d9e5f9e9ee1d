/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_w16.c - direct convolution, weights as doubled int16 in flash.
 *
 * 2 filters x 2 pixels x 4 taps: two LDM and eight SMLAD, 10 instructions for 16 multiply-accumulates. LDM of four
 * words is what makes the loads cheap, and it is why the window of a pixel pair is staged in the order of reading.
 */
#define FUNCTION intrs_conv2d_arm_dsp_w16
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
#define STEP_WORDS 4
#define TAPS(w, f) (w)[2 * (f)], (w)[2 * (f) + 1]
#define UP(word) 0
#define SHIFTS(word) ""
#define DOUBLE(a) ""

#include "intrs_conv2d_arm_dsp_direct.h"
