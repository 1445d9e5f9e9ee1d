/* intrs_magnitude.h - one draw of the noise's magnitude, shared by the samplers (intrs_noise.h has the contract). */
#ifndef INTRS_MAGNITUDE_H
#define INTRS_MAGNITUDE_H

#include "intrs_noise.h"

static inline int32_t intrs_magnitude(uint32_t cell, struct intrs_rng *r)
{
    uint32_t k = intrs_noise_guide[cell >> 8];
    while (intrs_noise_hi[k] < cell) k++;
    if (intrs_noise_hi[k] == cell) {
        // a threshold splits this cell: 32 more bits. the last limit is 2^48 - 1, so both loops end
        uint32_t low = intrs_rng_next(r);
        while (intrs_noise_hi[k] == cell && intrs_noise_lo[k] < low) k++;
    }
    return (int32_t)k;
}

#endif
