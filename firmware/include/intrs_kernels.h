/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_kernels.h - parameters of the int8 kernels. The generator fills these structs with constants; a kernel never
 * checks what the generator has proved (shapes agree, scratch is large enough, ranges hold).
 *
 * Arithmetic: TFLite's reference kernels with gemmlowp double rounding (docs/contract.md). Layouts are TFLite's:
 * activations NHWC, convolution weights OHWI, depthwise weights HWO, fully connected OI. Every variant of a kernel
 * equals the portable one bit for bit.
 */
#ifndef INTRS_KERNELS_H
#define INTRS_KERNELS_H

#include <stdint.h>

#include "intrs_types.h"

/*
 * out = clamp(zero_point + round(acc * multiplier[c] * 2^(shift[c] - 31)), min, max), per output channel (TFLite: shift
 * > 0 is left)
 */
struct intrs_requant {
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t zero_point;
    int32_t min, max;
};

/* A 2-D window: input and output extents, filter, stride, dilation, and the padding before the first row and column. */
struct intrs_window {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
};

struct intrs_conv2d {
    struct intrs_window w;
    int32_t groups;
    int32_t in_zero_point;
    const int8_t *weights; /* [out_c][filter_h][filter_w][in_c / groups] */
    const int32_t *bias;   /* [out_c], never null */
    struct intrs_requant q;
};

struct intrs_depthwise2d {
    struct intrs_window w;
    int32_t multiplier; /* depth multiplier: out_c = in_c * multiplier */
    int32_t in_zero_point;
    const int8_t *weights; /* [filter_h][filter_w][out_c] */
    const int32_t *bias;
    struct intrs_requant q;
};

struct intrs_fully_connected {
    int32_t rows, in_n, out_n;
    int32_t in_zero_point;
    const int8_t *weights; /* [out_n][in_n] */
    const int32_t *bias;
    struct intrs_requant q;
};

/*
 * How two operands meet in an elementwise kernel that broadcasts: an output of extent[0..3], row-major and gap-free,
 * and the step of each operand along each axis (0 where it is repeated). A null pointer stands for "both have n
 * elements in the same order".
 */
struct intrs_broadcast {
    int32_t extent[4];
    int32_t stride[2][4];
};

/* TFLite ADD and SUB: both operands shifted left by 20 bits, scaled, added, scaled back. */
struct intrs_add {
    int32_t n;
    int32_t zero_point[2], multiplier[2], shift[2];
    int32_t left_shift;
    struct intrs_requant q; /* one multiplier */
    const struct intrs_broadcast *broadcast;
};

/* A convolution whose result is the given operand (0 or 1) of an addition; the sum may overwrite the other operand. */
struct intrs_conv2d_add {
    struct intrs_conv2d conv;
    struct intrs_add add;
    int32_t operand;
};

/* How a fused kernel of an instruction set cuts its output (firmware/kernels/common/intrs_blocks.h). */
struct intrs_blocks {
    int32_t rows; /* of a block */
    /* the convolution's result is the second operand of the addition as the kernel takes them, else the first */
    int32_t second;
    int32_t result; /* where a block's result lies in scratch, bytes */
};

/* TFLite MUL, and MAXIMUM and MINIMUM, which compare raw values */
struct intrs_mul {
    int32_t n;
    int32_t zero_point[2];
    struct intrs_requant q; /* one multiplier */
    const struct intrs_broadcast *broadcast;
};

struct intrs_extremum {
    int32_t n;
    int32_t maximum; /* 1: MAXIMUM, 0: MINIMUM */
    const struct intrs_broadcast *broadcast;
};

/* x > 0: requantised by positive, else x * alpha requantised by negative; one multiplier each */
struct intrs_prelu {
    int32_t n;
    int32_t in_zero_point, alpha_zero_point;
    struct intrs_requant positive, negative;
    const struct intrs_broadcast *broadcast;
};

struct intrs_pool2d {
    struct intrs_window w;
    int32_t min, max;
};

/* out[i] = table[in[i] as an unsigned byte]: every unary op on 8-bit values */
struct intrs_lut {
    int32_t n;
    const int8_t *table; /* [256] */
};

/*
 * Reduces [outer][n][inner] to [outer][inner]: requantised sum less n zero points, the division by n folded into the
 * multiplier.
 */
struct intrs_mean {
    int32_t outer, n, inner;
    int32_t in_zero_point;
    struct intrs_requant q; /* one multiplier */
};

/*
 * Every output row lies between two input rows, every column between two columns: where they begin (offsets in
 * elements), and the second one's weight of 1024.
 */
struct intrs_resize_bilinear {
    int32_t rows, columns, channels;
    const int32_t *row, *column; /* [rows][3], [columns][3]: first, second, weight */
};

/*
 * out[batch][row][column]: sums over depth, requantised; steps and strides in elements, 0 where an operand is repeated
 */
struct intrs_batch_matmul {
    int32_t batch[4], a_step[4], b_step[4];
    int32_t rows, columns, depth;
    int32_t a_row, a_depth, b_depth, b_column;
    int32_t zero_point[2];
    struct intrs_requant q; /* one multiplier */
};

/* rows of depth values, at most 2^31 / 255^2 of them */
struct intrs_l2_normalization {
    int32_t rows, depth;
    int32_t in_zero_point;
};

/*
 * Reduces over any axes: an output for each place along the axes that stay (extent, row-major), of all values along the
 * others (over); stride and step in elements of the input.
 */
struct intrs_reduce {
    int32_t extent[3], stride[3];
    int32_t over[3], step[3];
    int32_t offset;         /* sums: added to the sum of raw values */
    int32_t is_unsigned;    /* sums: bytes are read as 0..255 */
    int32_t maximum;        /* extremes: 1: of all values the largest, 0: the smallest */
    struct intrs_requant q; /* sums: one multiplier */
};

/* Zero-based constant padding of a rank-4 tensor (higher ranks are folded by the generator). */
struct intrs_pad {
    int32_t in[4], before[4], out[4];
    int32_t value;
};

/* rows times run bytes: concatenation and splitting */
struct intrs_copy {
    int32_t rows, run;
    int32_t in_offset, in_stride, out_offset, out_stride;
};

/*
 * out[i0]..[i5] = in[offset[0][i0] + .. + offset[5][i5]]: transpose, slices, mirror padding, nearest-neighbour resize
 */
struct intrs_gather {
    int32_t extent[6];
    const int32_t *offset[6];
};

/*
 * rows of depth values; exponential[d] = exp(-d * beta * scale), Q0.31, of the distance d from the row's maximum; 0
 * below the cut
 */
struct intrs_softmax {
    int32_t rows, depth;
    const int32_t *exponential; /* [256] */
    int32_t first;              /* distances from here on count as nothing: 256 or less */
};

/// the portable kernels ///

void intrs_conv2d_portable(const struct intrs_conv2d *p, const int8_t *input, int8_t *output);
void intrs_conv2d_add_portable(const struct intrs_conv2d_add *p, const int8_t *input, const int8_t *other,
                               int8_t *output);
void intrs_transpose_conv2d_portable(const struct intrs_conv2d *p, const int8_t *input, int8_t *output);
void intrs_depthwise2d_portable(const struct intrs_depthwise2d *p, const int8_t *input, int8_t *output);
void intrs_depthwise2d_portable_inplace(const struct intrs_depthwise2d *p, const int8_t *input, int8_t *output,
                                        uint8_t *scratch);
void intrs_fully_connected_portable(const struct intrs_fully_connected *p, const int8_t *input, int8_t *output);
void intrs_add_portable(const struct intrs_add *p, const int8_t *a, const int8_t *b, int8_t *output);
void intrs_squared_difference_portable(const struct intrs_add *p, const int8_t *a, const int8_t *b, int8_t *output);
void intrs_batch_matmul_portable(const struct intrs_batch_matmul *p, const int8_t *a, const int8_t *b, int8_t *output);
void intrs_mul_portable(const struct intrs_mul *p, const int8_t *a, const int8_t *b, int8_t *output);
void intrs_extremum_portable(const struct intrs_extremum *p, const int8_t *a, const int8_t *b, int8_t *output);
void intrs_prelu_portable(const struct intrs_prelu *p, const int8_t *input, const int8_t *alpha, int8_t *output);
void intrs_average_pool2d_portable(const struct intrs_pool2d *p, const int8_t *input, int8_t *output);
void intrs_max_pool2d_portable(const struct intrs_pool2d *p, const int8_t *input, int8_t *output);
void intrs_resize_bilinear_portable(const struct intrs_resize_bilinear *p, const int8_t *input, int8_t *output);
void intrs_l2_normalization_portable(const struct intrs_l2_normalization *p, const int8_t *input, int8_t *output);
void intrs_lut_portable(const struct intrs_lut *p, const int8_t *input, int8_t *output);
void intrs_mean_portable(const struct intrs_mean *p, const int8_t *input, int8_t *output);
void intrs_reduce_sum_portable(const struct intrs_reduce *p, const int8_t *input, int8_t *output);
void intrs_reduce_extremum_portable(const struct intrs_reduce *p, const int8_t *input, int8_t *output);
void intrs_pad_portable(const struct intrs_pad *p, const int8_t *input, int8_t *output);
void intrs_copy_portable(const struct intrs_copy *p, const int8_t *input, int8_t *output);
void intrs_gather_portable(const struct intrs_gather *p, const int8_t *input, int8_t *output);
void intrs_softmax_portable(const struct intrs_softmax *p, const int8_t *input, int8_t *output);

#endif
