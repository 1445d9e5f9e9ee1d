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

/// one map for all channels, scale a power of two: the usual case ///

static int is_plain(void)
{
    for (int32_t c = 0; c < INTRS_CHANNELS; c++) {
        if (intrs_input_map.mul[c] != 1 || intrs_input_map.add[c] != intrs_input_map.add[0]) return 0;
    }
    return 1;
}

static inline int8_t draw(int32_t pixel, uint32_t cell, uint32_t negative, int32_t shift, struct intrs_rng *r)
{
    int32_t n = intrs_magnitude(cell, r);
    return saturate((negative ? pixel - n : pixel + n) >> shift);
}

static void fill_plain(struct intrs_rng r, const uint8_t *image, int8_t *input)
{
    const int32_t add = intrs_input_map.add[0], shift = intrs_input_map.shift;
    for (uint32_t j = 0; j < INTRS_IMAGE_BYTES;) {
        uint32_t signs = intrs_rng_next(&r);
        uint32_t stop = INTRS_IMAGE_BYTES - j < 32 ? INTRS_IMAGE_BYTES : j + 32;
        for (; j + 1 < stop; j += 2, signs >>= 2) {
            uint32_t word = intrs_rng_next(&r);
            input[j] = draw(image[j] + add, word & 0xFFFFu, signs & 1u, shift, &r);
            input[j + 1] = draw(image[j + 1] + add, word >> 16, signs & 2u, shift, &r);
        }
        if (j < stop) {
            input[j] = draw(image[j] + add, intrs_rng_next(&r) & 0xFFFFu, signs & 1u, shift, &r);
            j++;
        }
    }
}

/// a map per channel ///

static void fill_mapped(struct intrs_rng r, const uint8_t *image, int8_t *input)
{
    uint32_t signs = 0, word = 0;
    int32_t channel = 0;
    for (uint32_t j = 0; j < INTRS_IMAGE_BYTES; j++) {
        if ((j & 31u) == 0) signs = intrs_rng_next(&r);
        if ((j & 1u) == 0) word = intrs_rng_next(&r);
        else word >>= 16;
        // conditional negation: n or -n
        int32_t negative = -(int32_t)(signs & 1u);
        signs >>= 1;
        int32_t v = image[j] + ((intrs_magnitude(word & 0xFFFFu, &r) ^ negative) - negative);
        input[j] = saturate((v * intrs_input_map.mul[channel] + intrs_input_map.add[channel]) >> intrs_input_map.shift);
        if (++channel == INTRS_CHANNELS) channel = 0;
    }
}

/// entry ///

#if defined(INTRS_NOISE_AVX2) && defined(__x86_64__) && INTRS_BATCH % 8 == 0
#define EIGHT_LANES 1
void intrs_noise_fill_avx2(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input);
#else
#define EIGHT_LANES 0
#endif

void intrs_noise_fill(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input)
{
#if EIGHT_LANES
    if (__builtin_cpu_supports("avx2")) {
        intrs_noise_fill_avx2(lanes, image, input);
        return;
    }
#endif
    const int plain = is_plain();
    for (uint32_t b = 0; b < INTRS_BATCH; b++, input += INTRS_INPUT_BYTES) {
        if (plain) fill_plain(lanes[b], image, input);
        else fill_mapped(lanes[b], image, input);
    }
}
