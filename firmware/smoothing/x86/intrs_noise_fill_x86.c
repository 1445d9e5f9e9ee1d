/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_noise_fill_x86.c - the sampler for eight lanes at once.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>

#include "intrs_magnitude.h"
#include "intrs_model.h"

#include "intrs_target_avx2.h"

#define LANES 8

/// table ///

/*
 * One entry for 16 cells: magnitude << 16 | the one cell in which the magnitude goes up (0xFFFF: none). SLOW where it
 * goes up more than once, in the tail. Filled on first use: 16 KiB that no flash has to hold.
 */
#define SLOW 0x80000000u
static uint32_t cells[4096];
static atomic_int cells_state; /* 0 nothing, 1 being filled, 2 ready */

static void fill_cells(void)
{
    uint32_t k = 0;
    for (uint32_t bin = 0; bin < 4096; bin++) {
        uint32_t first = k, rises = 0;
        while (k <= INTRS_NOISE_LAST && intrs_noise_hi[k] >> 4 == bin) {
            k++, rises++;
        }
        uint32_t at = rises ? intrs_noise_hi[first] : 0xFFFFu;
        cells[bin] = (rises > 1 ? SLOW : 0) | first << 16 | at;
    }
}

static void prepare(void)
{
    if (atomic_load_explicit(&cells_state, memory_order_acquire) == 2) {
        return;
    }
    int expected = 0;
    if (atomic_compare_exchange_strong(&cells_state, &expected, 1)) {
        fill_cells();
        atomic_store_explicit(&cells_state, 2, memory_order_release);
    } else {
        while (atomic_load_explicit(&cells_state, memory_order_acquire) != 2) {
            _mm_pause();
        }
    }
}

/// eight streams ///

struct streams {
    __m256i s[4];
};

static inline __m256i rotl(__m256i x, int k)
{
    return _mm256_or_si256(_mm256_slli_epi32(x, k), _mm256_srli_epi32(x, 32 - k));
}

#if INTRS_RNG == INTRS_RNG_XOSHIRO128PP
static inline __m256i next(struct streams *r)
{
    __m256i out = _mm256_add_epi32(rotl(_mm256_add_epi32(r->s[0], r->s[3]), 7), r->s[0]);
    __m256i t = _mm256_slli_epi32(r->s[1], 9);
    r->s[2] = _mm256_xor_si256(r->s[2], r->s[0]);
    r->s[3] = _mm256_xor_si256(r->s[3], r->s[1]);
    r->s[1] = _mm256_xor_si256(r->s[1], r->s[2]);
    r->s[0] = _mm256_xor_si256(r->s[0], r->s[3]);
    r->s[2] = _mm256_xor_si256(r->s[2], t);
    r->s[3] = rotl(r->s[3], 11);
    return out;
}
#else
/* one component of LFSR113 */
static inline __m256i component(__m256i s, int mask, int left, int first, int right)
{
    __m256i b = _mm256_srli_epi32(_mm256_xor_si256(_mm256_slli_epi32(s, first), s), right);
    return _mm256_xor_si256(_mm256_slli_epi32(_mm256_and_si256(s, _mm256_set1_epi32(mask)), left), b);
}

static inline __m256i next(struct streams *r)
{
    r->s[0] = component(r->s[0], (int)0xFFFFFFFEu, 18, 6, 13);
    r->s[1] = component(r->s[1], (int)0xFFFFFFF8u, 2, 2, 27);
    r->s[2] = component(r->s[2], (int)0xFFFFFFF0u, 7, 13, 21);
    r->s[3] = component(r->s[3], (int)0xFFFFFF80u, 13, 3, 12);
    return _mm256_xor_si256(_mm256_xor_si256(r->s[0], r->s[1]), _mm256_xor_si256(r->s[2], r->s[3]));
}
#endif

/* the lanes of a mask one by one: they may draw another word, each from its own stream */
static __attribute__((noinline)) __m256i single_lanes(struct streams *r, __m256i k, __m256i cell, unsigned mask)
{
    uint32_t s[4][LANES], ks[LANES], cs[LANES];
    memcpy(s, r->s, sizeof s);
    memcpy(ks, &k, sizeof ks);
    memcpy(cs, &cell, sizeof cs);
    for (; mask; mask &= mask - 1) {
        int lane = __builtin_ctz(mask);
        struct intrs_rng one = {{s[0][lane], s[1][lane], s[2][lane], s[3][lane]}};
        ks[lane] = (uint32_t)intrs_magnitude(cs[lane], &one);
        for (int i = 0; i < 4; i++) {
            s[i][lane] = one.s[i];
        }
    }
    memcpy(r->s, s, sizeof s);
    memcpy(&k, ks, sizeof ks);
    return k;
}

static inline __m256i magnitudes(struct streams *r, __m256i cell)
{
    __m256i entry = _mm256_i32gather_epi32((const int *)(const void *)cells, _mm256_srli_epi32(cell, 4), 4);
    __m256i at = _mm256_and_si256(entry, _mm256_set1_epi32(0xFFFF));
    __m256i k = _mm256_sub_epi32(_mm256_srli_epi32(entry, 16), _mm256_cmpgt_epi32(cell, at));
    __m256i special = _mm256_or_si256(_mm256_cmpeq_epi32(cell, at), entry);
    unsigned mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(special));
    return __builtin_expect(mask != 0, 0) ? single_lanes(r, k, cell, mask) : k;
}

/// filling ///

/* the input of coordinate j before its noise is added: pixel * mul + add */
static inline int32_t base(const uint8_t *image, uint32_t j, uint32_t channel)
{
    return image[j] * intrs_input_map.mul[channel] + intrs_input_map.add[channel];
}

static void fill_eight(const struct intrs_rng lanes[LANES], const uint8_t *image, int8_t *input)
{
    const __m256i order = _mm256_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0, 15, 11, 7, 3, 14, 10, 6,
                                          2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m128i shift = _mm_cvtsi32_si128(intrs_input_map.shift);
    struct streams r;
    uint32_t s[4][LANES];
    for (int lane = 0; lane < LANES; lane++) {
        for (int i = 0; i < 4; i++) {
            s[i][lane] = lanes[lane].s[i];
        }
    }
    memcpy(r.s, s, sizeof s);

    __m256i signs = _mm256_setzero_si256(), word = signs;
    uint32_t channel = 0;
    for (uint32_t j = 0; j < INTRS_IMAGE_BYTES; j += 4) {
        __m256i q[4];
        if ((j & 31u) == 0) {
            signs = next(&r);
        }
        for (uint32_t i = 0; i < 4; i++) {
            if (j + i >= INTRS_IMAGE_BYTES) { /* the last group of an odd image: nothing is drawn for it */
                q[i] = _mm256_setzero_si256();
                continue;
            }
            __m256i cell;
            if ((i & 1u) == 0) {
                word = next(&r);
                cell = _mm256_and_si256(word, _mm256_set1_epi32(0xFFFF));
            } else {
                cell = _mm256_srli_epi32(word, 16);
            }
            __m256i k = magnitudes(&r, cell);
            __m256i negative = _mm256_srai_epi32(_mm256_slli_epi32(signs, 31), 31);
            signs = _mm256_srli_epi32(signs, 1);
            __m256i noise = _mm256_sub_epi32(_mm256_xor_si256(k, negative), negative);
            noise = _mm256_mullo_epi32(noise, _mm256_set1_epi32(intrs_input_map.mul[channel]));
            q[i] = _mm256_sra_epi32(_mm256_add_epi32(noise, _mm256_set1_epi32(base(image, j + i, channel))), shift);
            if (++channel == INTRS_CHANNELS) {
                channel = 0;
            }
        }
        /* saturating packs clamp to int8; then bytes of one lane together */
        __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        uint32_t out[LANES];
        bytes = _mm256_shuffle_epi8(bytes, order);
        memcpy(out, &bytes, sizeof out);
        uint32_t n = INTRS_IMAGE_BYTES - j < 4 ? INTRS_IMAGE_BYTES - j : 4;
        for (uint32_t lane = 0; lane < LANES; lane++) {
            int8_t *to = input + lane * (uint32_t)INTRS_INPUT_BYTES + j;
            if (n == 4) {
                memcpy(to, &out[lane], 4);
            } else {
                memcpy(to, &out[lane], n);
            }
        }
    }
}

void intrs_noise_fill_x86(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input);

/*
 * intrs_noise_fill, eight streams at a time; the words drawn and the result are the same. INTRS_BATCH is a multiple
 * of 8.
 */
void intrs_noise_fill_x86(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input)
{
    prepare();
    for (uint32_t b = 0; b < INTRS_BATCH; b += LANES) {
        fill_eight(lanes + b, image, input + b * (uint32_t)INTRS_INPUT_BYTES);
    }
}

#include "intrs_target_end.h"
#endif
