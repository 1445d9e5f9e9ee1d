/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_mve_inline.h - requantisation of four lanes.
 */
#ifndef INTRS_ARM_MVE_INLINE_H
#define INTRS_ARM_MVE_INLINE_H

#if !defined(__ARM_FEATURE_MVE)
#error "these kernels need MVE (Helium): generate for a board without mve in its isa, or compile for a core with it"
#endif
#include <arm_mve.h>

/*
 * gemmlowp's two roundings. shift: minus the right shift; its sign lets halves of negative values round down, unless
 * the shift is 0
 */
static inline int32x4_t intrs_scale_arm_mve(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{
    x = vqrdmulhq_s32(x, multiplier);
    x = vaddq_s32(x, vshrq_n_s32(vandq_s32(x, shift), 31));
    return vrshlq_s32(x, shift);
}

#endif
