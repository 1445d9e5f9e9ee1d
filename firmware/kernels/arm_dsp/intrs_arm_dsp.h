/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_dsp.h - int8 kernels for Cortex-M cores with the DSP extension (M4, M7, M33), bit for bit equal to the
 * portable ones.
 *
 * Weights and requantisation constants are one stream of words in the order in which the kernel reads them
 * (intrs_edge/codegen/kernels/arm_dsp writes it and proves the ranges named here from the actual weights).
 *
 * Requantisation in three instructions (docs/contract.md has the arithmetic). With acc = 2^t y, gemmlowp's double
 * rounding
 *   x = (y m + 2^30) >> 31;  out = (x + 2^(e-1) - (x < 0)) >> e
 * is one multiply-high with everything else folded into one addend:
 *   t = 1:  h = SMMLAR(acc, m, 2^(e-1) + (zp << e))                               out = SSAT8((h + (acc >> 31)) >> e)
 *   t = 6:  h = SMMLA (acc, m, 2^4 + 2^(e+4) + (zp << (e+5)))    out = SSAT8((h + ((acc >> 31) << 5)) >> (e + 5))
 */
#ifndef INTRS_ARM_DSP_H
#define INTRS_ARM_DSP_H

#include <stdint.h>

#include "intrs_kernels.h"

/*
 * Direct convolution (groups 1), blocks of 2 filters x 2 pixels. Scratch: 24 * ((taps + 3) / 4) + out_c bytes, taps =
 * filter_h * filter_w * in_c.
 * stream, per pair of filters (an odd last one is paired with zeros): bias of each, zero point folded in; the weights,
 * four taps at a time; {multiplier, addend, shift} of each.
 */
struct intrs_conv2d_arm_dsp {
    struct intrs_window w;
    int32_t in_zero_point;
    int32_t min, max;
    int32_t linear; /* the output is not clamped at its zero point: halves of negative sums round down */
    const int32_t *stream;
};

/* int8 weights: per four taps {f0, f1}, bias y; shift has 1 + a left shift of the accumulator in its second byte */
void intrs_conv2d_arm_dsp_w8(const struct intrs_conv2d_arm_dsp *p, const int8_t *in, int8_t *out, uint8_t *scratch);
/*
 * int16 weights, doubled (and scaled up where the filter is): per four taps {f0[0,2], f0[1,3], f1[0,2], f1[1,3]}, bias
 * 2 y
 */
void intrs_conv2d_arm_dsp_w16(const struct intrs_conv2d_arm_dsp *p, const int8_t *in, int8_t *out, uint8_t *scratch);

/*
 * 3x3 convolution, stride 1, as Winograd F(4x4, 3x3) in exact integers (docs/performance.md has the matrices): in_c a
 * multiple of 4 up to 64. Sums are modulo 2^32; the result is 576 y, 288 y, .. 36 y by position, and a multiplication
 * by the inverse of 9 gives 64 y, exact while |y| < 2^25, which the generator has proved.
 * stream, per pair of filters (an odd last one is paired with zeros), of each: {36 bias, four corrections, multiplier,
 * addend, shift};
 * then, with weights == NULL, the transformed filters: per position and four channels {f0[0,2], f0[1,3], f1[0,2],
 * f1[1,3]}. With weights (OHWI, out_c even) each pair is transformed for every `pairs` pairs of tiles.
 * Scratch: INTRS_CONV2D_ARM_DSP_WINOGRAD4_SCRATCH.
 */
struct intrs_conv2d_arm_dsp_winograd4 {
    struct intrs_window w;
    int32_t in_zero_point;
    int32_t min, max;
    int32_t pairs;  /* of tiles that are transformed together */
    int32_t linear; /* as above */
    const int32_t *stream;
    const int8_t *weights;
};

#define INTRS_CONV2D_ARM_DSP_WINOGRAD4_SCRATCH(c, pairs, expand)                                                       \
    (144 * (c) * (pairs) + ((expand) ? 144 * (c) + 576 : (c) > 16 ? 144 + 36 * (c) : 720))

void intrs_conv2d_arm_dsp_winograd4(const struct intrs_conv2d_arm_dsp_winograd4 *p, const int8_t *in, int8_t *out,
                                    uint8_t *scratch);

/*
 * ADD of two tensors of one shape. The operand b has the larger scale, so TFLite's multiplier for it is exactly 1/2,
 * and the other one is a table: with w = table[a] + (b << 20), twice the sum, the output is requantised as for t = 1.
 * Output and operands may share memory.
 * table: by the byte of a as unsigned, 2 * scaled(a) - (zero point of b << 20).
 */
struct intrs_add_arm_dsp {
    int32_t n;
    const int32_t *table; /* [256] */
    int32_t multiplier, addend, shift;
    int32_t linear; /* as above */
    int32_t min, max;
};

void intrs_add_arm_dsp(const struct intrs_add_arm_dsp *p, const int8_t *a, const int8_t *b, int8_t *out);

/*
 * Depthwise convolution with multiplier 1 and at least four channels, four at a time; the last group overlaps the one
 * before it where the channels are no multiple of four. Scratch: filter_h * filter_w * in_c bytes.
 * stream, per group: bias of channels 0 2 1 3, 2 y; doubled weights as int16, per tap {0, 2}, {1, 3}; {multiplier,
 * addend, shift} of 0 1 2 3.
 */
void intrs_depthwise2d_arm_dsp(const struct intrs_conv2d_arm_dsp *p, const int8_t *in, int8_t *out, uint8_t *scratch);

/* AVERAGE_POOL_2D: channels a multiple of 4, at most 255 taps (sums of int8 in half-words). */
void intrs_average_pool2d_arm_dsp(const struct intrs_pool2d *p, const int8_t *in, int8_t *out);

/*
 * Shared: writes the windows of output pixel `pixel` (row-major index) and, with `pair`, of the next one, as int16: per
 * four taps {0, 2}, {1, 3} of the first and of the second. gather: twice filter_h * filter_w * in_c bytes, rounded up
 * to 4.
 */
void intrs_stage_arm_dsp(const struct intrs_window *w, int32_t zero_point, const int8_t *in, int32_t pixel, int pair,
                         uint32_t *window, uint8_t *gather);
/* Shared: the fused activation where it is tighter than int8. */
void intrs_clamp_arm_dsp(int8_t *data, int32_t n, int32_t min, int32_t max);

#endif
