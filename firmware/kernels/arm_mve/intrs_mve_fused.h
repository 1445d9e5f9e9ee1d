/*
 * intrs_mve_fused.h - a convolution whose result is added to another tensor of the same shape, which the sum may overwrite.
 *
 * `add` has a as its first operand and b as its second (intrs_mve.h); blocks.second tells which of them the convolution's result is.
 * Scratch: blocks.result bytes (the convolution's own, or more), and blocks.rows * out_w * out_c.
 */
#ifndef INTRS_MVE_FUSED_H
#define INTRS_MVE_FUSED_H

#include "intrs_mve.h"

struct intrs_mve_conv2d_add {
    struct intrs_mve_conv2d conv;
    struct intrs_mve_add add;
    struct intrs_blocks blocks;
};

void intrs_mve_conv2d_add(const struct intrs_mve_conv2d_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                          uint8_t *scratch);

#endif
