/*
 * intrs_dsp_fused.h - convolutions whose result is added to another tensor of the same shape, which the sum may overwrite.
 *
 * `add` has a as its first operand and b as its second (intrs_dsp.h); blocks.second tells which of them the convolution's result is.
 * Blocks of s8 and s16 are whole rows, an even number of pixels where that can be; blocks of F(4x4, 3x3) whole tiles, an even number of them.
 * Scratch: blocks.result bytes (the convolution's own for one block, or more), and rows * columns * out_c.
 */
#ifndef INTRS_DSP_FUSED_H
#define INTRS_DSP_FUSED_H

#include "intrs_dsp.h"

struct intrs_dsp_conv2d_add {
    struct intrs_dsp_conv2d conv;
    struct intrs_dsp_add add;
    struct intrs_blocks blocks;
};

struct intrs_dsp_conv2d_f4_add {
    struct intrs_dsp_conv2d_f4 conv;
    struct intrs_dsp_add add;
    struct intrs_blocks blocks;
};

void intrs_dsp_conv2d_s8_add(const struct intrs_dsp_conv2d_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                             uint8_t *scratch);
void intrs_dsp_conv2d_s16_add(const struct intrs_dsp_conv2d_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                              uint8_t *scratch);
void intrs_dsp_conv2d_f4_add(const struct intrs_dsp_conv2d_f4_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                             uint8_t *scratch);

#endif
