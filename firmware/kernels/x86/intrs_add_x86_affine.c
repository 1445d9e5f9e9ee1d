/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_add_x86_affine.c - the sum of two tensors by one formula.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_x86_inline.h"

/* Residual sum by the searched formula. out may be x or y. */
void intrs_add_x86_affine(const struct intrs_add_x86_affine *p, int32_t batch, const int8_t *x, const int8_t *y,
                          int8_t *out)
{
    const struct intrs_x86_affine_v s = intrs_x86_affine_v(&p->sum);
    const size_t n = (size_t)batch * (size_t)p->n;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(x + i)),
                b = _mm_loadu_si128((const __m128i *)(const void *)(y + i));
        _mm_storeu_si128((__m128i *)(void *)(out + i), intrs_sum16(a, b, &s));
    }
    if (i < n) {
        int8_t some[32] = {0};
        memcpy(some, x + i, n - i);
        memcpy(some + 16, y + i, n - i);
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)some),
                b = _mm_loadu_si128((const __m128i *)(const void *)(some + 16));
        intrs_store_some(out + i, intrs_sum16(a, b, &s), (int32_t)(n - i));
    }
}

#include "intrs_target_end.h"
#endif
