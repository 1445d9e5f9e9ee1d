/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_magnitude.h - one draw of the noise's magnitude, shared by the samplers (intrs_noise.h has the contract).
 */
#ifndef INTRS_MAGNITUDE_H
#define INTRS_MAGNITUDE_H

#include "intrs_noise.h"

/* one draw in hundreds comes here: kept out of line, so that the common path keeps its registers */
static __attribute__((noinline)) uint32_t intrs_refine(uint32_t k, uint32_t cell, uint32_t low)
{
    while (intrs_noise_hi[k] == cell && intrs_noise_lo[k] < low) {
        k++;
    }
    return k;
}

static inline int32_t intrs_magnitude(uint32_t cell, struct intrs_rng *r)
{
    uint32_t k = intrs_noise_guide[cell >> 8];
    uint32_t limit = intrs_noise_hi[k];
    if (limit <= cell) {
        while (limit < cell) {
            limit = intrs_noise_hi[++k];
        }
        /* a threshold splits this cell: 32 more bits. the last limit is 2^48 - 1, so both loops end */
        if (limit == cell) {
            k = intrs_refine(k, cell, intrs_rng_next(r));
        }
    }
    return (int32_t)k;
}

#endif
