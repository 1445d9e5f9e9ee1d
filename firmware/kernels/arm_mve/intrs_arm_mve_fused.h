/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_mve_fused.h - a convolution whose result is added to another tensor of the same shape, which the sum may
 * overwrite.
 *
 * `add` has a as its first operand and b as its second (intrs_arm_mve.h); blocks.second tells which of them the
 * convolution's result is.
 * Scratch: blocks.result bytes (the convolution's own, or more), and blocks.rows * out_w * out_c.
 */
#ifndef INTRS_ARM_MVE_FUSED_H
#define INTRS_ARM_MVE_FUSED_H

#include "intrs_arm_mve.h"

struct intrs_conv2d_add_arm_mve {
    struct intrs_conv2d_arm_mve conv;
    struct intrs_add_arm_mve add;
    struct intrs_blocks blocks;
};

void intrs_conv2d_add_arm_mve(const struct intrs_conv2d_add_arm_mve *p, const int8_t *in, const int8_t *other,
                              int8_t *out, uint8_t *scratch);

#endif
