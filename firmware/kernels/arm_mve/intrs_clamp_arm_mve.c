/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_clamp_arm_mve.c - the fused activation, for the rare one that int8 saturation does not already give.
 */
#include "intrs_asm.h"
#include "intrs_arm_mve.h"
#include "intrs_arm_mve_inline.h"

void intrs_clamp_arm_mve(int8_t *data, int32_t n, int32_t min, int32_t max)
{
    if (min <= -128 && max >= 127) {
        return;
    }
    const int8x16_t low = vdupq_n_s8((int8_t)min), high = vdupq_n_s8((int8_t)max);
    for (; n > 0; n -= 16, data += 16) {
        const mve_pred16_t rest = vctp8q((uint32_t)n);
        vstrbq_p_s8(data, vminq_s8(vmaxq_s8(vldrbq_z_s8(data, rest), low), high), rest);
    }
}
