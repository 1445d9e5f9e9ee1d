/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_blocks.h - a convolution and an addition to its result, some rows of the output at a time; included once by
 * each fused kernel.
 *
 * A residual block then needs two buffers instead of three: the convolution's result exists a few rows at a time, in
 * scratch, and the sum may overwrite the other operand. A block is the same convolution with fewer rows and its padding
 * moved by the block's place, which makes it negative inside the image.
 *
 * FUNCTION     name; STRUCT its parameters: {CONV_STRUCT conv; ADD_STRUCT add; struct intrs_blocks blocks;}
 * CONV, ADD    kernels that take a const CONV_STRUCT * and a const ADD_STRUCT *
 */
#include "intrs_kernels.h"

void FUNCTION(const STRUCT *p, const int8_t *in, const int8_t *other, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->conv.w;
    const int32_t rows = p->blocks.rows;
    const int32_t second = p->blocks.second;
    int8_t *result = (int8_t *)scratch + p->blocks.result;
    CONV_STRUCT conv = p->conv;
    ADD_STRUCT add = p->add;

    for (int32_t y = 0; y < w->out_h; y += rows, other += add.n, out += add.n) {
        conv.w.out_h = w->out_h - y < rows ? w->out_h - y : rows;
        conv.w.pad_top = w->pad_top - y * w->stride_h;
        add.n = conv.w.out_h * w->out_w * w->out_c;
        CONV(&conv, in, result, scratch);
        ADD(&add, second ? other : result, second ? result : other, out);
    }
}
