/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_x86_inline.h - what the AVX2 kernels share: loads, requantisation, residual sum.
 */
#ifndef INTRS_X86_INLINE_H
#define INTRS_X86_INLINE_H

#include <immintrin.h>
#include <string.h>

#include "intrs_x86.h"

#include "intrs_target_avx2.h"

#define INTRS_INLINE static inline __attribute__((always_inline))

/// memory ///

INTRS_INLINE __m256i intrs_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INTRS_INLINE void intrs_store(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

/* 16 int8 widened to int16 */
INTRS_INLINE __m256i intrs_widen(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* two neighbouring int16 in every lane; memcpy because the compiler must not assume alignment or type */
INTRS_INLINE __m256i intrs_pair(const int16_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

INTRS_INLINE uint8_t *intrs_align64(uint8_t *p)
{
    return p + (-(uintptr_t)p & 63u);
}

/// requantisation ///

/* the constants of 16 output channels: both roundings' nudges are one 64-bit number a lane */
struct intrs_x86_block {
    __m256i multiplier[2], multiplier_odd[2], nudge[2], nudge_odd[2], shift[2], sign[2];
};

INTRS_INLINE void intrs_x86_lanes(struct intrs_x86_block *b, int i, __m256i multiplier, __m256i shift, __m256i nudge,
                                  __m256i sign)
{
    const __m256i half = _mm256_set1_epi64x(0x80000000LL);
    b->multiplier[i] = multiplier;
    b->multiplier_odd[i] = _mm256_srli_epi64(multiplier, 32);
    b->nudge[i] = _mm256_or_si256(_mm256_slli_epi64(nudge, 32), half);
    b->nudge_odd[i] = _mm256_or_si256(_mm256_slli_epi64(_mm256_srli_epi64(nudge, 32), 32), half);
    b->shift[i] = shift;
    b->sign[i] = sign;
}

INTRS_INLINE struct intrs_x86_block intrs_x86_block(const int32_t *table)
{
    struct intrs_x86_block b;
    for (int i = 0; i < 2; i++) {
        const int32_t *row = table + 8 * i;
        intrs_x86_lanes(&b, i, intrs_load(row + INTRS_X86_MULTIPLIER * 16), intrs_load(row + INTRS_X86_SHIFT * 16),
                        intrs_load(row + INTRS_X86_NUDGE * 16), intrs_load(row + INTRS_X86_SIGN * 16));
    }
    return b;
}

/*
 * gemmlowp's two roundings of acc2 = 2 * accumulator, eight lanes: floor((2 acc m + 2^31) / 2^32), plus 2^(e-1), less 1
 * below zero, shifted right by e. The first floor takes the second nudge in; and the accumulator's sign serves for the
 * product's, because where they differ the product rounds to 0 and so does the result. Without `away` the 1 is left
 * out: for outputs clamped at their zero point.
 */
INTRS_INLINE __m256i intrs_requant8(__m256i acc2, const struct intrs_x86_block *b, int i, int away)
{
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc2, b->multiplier[i]), b->nudge[i]);
    __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(acc2, 32), b->multiplier_odd[i]), b->nudge_odd[i]);
    __m256i t = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    if (away) {
        t = _mm256_add_epi32(t, _mm256_and_si256(_mm256_srai_epi32(acc2, 31), b->sign[i]));
    }
    return _mm256_srav_epi32(t, b->shift[i]);
}

/* whether rounding away from zero can be seen: not where everything below the zero point is clamped */
INTRS_INLINE int intrs_away(const struct intrs_x86_requant *q)
{
    return q->min < q->zero_point;
}

/* zero point and clamp, as vectors */
struct intrs_x86_out {
    __m256i zero_point;
    __m128i min, max;
};

INTRS_INLINE struct intrs_x86_out intrs_x86_out(const struct intrs_x86_requant *q)
{
    struct intrs_x86_out o = {_mm256_set1_epi16((int16_t)q->zero_point), _mm_set1_epi8((int8_t)q->min),
                              _mm_set1_epi8((int8_t)q->max)};
    return o;
}

/* 16 output channels, in lane order, to int8 in order */
INTRS_INLINE __m128i intrs_requant16(__m256i lo2, __m256i hi2, const struct intrs_x86_block *b,
                                     const struct intrs_x86_out *o, int away)
{
    __m256i h = _mm256_packs_epi32(intrs_requant8(lo2, b, 0, away), intrs_requant8(hi2, b, 1, away));
    h = _mm256_adds_epi16(h, o->zero_point);
    __m128i c = _mm_packs_epi16(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    return _mm_min_epi8(_mm_max_epi8(c, o->min), o->max);
}

/* the first n of 16 bytes */
INTRS_INLINE void intrs_store_some(int8_t *p, __m128i v, int32_t n)
{
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)(void *)p, v);
    } else {
        int8_t bytes[16];
        _mm_storeu_si128((__m128i *)(void *)bytes, v);
        memcpy(p, bytes, (size_t)n);
    }
}

/// residual sum ///

struct intrs_x86_affine_v {
    __m256i high, low, offset;
    __m128i shift, min, max;
};

INTRS_INLINE int32_t intrs_two16(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)(first & 0xFFFF) | (uint32_t)second << 16);
}

/* A factor of 23 bits is 256 high + low: vpmaddwd of 256 x with high, and of x with low. */
INTRS_INLINE struct intrs_x86_affine_v intrs_x86_affine_v(const struct intrs_x86_affine *s)
{
    const int32_t *f = s->factor;
    struct intrs_x86_affine_v v = {_mm256_set1_epi32(intrs_two16(f[0] >> 8, f[1] >> 8)),
                                   _mm256_set1_epi32(intrs_two16(f[0] & 255, f[1] & 255)),
                                   _mm256_set1_epi32(s->offset),
                                   _mm_cvtsi32_si128(s->shift),
                                   _mm_set1_epi8((int8_t)s->min),
                                   _mm_set1_epi8((int8_t)s->max)};
    return v;
}

INTRS_INLINE __m256i intrs_sum8(__m256i xy, const struct intrs_x86_affine_v *s)
{
    __m256i high = _mm256_madd_epi16(_mm256_slli_epi16(xy, 8), s->high);
    __m256i low = _mm256_add_epi32(_mm256_madd_epi16(xy, s->low), s->offset);
    return _mm256_sra_epi32(_mm256_add_epi32(high, low), s->shift);
}

INTRS_INLINE __m128i intrs_sum16(__m128i x8, __m128i y8, const struct intrs_x86_affine_v *s)
{
    __m256i x = _mm256_cvtepi8_epi16(x8), y = _mm256_cvtepi8_epi16(y8);
    __m256i h =
        _mm256_packs_epi32(intrs_sum8(_mm256_unpacklo_epi16(x, y), s), intrs_sum8(_mm256_unpackhi_epi16(x, y), s));
    __m128i c = _mm_packs_epi16(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    return _mm_min_epi8(_mm_max_epi8(c, s->min), s->max);
}

#endif
