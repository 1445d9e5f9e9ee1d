/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_rng_seek.c - the generator's state at a sample of an image.
 */
#include "intrs_noise.h"

/*
 * splitmix64 (Steele, Lea, Flood 2014). a bijection of its counter: two outputs differ, so the four words are never all
 * zero
 */
static uint64_t splitmix64(uint64_t *counter)
{
    uint64_t z = *counter += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void seed(struct intrs_rng *r, uint64_t value)
{
    for (int k = 0; k < 4; k += 2) {
        uint64_t z = splitmix64(&value);
        r->s[k] = (uint32_t)z;
        r->s[k + 1] = (uint32_t)(z >> 32);
    }
#if INTRS_RNG == INTRS_RNG_LFSR113
    /* each component must have a bit above those that its step drops */
    for (int k = 0; k < 4; k++) {
        if (r->s[k] < 128) {
            r->s[k] += 128;
        }
    }
#endif
}

void intrs_rng_seek(struct intrs_rng *r, const struct intrs_stream *stream, uint32_t sample)
{
    seed(r, stream->seed);
    for (int b = 0; b < 32; b++) {
        if ((stream->image >> b) & 1u) {
            intrs_rng_jump(r, intrs_jump_table[32 + b]);
        }
        if ((sample >> b) & 1u) {
            intrs_rng_jump(r, intrs_jump_table[b]);
        }
    }
}
