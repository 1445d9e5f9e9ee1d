/*
 * intrs_blocks.h - a convolution and an addition to its result, block by block of the output; included once by each fused kernel.
 *
 * A residual block then needs two buffers instead of three: the convolution's result exists one block at a time, in scratch, and the sum may
 * overwrite the other operand. A block is the same convolution with fewer outputs and its padding moved by the block's place, which is
 * negative inside the image.
 *
 * FUNCTION     name; STRUCT its parameters: {CONV_STRUCT conv; ADD_STRUCT add; struct intrs_blocks blocks;}
 * CONV, ADD    kernels that take a const CONV_STRUCT * and a const ADD_STRUCT *
 */
#include "intrs_kernels.h"

void FUNCTION(const STRUCT *p, const int8_t *in, const int8_t *other, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->conv.w;
    const struct intrs_blocks *blocks = &p->blocks;
    int8_t *result = (int8_t *)scratch + blocks->result;
    CONV_STRUCT conv = p->conv;
    ADD_STRUCT add = p->add;

    for (int32_t y = 0; y < w->out_h; y += blocks->rows) {
        conv.w.out_h = w->out_h - y < blocks->rows ? w->out_h - y : blocks->rows;
        conv.w.pad_top = w->pad_top - y * w->stride_h;
        for (int32_t x = 0; x < w->out_w; x += blocks->columns) {
            conv.w.out_w = w->out_w - x < blocks->columns ? w->out_w - x : blocks->columns;
            conv.w.pad_left = w->pad_left - x * w->stride_w;
            CONV(&conv, in, result, scratch);
            /* rows that span the image are one run of bytes */
            const int32_t runs = conv.w.out_w == w->out_w ? 1 : conv.w.out_h;
            add.n = conv.w.out_h * conv.w.out_w * w->out_c / runs;
            for (int32_t i = 0; i < runs; i++) {
                const int32_t at = ((y + i) * w->out_w + x) * w->out_c;
                const int8_t *own = result + i * add.n;
                ADD(&add, blocks->second ? other + at : own, blocks->second ? own : other + at, out + at);
            }
        }
    }
}
