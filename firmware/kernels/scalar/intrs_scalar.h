/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_scalar.h - int8 kernels for 32-bit cores that multiply one pair of numbers at a time: Cortex-M0 and M0+, M3,
 * M23 and M33 without the DSP extension, RV32IM. Bit for bit equal to the portable ones. C, with the inner loops in
 * assembly where a core has few registers.
 *
 * Weights and constants are one stream in the order of reading (intrs_edge/codegen/kernels/scalar_pack.py).
 */
#ifndef INTRS_SCALAR_H
#define INTRS_SCALAR_H

#include <stdint.h>

#include "intrs_kernels.h"

/*
 * Tiles whose products are made together, as many as there are registers for; the generator says how many it made
 * scratch for.
 */
#if !defined(__arm__)
#define INTRS_SCALAR_TILES 4
#elif __ARM_ARCH_ISA_THUMB >= 2
#define INTRS_SCALAR_TILES 2
#else
#define INTRS_SCALAR_TILES 1
#endif

/*
 * 3x3 convolution, stride 1, as Winograd F(4x4, 3x3) in exact integers (docs/performance.md has the matrices). Sums
 * are modulo 2^32; the result is 576 y, 288 y, .. 36 y by position, and a multiplication by the inverse of 9 gives 64
 * y, exact while |y| < 2^25, which the generator has proved. c: in_c rounded up to 4. stream, per four filters
 * (missing ones are zeros), of each: {36 bias, four corrections, multiplier, addend, shift}; then the transformed
 * filters as int16, by position and channel (0 2 1 3 of every four) the four filters. Scratch:
 * INTRS_SCALAR_WINOGRAD4_SCRATCH(c, INTRS_SCALAR_TILES).
 */
struct intrs_conv2d_scalar_winograd4 {
    struct intrs_window w;
    int32_t in_zero_point;
    int32_t min, max;
    int32_t linear; /* the output is not clamped at its zero point: halves of negative sums round down */
    const int32_t *stream;
};

#define INTRS_SCALAR_WINOGRAD4_SCRATCH(c, tiles)                                                                       \
    (72 * (c) * (tiles) + (36 * (c) > 576 * (tiles) ? 36 * (c) : 576 * (tiles)))

void intrs_conv2d_scalar_winograd4(const struct intrs_conv2d_scalar_winograd4 *p, const int8_t *in, int8_t *out,
                                   uint8_t *scratch);

/*
 * Convolution (groups 1), blocks of 4 filters x 4 pixels; taps = filter_h * filter_w * in_c rounded up to 4,
 * accumulators below 2^25. stream, per four filters (missing ones are zeros): bias of each, zero point folded in; the
 * weights by tap; {multiplier, addend, shift} of each, for 64 times the sum. Scratch: 4 bytes a tap.
 */
struct intrs_conv2d_scalar {
    struct intrs_window w;
    int32_t in_zero_point;
    int32_t min, max;
    int32_t linear; /* as above */
    const int32_t *stream;
};

void intrs_conv2d_scalar(const struct intrs_conv2d_scalar *p, const int8_t *in, int8_t *out, uint8_t *scratch);

/*
 * Depthwise convolution with multiplier 1, accumulators below 2^25. The output may be the input where their shapes are
 * equal. stream, per channel: {bias, less zero point + 128 times the weights; multiplier, addend, shift, for 64 times
 * the sum}; the weights as bytes, up to a word. Scratch: four bytes for every output of the longer side, and a byte
 * for every pixel that the windows of a channel reach, the padding included.
 */
struct intrs_depthwise2d_scalar {
    struct intrs_window w;
    int32_t in_zero_point;
    int32_t min, max;
    int32_t linear; /* as above */
    const int32_t *stream;
};

void intrs_depthwise2d_scalar(const struct intrs_depthwise2d_scalar *p, const int8_t *in, int8_t *out,
                              uint8_t *scratch);

/* ADD and SUB: the arithmetic and the table of struct intrs_add_arm_dsp. Output and operands may share memory. */
struct intrs_add_scalar {
    int32_t n;
    const int32_t *table; /* [256], by the byte of a: 2 * scaled(a) - (zero point of b << 20) */
    int32_t multiplier, addend, shift;
    int32_t linear;
    int32_t min, max;
};

void intrs_add_scalar(const struct intrs_add_scalar *p, const int8_t *a, const int8_t *b, int8_t *out);

/*
 * A convolution whose result is added to another tensor of the same shape, which the sum may overwrite. `add` has a as
 * its first operand and b as its second; blocks.second tells which of them the convolution's result is.
 * Scratch: blocks.result bytes (the convolution's own, or more), and blocks.rows * out_w * out_c.
 */
struct intrs_conv2d_add_scalar_winograd4 {
    struct intrs_conv2d_scalar_winograd4 conv;
    struct intrs_add_scalar add;
    struct intrs_blocks blocks;
};

void intrs_conv2d_add_scalar_winograd4(const struct intrs_conv2d_add_scalar_winograd4 *p, const int8_t *in,
                                       const int8_t *other, int8_t *out, uint8_t *scratch);

#endif
