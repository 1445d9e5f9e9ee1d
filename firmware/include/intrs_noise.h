/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_noise.h - the random generator, its replayable streams and the noise sampler. Inside the runtime only.
 */
#ifndef INTRS_NOISE_H
#define INTRS_NOISE_H

#include <stdint.h>

#include "intrs.h"
#include "intrs_tables.h"

#define INTRS_RNG_XOSHIRO128PP 0
#define INTRS_RNG_LFSR113 1

/// generator ///

struct intrs_rng {
    uint32_t s[4];
};

static inline uint32_t intrs_rotl(uint32_t x, unsigned k)
{
    return (x << k) | (x >> (32 - k));
}

#if INTRS_RNG == INTRS_RNG_XOSHIRO128PP

/* Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021 */
static inline void intrs_rng_step(struct intrs_rng *r)
{
    uint32_t t = r->s[1] << 9;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = intrs_rotl(r->s[3], 11);
}

static inline uint32_t intrs_rng_next(struct intrs_rng *r)
{
    uint32_t out = intrs_rotl(r->s[0] + r->s[3], 7) + r->s[0];
    intrs_rng_step(r);
    return out;
}

#elif INTRS_RNG == INTRS_RNG_LFSR113

/* L'Ecuyer, "Tables of maximally equidistributed combined LFSR generators", 1999 */
static inline void intrs_rng_step(struct intrs_rng *r)
{
    r->s[0] = ((r->s[0] & 0xFFFFFFFEu) << 18) ^ (((r->s[0] << 6) ^ r->s[0]) >> 13);
    r->s[1] = ((r->s[1] & 0xFFFFFFF8u) << 2) ^ (((r->s[1] << 2) ^ r->s[1]) >> 27);
    r->s[2] = ((r->s[2] & 0xFFFFFFF0u) << 7) ^ (((r->s[2] << 13) ^ r->s[2]) >> 21);
    r->s[3] = ((r->s[3] & 0xFFFFFF80u) << 13) ^ (((r->s[3] << 3) ^ r->s[3]) >> 12);
}

static inline uint32_t intrs_rng_next(struct intrs_rng *r)
{
    intrs_rng_step(r);
    return r->s[0] ^ r->s[1] ^ r->s[2] ^ r->s[3];
}

#else
#error "INTRS_RNG: unknown generator"
#endif

/// streams ///

/*
 * x^(2^(f+b)) modulo the step's minimal polynomial; 0..31 for the sample's bits (0 is one sample), 32..63 for the
 * image's
 */
extern const uint32_t intrs_jump_table[64][4];

/* Moves a state by one entry of the table. One sample further is intrs_rng_jump(r, intrs_jump_table[0]). */
void intrs_rng_jump(struct intrs_rng *r, const uint32_t polynomial[4]);

/* The state at the start of Monte-Carlo sample `sample` of a stream. */
void intrs_rng_seek(struct intrs_rng *r, const struct intrs_stream *stream, uint32_t sample);

/// noise ///

/*
 * Writes the network's inputs for INTRS_BATCH noisy copies of one image: input [INTRS_BATCH][INTRS_INPUT_BYTES] is the
 * input map of pixel + noise, copy b drawn from lanes[b], which is the state at the start of its sample and is left as
 * it was.
 *
 * The words of a sample (every variant draws the same ones): coordinates in order; before each block of 32 one word of
 * signs, bit j for coordinate j of the block, 1 is negative; for each pair of coordinates one word, its low half the
 * cell of the first; when some intrs_noise_hi[k] equals the cell, one more word at once, the low 32 bits of a 48-bit
 * number. The magnitude is the first k whose limit is not below that number.
 */
void intrs_noise_fill(const struct intrs_rng lanes[INTRS_BATCH], const uint8_t *image, int8_t *input);

/*
 * Progress of a range that is part of something longer: `before` samples were done, of `total`. No callback calls
 * another.
 */
struct intrs_phase {
    intrs_progress progress; /* may be NULL */
    void *context;
    uint32_t before, total;
};

/* intrs_votes() as a part of a phase. */
int intrs_votes_phase(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                      uint32_t first, uint32_t count, uint32_t *votes, const struct intrs_phase *phase);

#endif
