/*
 * intrs_mve_add.c - the sum of two tensors with different scales, four elements at a time.
 *
 * The operand with the larger scale is multiplied by exactly 1/2, so its scaling is a shift: twice the sum, as in the DSP kernel, would
 * need a gather of table entries; four lanes of arithmetic are cheaper here.
 */
#include "intrs_mve.h"
#include "intrs_mve_inline.h"

/* halves away from zero, shift at least 1 */
static inline int32x4_t scale(int32x4_t x, int32_t multiplier, int32x4_t shift)
{
    x = vqrdmulhq_n_s32(x, multiplier);
    return vrshlq_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), shift);
}

static inline __attribute__((always_inline)) int32x4_t sum(int32x4_t a, int32x4_t b, const struct intrs_mve_add *p, int scaled)
{
    a = vshlq_n_s32(vsubq_n_s32(a, p->zero_point[0]), 20);
    b = vshlq_n_s32(vsubq_n_s32(b, p->zero_point[1]), 19);
    a = scaled ? scale(a, p->multiplier, vdupq_n_s32(p->shift)) : vqrdmulhq_n_s32(a, p->multiplier);
    a = vaddq_n_s32(scale(vaddq_s32(a, b), p->out_multiplier, vdupq_n_s32(p->out_shift)), p->out_zero_point);
    return vminq_s32(vmaxq_s32(a, vdupq_n_s32(p->min)), vdupq_n_s32(p->max));
}

static inline __attribute__((always_inline)) void add_all(const struct intrs_mve_add *all, const int8_t *a, const int8_t *b,
                                                          int8_t *out, int scaled)
{
    const struct intrs_mve_add p = *all; /* a copy in registers: stores of bytes may change anything else */
    for (int32_t n = p.n >> 2; n > 0; n--, a += 4, b += 4, out += 4) {
        vstrbq_s32(out, sum(vldrbq_s32(a), vldrbq_s32(b), &p, scaled));
    }
    const mve_pred16_t rest = vctp32q((uint32_t)p.n & 3U);
    vstrbq_p_s32(out, sum(vldrbq_z_s32(a, rest), vldrbq_z_s32(b, rest), &p, scaled), rest);
}

void intrs_mve_add(const struct intrs_mve_add *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    if (p->shift != 0) {
        add_all(p, a, b, out, 1);
    } else {
        add_all(p, a, b, out, 0);
    }
}
