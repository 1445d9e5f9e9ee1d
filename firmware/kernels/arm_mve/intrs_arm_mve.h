/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_mve.h - int8 kernels for Cortex-M cores with integer MVE (Helium: M55, M85), bit for bit equal to the
 * portable ones.
 *
 * Weights and requantisation constants are one stream in the order of reading (intrs_edge/codegen/kernels/arm_mve).
 */
#ifndef INTRS_ARM_MVE_H
#define INTRS_ARM_MVE_H

#include <stdint.h>

#include "intrs_kernels.h"

/*
 * Convolution (groups 1, dilation_w 1), blocks of 4 filters x 2 pixels. Scratch: strip_columns * filter_h * in_c + 32
 * bytes, strip_columns = (out_w - 1) * stride_w + filter_w.
 * stream, per 4 filters (the last filter fills up the last group): per 16 taps, ordered (column, row, channel) and
 * padded with zeros, 16 bytes of each filter; int32 bias[4], zero point folded in; multiplier[4], minus the right
 * shift[4], left shift[4].
 */
struct intrs_conv2d_arm_mve {
    struct intrs_window w;
    int32_t in_zero_point, out_zero_point;
    int32_t min, max;
    /*
     * of requantisation: 0 clamped at the zero point, no left shift; 1 not clamped there, every right shift 1 or more;
     * 2 any
     */
    int32_t kind;
    const int8_t *stream;
};

void intrs_conv2d_arm_mve(const struct intrs_conv2d_arm_mve *p, const int8_t *in, int8_t *out, uint8_t *scratch);

/*
 * ADD of two tensors of one shape. The operand b has the larger scale, so TFLite's multiplier for it is exactly 1/2.
 * Shifts are minus the right shifts. Output and operands may share memory.
 */
struct intrs_add_arm_mve {
    int32_t n;
    int32_t zero_point[2];
    int32_t multiplier, shift; /* of a; shift 0 or less */
    int32_t out_multiplier, out_shift, out_zero_point;
    int32_t min, max;
    /* where down is not 0, the sum is (a factor[0] + b factor[1] + offset) >> down, then clamped */
    int32_t factor[2], offset, down;
    int32_t up; /* whether halves may round up in all steps, which the generator tries on all pairs */
};

void intrs_add_arm_mve(const struct intrs_add_arm_mve *p, const int8_t *a, const int8_t *b, int8_t *out);

/* Shared: the fused activation where it is tighter than int8. */
void intrs_clamp_arm_mve(int8_t *data, int32_t n, int32_t min, int32_t max);

#endif
