#include "intrs_magnitude.h"
#include "intrs_model.h"

static inline int8_t map_input(int32_t v, int32_t channel)
{
    int32_t q = (v * intrs_input_map.mul[channel] + intrs_input_map.add[channel]) >> intrs_input_map.shift;
    return (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
}

static void fill_one(struct intrs_rng r, const uint8_t *image, int8_t *input)
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
        int32_t noise = (intrs_magnitude(word & 0xFFFFu, &r) ^ negative) - negative;
        input[j] = map_input(image[j] + noise, channel);
        if (++channel == INTRS_CHANNELS) channel = 0;
    }
}

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
    for (uint32_t b = 0; b < INTRS_BATCH; b++) fill_one(lanes[b], image, input + b * (uint32_t)INTRS_INPUT_BYTES);
}
