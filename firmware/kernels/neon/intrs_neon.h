/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_neon.h - parameters of the NEON kernels, for AArch64 and 32-bit ARM. The generator packs the weights and proves
 * the ranges (intrs_edge/codegen/kernels/neon); every kernel equals the portable one bit for bit under the
 * conditions stated here.
 */
#ifndef INTRS_NEON_H
#define INTRS_NEON_H

#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include "intrs_kernels.h"

/* rows of 8 int32 that a block of 8 output channels has in its table */
enum intrs_neon_row {
    /* the accumulator's start: the bias, times 576 for Winograd, less the zero point's part for SDOT */
    INTRS_NEON_BIAS,
    INTRS_NEON_MULTIPLIER, /* TFLite's */
    INTRS_NEON_SHIFT,      /* TFLite's, 0 or negative: the count of a left shift */
    INTRS_NEON_ROWS,
};

/* From accumulators to int8, |accumulator| < 2^30. */
struct intrs_neon_requant {
    const int32_t *table; /* [ceil(out_c / 8)][INTRS_NEON_ROWS][8] */
    int32_t zero_point;
    int32_t min, max;
};

/*
 * A convolution of one group. Weights by kernel:
 *
 * intrs_conv2d_neon: any window. [ceil(out_c / 8)][runs][length][8] int16. A run is what lies contiguously in the
 * input: a filter row of filter_w * in_c values, or, with dilation_w > 1, a tap of in_c; `length` is it rounded up to
 * 4, with zero weights.
 *
 * intrs_conv2d_neon_sdot: the same runs. [ceil(out_c / 16)][runs][length / 4][16][4] int8; the table's blocks come in
 * pairs. Needs SDOT.
 *
 * intrs_conv2d_neon_winograd4: 3x3, stride 1, no dilation, in_c and out_c multiples of 8, by Winograd's F(4x4, 3x3).
 * [out_c / 8][36][in_c][8] int16, as in x86/intrs_x86.h; |accumulator| < 2^25.
 */
struct intrs_conv2d_neon {
    struct intrs_window w;
    int32_t in_zero_point;
    const void *weights;
    struct intrs_neon_requant q;
};

/* intrs_depthwise2d_neon: multiplier 1. weights [taps][c rounded up to 8] int16 */
struct intrs_depthwise2d_neon {
    struct intrs_window w;
    int32_t in_zero_point;
    const int16_t *weights;
    struct intrs_neon_requant q;
};

/* clamp((factor[0] * x + factor[1] * y + offset) >> shift, min, max), checked by the generator over all 65 536 pairs */
struct intrs_add_neon_affine {
    int32_t n; /* elements of an image */
    int32_t factor[2];
    int32_t offset, shift;
    int32_t min, max;
};

#if defined(__aarch64__) && defined(__linux__)
/* HWCAP_ASIMDDP */
static inline int intrs_cpu_has_dotprod(void)
{
    return (getauxval(AT_HWCAP) >> 20) & 1;
}
#elif defined(__arm__) && defined(__linux__)
/* HWCAP_NEON */
static inline int intrs_cpu_has_neon(void)
{
    return (getauxval(AT_HWCAP) >> 12) & 1;
}
#endif

void intrs_conv2d_neon(const struct intrs_conv2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                       uint8_t *scratch);
void intrs_conv2d_neon_sdot(const struct intrs_conv2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                            uint8_t *scratch);
void intrs_conv2d_neon_winograd4(const struct intrs_conv2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                                 uint8_t *scratch);
void intrs_depthwise2d_neon(const struct intrs_depthwise2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                            uint8_t *scratch);
void intrs_add_neon_affine(const struct intrs_add_neon_affine *p, int32_t batch, const int8_t *x, const int8_t *y,
                           int8_t *out);
void intrs_add_neon(const struct intrs_add *p, int32_t batch, const int8_t *x, const int8_t *y, int8_t *out);
void intrs_average_pool2d_neon(const struct intrs_pool2d *p, int32_t batch, const int8_t *in, int8_t *out);

#endif
