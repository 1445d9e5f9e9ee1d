/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_x86.c - the sum of two tensors step by step, as TFLite computes it.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_x86_inline.h"

/* one multiplier for all lanes */
static struct intrs_x86_block uniform(int32_t multiplier, int32_t shift)
{
    struct intrs_x86_block b;
    __m256i nudge = _mm256_set1_epi32(shift < 0 ? (int32_t)(1u << (-shift - 1)) : 0);
    intrs_x86_lanes(&b, 0, _mm256_set1_epi32(multiplier), _mm256_set1_epi32(-shift), nudge,
                    _mm256_set1_epi32(shift < 0 ? -1 : 0));
    return b;
}

INTRS_INLINE __m256i add8(__m256i x, __m256i y, const struct intrs_x86_block *a, const struct intrs_x86_block *b,
                          const struct intrs_x86_block *q)
{
    __m256i sum = _mm256_add_epi32(intrs_requant8(x, a, 0, 1), intrs_requant8(y, b, 0, 1));
    return intrs_requant8(_mm256_add_epi32(sum, sum), q, 0, 1);
}

/*
 * TFLite's ADD and SUB step by step, for the scales that intrs_add_x86_affine cannot express. No broadcast; every shift
 * is to the right; left_shift is 20, so operands are below 2^28 and sums below 2^29. out may be x or y.
 */
void intrs_add_x86(const struct intrs_add *p, int32_t batch, const int8_t *x, const int8_t *y, int8_t *out)
{
    const struct intrs_x86_block a = uniform(p->multiplier[0], p->shift[0]), b = uniform(p->multiplier[1], p->shift[1]);
    const struct intrs_x86_block q = uniform(p->q.multiplier[0], p->q.shift[0]);
    const __m256i x_zero = _mm256_set1_epi32(p->zero_point[0]), y_zero = _mm256_set1_epi32(p->zero_point[1]);
    const __m256i zero_point = _mm256_set1_epi16((int16_t)p->q.zero_point);
    const __m128i min = _mm_set1_epi8((int8_t)p->q.min), max = _mm_set1_epi8((int8_t)p->q.max);
    const __m128i shift = _mm_cvtsi32_si128(p->left_shift + 1); /* requant8 takes twice the value */
    const size_t n = (size_t)batch * (size_t)p->n;

    for (size_t i = 0; i < n; i += 16) {
        int8_t some[32] = {0};
        const int8_t *xs = x + i, *ys = y + i;
        if (n - i < 16) {
            memcpy(some, xs, n - i);
            memcpy(some + 16, ys, n - i);
            xs = some;
            ys = some + 16;
        }
        __m256i h[2];
        for (int k = 0; k < 2; k++) {
            __m256i u = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(xs + 8 * k)));
            __m256i v = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(ys + 8 * k)));
            u = _mm256_sll_epi32(_mm256_sub_epi32(u, x_zero), shift);
            v = _mm256_sll_epi32(_mm256_sub_epi32(v, y_zero), shift);
            h[k] = add8(u, v, &a, &b, &q);
        }
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(h[0], h[1]), 0xD8);
        packed = _mm256_adds_epi16(packed, zero_point);
        __m128i c = _mm_packs_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
        intrs_store_some(out + i, _mm_min_epi8(_mm_max_epi8(c, min), max), n - i < 16 ? (int32_t)(n - i) : 16);
    }
}

#include "intrs_target_end.h"
#endif
