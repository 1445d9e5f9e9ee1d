/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_m0.h - int8 kernels for cores without the DSP extension, Cortex-M0 and M0+ (Armv6-M) and M3 (Armv7-M), bit
 * for bit equal to the portable ones.
 *
 * Armv6-M multiplies 32 x 32 to 32 bits in one instruction and has no longer product. The requantisation is that of
 * intrs_arm_dsp.h for t = 1 (out = (high word of (acc m + 2^31) + addend - (acc < 0)) >> shift), its high word made of
 * four products of half-words. The streams are written by intrs_edge/codegen/kernels/arm_m0.
 */
#ifndef INTRS_ARM_M0_H
#define INTRS_ARM_M0_H

#include <stdint.h>

#include "intrs_kernels.h"

/*
 * Convolution (groups 1), blocks of 2 filters x 2 pixels. Scratch: 8 bytes a tap, taps = filter_h * filter_w * in_c
 * rounded up to 4.
 * stream, per pair of filters (an odd last one is paired with zeros): bias of each, zero point folded in; the weights,
 * per two taps the bytes {f0 t0, f1 t0, f0 t1, f1 t1}; {multiplier, addend, shift + 256 * (1 + left shift)} of each.
 */
struct intrs_conv2d_arm_m0 {
    struct intrs_window w;
    int32_t in_zero_point;
    int32_t min, max;
    int32_t linear; /* the output is not clamped at its zero point: halves of negative sums round down */
    const int32_t *stream;
};

void intrs_conv2d_arm_m0(const struct intrs_conv2d_arm_m0 *p, const int8_t *in, int8_t *out, uint8_t *scratch);

#endif
