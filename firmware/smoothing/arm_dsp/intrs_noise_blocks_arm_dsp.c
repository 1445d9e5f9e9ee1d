/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_noise_blocks_arm_dsp.c - the sampler for cores with the DSP extension, four coordinates at a time.
 */
#include "intrs_asm.h"
#include "intrs_model.h"

#if defined(__ARM_FEATURE_SIMD32) && defined(INTRS_MAP_MUL) /* Cortex-M4, M7, M33 and above; one map for all channels */
#include "intrs_memory.h"
#include "intrs_noise.h"

#define INLINE inline __attribute__((always_inline, unused)) /* -Os too; the assembly leaves some without a caller */

/// generator ///

#if INTRS_RNG == INTRS_RNG_XOSHIRO128PP
/* The last word of the state is kept unrotated: its rotation is part of the instructions that read it. Seven a word. */
static INLINE void enter(struct intrs_rng *r)
{
    r->s[3] = intrs_rotl(r->s[3], 21);
}
static INLINE void leave(struct intrs_rng *r)
{
    r->s[3] = intrs_rotl(r->s[3], 11);
}

static INLINE uint32_t next(struct intrs_rng *r)
{
    uint32_t out, s1 = r->s[1];
    /* compilers would rotate once, into a register that is not there */
    __asm__("add %0, %1, %2, ror #21" : "=r"(out) : "r"(r->s[0]), "r"(r->s[3]));
    __asm__("add %0, %1, %0, ror #25" : "+r"(out) : "r"(r->s[0]));
    __asm__("eor %0, %1, %0, ror #21" : "+r"(r->s[3]) : "r"(s1));
    r->s[2] ^= r->s[0];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= s1 << 9;
    return out;
}
#else
static INLINE void enter(struct intrs_rng *r)
{
    (void)r;
}
static INLINE void leave(struct intrs_rng *r)
{
    (void)r;
}
static INLINE uint32_t next(struct intrs_rng *r)
{
    return intrs_rng_next(r);
}
#endif

/// two coordinates in one register ///

/*
 * Both halves of `signs` go left by one; a half whose upper bit was set takes that of `minus`, the other that of
 * `plus`.
 */
static INLINE uint32_t by_sign(uint32_t *signs, uint32_t plus, uint32_t minus)
{
    uint32_t out;
    __asm__("sadd16 %1, %1, %1\n\tsel %0, %2, %3" : "=r"(out), "+r"(*signs) : "r"(plus), "r"(minus) : "cc");
    return out;
}

static INLINE uint32_t pack(uint32_t low, uint32_t high)
{
    uint32_t out;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(out) : "r"(low), "r"(high));
    return out;
}

/* pixels 0 and 2, or 1 and 3, each plus its half of `more` */
static INLINE uint32_t even_pixels(uint32_t pixels, uint32_t more)
{
    uint32_t out;
    __asm__("uxtab16 %0, %1, %2" : "=r"(out) : "r"(more), "r"(pixels));
    return out;
}

static INLINE uint32_t odd_pixels(uint32_t pixels, uint32_t more)
{
    uint32_t out;
    __asm__("uxtab16 %0, %1, %2, ror #8" : "=r"(out) : "r"(more), "r"(pixels));
    return out;
}

/* pixel + k or pixel - k, by sign */
static INLINE uint32_t noisy(uint32_t pixels, uint32_t k, uint32_t *signs)
{
    uint32_t plus, minus;
    __asm__("sadd16 %0, %1, %2" : "=r"(plus) : "r"(pixels), "r"(k) : "cc");
    __asm__("ssub16 %0, %1, %2" : "=r"(minus) : "r"(pixels), "r"(k) : "cc");
    return by_sign(signs, plus, minus);
}

/*
 * From bit j for coordinate j, first ones uppermost: the signs of coordinates 0, 1, 4, 5, .. in the low half, those of
 * 2, 3, 6, 7, .. in the high half.
 */
static INLINE uint32_t split_signs(uint32_t x)
{
    uint32_t t;
    __asm__("rbit %0, %1" : "=r"(x) : "r"(x));
    t = (x ^ x >> 2) & 0x0C0C0C0Cu, x ^= t ^ t << 2;
    t = (x ^ x >> 4) & 0x00F000F0u, x ^= t ^ t << 4;
    t = (x ^ x >> 8) & 0x0000FF00u, x ^= t ^ t << 8;
    return x >> 16 | x << 16;
}

/// blocks ///

/* Held in registers. */
struct tables {
    const intrs_guide_t *guide;
    const uint16_t *hi;
};

/* In assembly, because compilers would keep a pointer for the search that seldom follows. */
static INLINE uint32_t limit_of(const uint16_t *hi, uint32_t k)
{
    uint32_t limit;
    __asm__("ldrh %0, [%1, %2, lsl #1]" : "=r"(limit) : "r"(hi), "r"(k));
    return limit;
}

/* Past the first threshold of the guide's entry: a step, seldom more. */
static INLINE uint32_t search(const struct tables *t, uint32_t k, uint32_t limit, uint32_t cell, struct intrs_rng *r)
{
    while (__builtin_expect(limit != cell, 1)) {
        limit = limit_of(t->hi, ++k);
        if (limit > cell) {
            return k;
        }
    }
    /* a threshold splits this cell: 32 more bits */
    uint32_t low = next(r);
    while (intrs_noise_hi[k] == cell && intrs_noise_lo[k] < low) {
        k++;
    }
    return k;
}

static INLINE uint32_t low_magnitude(const struct tables *t, uint32_t word, struct intrs_rng *r)
{
    uint32_t k = t->guide[word >> 8 & 0xFFu], limit = limit_of(t->hi, k);
    if (__builtin_expect(limit > (word & 0xFFFFu), 1)) {
        return k;
    }
    return search(t, k, limit, word & 0xFFFFu, r);
}

static INLINE uint32_t high_magnitude(const struct tables *t, uint32_t word, struct intrs_rng *r)
{
    uint32_t k = t->guide[word >> 24], limit = limit_of(t->hi, k);
    if (__builtin_expect(limit > word >> 16, 1)) {
        return k;
    }
    /* shifted once more: else the compiler does not shift inside the comparison above */
    __asm__("" : "+r"(word));
    return search(t, k, limit, word >> 16, r);
}

/* With a scale that is a power of two, 16 bits hold everything up to the last shift. */
#if INTRS_MAP_MUL == 1 && INTRS_MAP_SHIFT <= 8 && INTRS_MAP_ADD > -0x6000 && INTRS_MAP_ADD < 0x6000
#define NARROW 1
#else
#define NARROW 0
#endif

/* a shift by no bits has no encoding */
#if INTRS_MAP_SHIFT == 0
#define SHIFTED(how) ""
#else
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define SHIFTED(how) ", " how " #" TEXT(INTRS_MAP_SHIFT)
#endif

#define LANES(x) (((uint32_t)(x) & 0xFFFFu) * 0x10001u)

#if !NARROW
static INLINE int32_t saturate(int32_t q)
{
    __asm__("ssat %0, #8, %0" SHIFTED("asr") : "+r"(q));
    return q;
}

/* the input map of the pixel in one half */
static INLINE int32_t map_low(uint32_t v)
{
    int32_t q = (int16_t)v * INTRS_MAP_MUL + INTRS_MAP_ADD;
#if INTRS_MAP_MUL < 0x8000
    __asm__("smlabb %0, %1, %2, %3" : "=r"(q) : "r"(v), "r"(INTRS_MAP_MUL), "r"(INTRS_MAP_ADD) : "cc");
#endif
    return saturate(q);
}

static INLINE int32_t map_high(uint32_t v)
{
    int32_t q = ((int32_t)v >> 16) * INTRS_MAP_MUL + INTRS_MAP_ADD;
#if INTRS_MAP_MUL < 0x8000
    __asm__("smlatb %0, %1, %2, %3" : "=r"(q) : "r"(v), "r"(INTRS_MAP_MUL), "r"(INTRS_MAP_ADD) : "cc");
#endif
    return saturate(q);
}
#endif

/* four inputs from four noisy pixels: coordinates 0 and 2, 1 and 3 */
static INLINE void store(int8_t *input, uint32_t even, uint32_t odd)
{
#if NARROW
    /* INTRS_MAP_ADD is in it already */
    __asm__("ssat16 %0, %1, %0" : "+r"(even) : "I"(8 + INTRS_MAP_SHIFT));
    __asm__("ssat16 %0, %1, %0" : "+r"(odd) : "I"(8 + INTRS_MAP_SHIFT));
    uint32_t bytes = (even >> INTRS_MAP_SHIFT & 0x00FF00FFu) | (odd >> INTRS_MAP_SHIFT & 0x00FF00FFu) << 8;
    memcpy(input, &bytes, 4);
#else
    /* in assembly: compilers would join them to a word, which takes longer than four stores */
    __asm__("strb %1, %0" : "=m"(input[0]) : "r"(map_low(even)));
    __asm__("strb %1, %0" : "=m"(input[1]) : "r"(map_low(odd)));
    __asm__("strb %1, %0" : "=m"(input[2]) : "r"(map_high(even)));
    __asm__("strb %1, %0" : "=m"(input[3]) : "r"(map_high(odd)));
#endif
}

#if INTRS_RNG == INTRS_RNG_XOSHIRO128PP && INTRS_MAP_MUL < 0x8000 && INTRS_ALL_REGISTERS
#include "intrs_noise_blocks_arm_dsp_asm.h"
#else
static INLINE void block(struct intrs_rng *r, const struct tables *t, const uint8_t **pixel, int8_t **to,
                         uint32_t signs)
{
    for (const uint8_t *stop = *pixel + 32; *pixel != stop; *pixel += 4, *to += 4) {
        uint32_t pixels;
        uint32_t word = next(r);
        uint32_t k0 = low_magnitude(t, word, r);
        uint32_t k1 = high_magnitude(t, word, r);
        word = next(r);
        uint32_t k2 = low_magnitude(t, word, r);
        uint32_t k3 = high_magnitude(t, word, r);
        memcpy(&pixels, *pixel, 4);
        uint32_t more = NARROW ? LANES(INTRS_MAP_ADD) : 0;
        uint32_t even = noisy(even_pixels(pixels, more), pack(k0, k2), &signs);
        uint32_t odd = noisy(odd_pixels(pixels, more), pack(k1, k3), &signs);
        store(*to, even, odd);
    }
}
#endif

void intrs_noise_blocks_arm_dsp(struct intrs_rng *rng, const uint8_t *image, int8_t *input, uint32_t blocks);

/* The inputs of 32 coordinates a block, from the words that intrs_noise_fill() says. */
void intrs_noise_blocks_arm_dsp(struct intrs_rng *rng, const uint8_t *image, int8_t *input, uint32_t blocks)
{
    struct intrs_rng r = *rng;
    struct tables t = {intrs_noise_guide, intrs_noise_hi};
    __asm__("" : "+r"(t.guide), "+r"(t.hi)); /* else their addresses are loaded again and again */
    enter(&r);
    for (const uint8_t *end = image + 32 * blocks; image != end;) {
        block(&r, &t, &image, &input, split_signs(next(&r)));
    }
    leave(&r);
    *rng = r;
}
#endif
