/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_noise_fill.c - noisy copies of an image, one a lane, by the fastest sampler that the target has.
 */
#include "intrs_magnitude.h"
#include "intrs_model.h"

static inline int8_t saturate(int32_t q)
{
#ifdef __ARM_FEATURE_SAT
    __asm__("ssat %0, #8, %0" : "+r"(q));
    return (int8_t)q;
#else
    return (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
#endif
}

/// one map for all channels: the usual case ///

#ifdef INTRS_MAP_MUL

static inline int8_t draw(int32_t pixel, uint32_t cell, uint32_t negative, struct intrs_rng *r)
{
    int32_t n = intrs_magnitude(cell, r);
    int32_t v = negative ? pixel - n : pixel + n;
    return saturate((v * INTRS_MAP_MUL + INTRS_MAP_ADD) >> INTRS_MAP_SHIFT);
}

#ifdef INTRS_NOISE_ARM_DSP
void intrs_noise_blocks_arm_dsp(struct intrs_rng *r, const uint8_t *image, int8_t *input, uint32_t blocks);
#endif

static void fill(struct intrs_rng r, const uint8_t *image, int8_t *input)
{
    uint32_t j = 0;
#ifdef INTRS_NOISE_ARM_DSP
    j = INTRS_IMAGE_BYTES & ~31u;
    intrs_noise_blocks_arm_dsp(&r, image, input, j / 32);
#endif
    while (j < INTRS_IMAGE_BYTES) {
        uint32_t signs = intrs_rng_next(&r);
        uint32_t stop = INTRS_IMAGE_BYTES - j < 32 ? INTRS_IMAGE_BYTES : j + 32;
        for (; j + 1 < stop; j += 2, signs >>= 2) {
            uint32_t word = intrs_rng_next(&r);
            input[j] = draw(image[j], word & 0xFFFFu, signs & 1u, &r);
            input[j + 1] = draw(image[j + 1], word >> 16, signs & 2u, &r);
        }
        if (j < stop) {
            input[j] = draw(image[j], intrs_rng_next(&r) & 0xFFFFu, signs & 1u, &r);
            j++;
        }
    }
}

#else

/// a map per channel ///

static void fill(struct intrs_rng r, const uint8_t *image, int8_t *input)
{
    uint32_t signs = 0, word = 0;
    int32_t channel = 0;
    for (uint32_t j = 0; j < INTRS_IMAGE_BYTES; j++) {
        if ((j & 31u) == 0) {
            signs = intrs_rng_next(&r);
        }
        if ((j & 1u) == 0) {
            word = intrs_rng_next(&r);
        } else {
            word >>= 16;
        }
        /* conditional negation: n or -n */
        int32_t negative = -(int32_t)(signs & 1u);
        signs >>= 1;
        int32_t v = image[j] + ((intrs_magnitude(word & 0xFFFFu, &r) ^ negative) - negative);
        input[j] = saturate((v * intrs_input_map.mul[channel] + intrs_input_map.add[channel]) >> intrs_input_map.shift);
        if (++channel == INTRS_CHANNELS) {
            channel = 0;
        }
    }
}

#endif

/// entry ///

#if defined(INTRS_NOISE_X86) && defined(__x86_64__) && INTRS_BATCH % 8 == 0
#define EIGHT_LANES 1
void intrs_noise_fill_x86(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input);
#else
#define EIGHT_LANES 0
#endif

void intrs_noise_fill(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input)
{
#if EIGHT_LANES
    if (__builtin_cpu_supports("avx2")) {
        intrs_noise_fill_x86(lanes, image, input);
        return;
    }
#endif
    for (uint32_t b = 0; b < INTRS_BATCH; b++, input += INTRS_INPUT_BYTES) {
        fill(lanes[b], image, input);
    }
}
