/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_x86.h - parameters of the AVX2 kernels. The generator packs the weights and proves the ranges
 * (intrs_edge/codegen/kernels/x86); every kernel equals the portable one bit for bit under the conditions stated
 * here.
 *
 * "Lane order": of each 16 output channels, 0-3 8-11 4-7 12-15, so that two vpackss put them back in order.
 */
#ifndef INTRS_X86_H
#define INTRS_X86_H

#include "intrs_kernels.h"

/* rows of 16 int32 that a block of 16 output channels has in its table, each in lane order */
enum intrs_x86_row {
    INTRS_X86_BIAS,       /* the accumulator's start: the bias, times 576 for Winograd */
    INTRS_X86_MULTIPLIER, /* TFLite's */
    INTRS_X86_SHIFT,      /* e >= 0: TFLite's shift, negated */
    INTRS_X86_NUDGE,      /* 2^(e-1), or 0 where e = 0 */
    INTRS_X86_SIGN,       /* -1, or 0 where e = 0 */
    INTRS_X86_ROWS,
};

/* From accumulators to int8, |accumulator| < 2^30. */
struct intrs_x86_requant {
    const int32_t *table; /* [ceil(out_c / 16)][INTRS_X86_ROWS][16] */
    int32_t zero_point;
    int32_t min, max;
};

/*
 * A residual sum: clamp((factor[0] * x + factor[1] * y + offset) >> shift, min, max). The generator finds the four
 * numbers and checks all 65 536 pairs (x, y) against TFLite's ADD. Without a solution intrs_add_x86 stands in.
 */
struct intrs_x86_affine {
    int32_t factor[2]; /* at most 2^22 in magnitude */
    int32_t offset, shift;
    int32_t min, max;
};

/*
 * intrs_conv2d_x86: any window, one group. weights [ceil(out_c / 16)][runs][pairs][16 in lane order][2] as int16. A
 * run is what lies contiguously in the input: a filter row of filter_w * in_c values, or, with dilation_w > 1, one tap
 * of in_c values; `pairs` is half of it rounded up, odd ends padded with zero weights. Scratch: intrs_conv2d_x86's
 * comment. Condition: |bias| + sum |w| * 255 < 2^30.
 */
struct intrs_conv2d_x86 {
    struct intrs_window w;
    int32_t in_zero_point;
    const int16_t *weights;
    struct intrs_x86_requant q;
};

/*
 * intrs_conv2d_x86_vnni: the same for CPUs with AVX512-VNNI. weights [ceil(out_c / 16)][runs][quads][16 in lane
 * order][4] as int8; the bias holds -(in_zero_point + 128) * sum(weights), because inputs go in as value + 128.
 */
struct intrs_conv2d_x86_vnni {
    struct intrs_window w;
    int32_t in_zero_point;
    const int8_t *weights;
    struct intrs_x86_requant q;
};

/*
 * intrs_conv2d_x86_winograd4, intrs_conv2d_add_x86_winograd4: 3x3, stride 1, no dilation, in_c and out_c multiples of
 * 16, by integer Winograd F(4x4,3x3). weights [out_c / 16][36][in_c / 2][16 in lane order][2]: G g G^T with the rows of
 * G scaled to integers [6,0,0] [-4,-4,-4] [-4,4,-4] [1,2,4] [1,-2,4] [0,0,3], so |.| <= 18 432. Condition:
 * |accumulator| < 2^25, which the generator proves from the sums of the positive and of the negative weights.
 */
struct intrs_conv2d_x86_winograd4 {
    struct intrs_window w;
    int32_t in_zero_point;
    const int16_t *weights;
    struct intrs_x86_requant q;
};

struct intrs_conv2d_add_x86_winograd4 {
    struct intrs_conv2d_x86_winograd4 conv;
    struct intrs_x86_affine sum; /* x is the convolution's output, y the skip's */
};

/*
 * intrs_depthwise2d_x86: multiplier 1. weights [ceil(c / 16)][ceil(taps / 2)][16 in the order 0-3 8-11 4-7 12-15][2]
 * as int16: taps in pairs, the odd one with zero; the bias holds -in_zero_point * sum(weights). Condition as for
 * intrs_conv2d_x86.
 */
struct intrs_depthwise2d_x86 {
    struct intrs_window w;
    int32_t in_zero_point;
    const int16_t *weights;
    struct intrs_x86_requant q;
};

struct intrs_add_x86_affine {
    int32_t n; /* elements of an image */
    struct intrs_x86_affine sum;
};

/* Asked before any of these kernels is called. Inline, so that it is compiled without AVX2. */
static inline int intrs_cpu_has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static inline int intrs_cpu_has_avx512vnni(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

void intrs_conv2d_x86(const struct intrs_conv2d_x86 *p, int32_t batch, const int8_t *in, int8_t *out, uint8_t *scratch);
void intrs_conv2d_x86_vnni(const struct intrs_conv2d_x86_vnni *p, int32_t batch, const int8_t *in, int8_t *out,
                           uint8_t *scratch);
void intrs_conv2d_x86_winograd4(const struct intrs_conv2d_x86_winograd4 *p, int32_t batch, const int8_t *in,
                                int8_t *out, uint8_t *scratch);
void intrs_conv2d_add_x86_winograd4(const struct intrs_conv2d_add_x86_winograd4 *p, int32_t batch, const int8_t *in,
                                    const int8_t *skip, int8_t *out, uint8_t *scratch);
void intrs_depthwise2d_x86(const struct intrs_depthwise2d_x86 *p, int32_t batch, const int8_t *in, int8_t *out,
                           uint8_t *scratch);
void intrs_add_x86_affine(const struct intrs_add_x86_affine *p, int32_t batch, const int8_t *x, const int8_t *y,
                          int8_t *out);
void intrs_add_x86(const struct intrs_add *p, int32_t batch, const int8_t *x, const int8_t *y, int8_t *out);
void intrs_average_pool2d_x86(const struct intrs_pool2d *p, int32_t batch, const int8_t *in, int8_t *out);

#endif
