/*
 * intrs_kernels.h - parameters of the int8 kernels. The generator fills these structs with constants; a kernel never checks what
 * the generator has proved (shapes agree, scratch is large enough, ranges hold).
 *
 * Arithmetic: TFLite's reference kernels with gemmlowp double rounding (docs/contract.md). Layouts are TFLite's: activations NHWC,
 * convolution weights OHWI, depthwise weights HWO, fully connected OI. Every variant of a kernel equals the portable one bit for bit.
 */
#ifndef INTRS_KERNELS_H
#define INTRS_KERNELS_H

#include <stdint.h>

/* out = clamp(zero_point + round(acc * multiplier[c] * 2^(shift[c] - 31)), min, max), per output channel (TFLite: shift > 0 is left) */
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

/* TFLite ADD and SUB: both operands shifted left by 20 bits, scaled, added, scaled back. */
struct intrs_add {
    int32_t n;
    int32_t zero_point[2], multiplier[2], shift[2];
    int32_t left_shift;
    struct intrs_requant q; /* one multiplier */
};

struct intrs_pool2d {
    struct intrs_window w;
    int32_t min, max;
};

#endif
