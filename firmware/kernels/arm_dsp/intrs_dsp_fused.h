/*
 * intrs_dsp_fused.h - convolutions whose result is added to another tensor of the same shape, which the sum may overwrite.
 *
 * `add` has a as its first operand and b as its second (intrs_dsp.h); `second` tells which of them the convolution's result is.
 * Direct convolutions work in blocks of rows, an even number of pixels where that can be; scratch: blocks.result bytes (the convolution's
 * own, or more), and blocks.rows * out_w * out_c. F(4x4, 3x3) adds tile by tile, with no more scratch than its own.
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
    int32_t second;
};

void intrs_dsp_conv2d_s8_add(const struct intrs_dsp_conv2d_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                             uint8_t *scratch);
void intrs_dsp_conv2d_s16_add(const struct intrs_dsp_conv2d_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                              uint8_t *scratch);
void intrs_dsp_conv2d_f4_add(const struct intrs_dsp_conv2d_f4_add *p, const int8_t *in, const int8_t *other, int8_t *out,
                             uint8_t *scratch);

#endif
