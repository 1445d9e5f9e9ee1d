/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_dsp_fused.h - convolutions whose result is added to another tensor of the same shape, which the sum may
 * overwrite.
 *
 * `add` has a as its first operand and b as its second (intrs_arm_dsp.h); `second` tells which of them the
 * convolution's result is. Direct convolutions work in blocks of rows, an even number of pixels where that can be;
 * scratch: blocks.result bytes (the convolution's own, or more), and blocks.rows * out_w * out_c. F(4x4, 3x3) adds tile
 * by tile, with no more scratch than its own.
 */
#ifndef INTRS_ARM_DSP_FUSED_H
#define INTRS_ARM_DSP_FUSED_H

#include "intrs_arm_dsp.h"

struct intrs_conv2d_add_arm_dsp {
    struct intrs_conv2d_arm_dsp conv;
    struct intrs_add_arm_dsp add;
    struct intrs_blocks blocks;
};

struct intrs_conv2d_add_arm_dsp_winograd4 {
    struct intrs_conv2d_arm_dsp_winograd4 conv;
    struct intrs_add_arm_dsp add;
    int32_t second;
};

void intrs_conv2d_add_arm_dsp_w8(const struct intrs_conv2d_add_arm_dsp *p, const int8_t *in, const int8_t *other,
                                 int8_t *out, uint8_t *scratch);
void intrs_conv2d_add_arm_dsp_w16(const struct intrs_conv2d_add_arm_dsp *p, const int8_t *in, const int8_t *other,
                                  int8_t *out, uint8_t *scratch);
void intrs_conv2d_add_arm_dsp_winograd4(const struct intrs_conv2d_add_arm_dsp_winograd4 *p, const int8_t *in,
                                        const int8_t *other, int8_t *out, uint8_t *scratch);

#endif
