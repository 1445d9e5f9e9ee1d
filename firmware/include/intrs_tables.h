/*
 * intrs_tables.h - the integer tables of the certificate, generated from one Smoothing configuration (docs/certificate.md).
 *
 * intrs_tables_config.h (generated beside them) defines:
 *   INTRS_RNG            0 xoshiro128++, 1 LFSR113
 *   INTRS_NOISE_LAST     the largest magnitude drawn, ceil(8 sigma) lattice steps
 *   INTRS_GUIDE_BITS     8 or 16
 *   INTRS_RADIUS_FIRST   full table: the smallest certified count; 0: the table holds counts per level
 *   INTRS_RADIUS_VALUES, INTRS_PREDICT_VALUES   lengths
 *   INTRS_TARGET_LOOKS, INTRS_PRECISION_LOOKS   0 when the mode was not asked for
 *   INTRS_PLAN_COUNTS    length of intrs_plan_counts, at least 1
 */
#ifndef INTRS_TABLES_H
#define INTRS_TABLES_H

#include <stdint.h>

#include "intrs_tables_config.h"

/// noise ///

#if INTRS_GUIDE_BITS == 8
typedef uint8_t intrs_guide_t;
#else
typedef uint16_t intrs_guide_t;
#endif

/*
 * (hi[k] << 32) + lo[k] is the largest 48-bit number whose magnitude is at most k; guide[c >> 8] is the first k with hi[k] >= (c & ~255),
 * where the search for the 16-bit cell c starts.
 */
extern const uint16_t intrs_noise_hi[INTRS_NOISE_LAST + 1];
extern const uint32_t intrs_noise_lo[INTRS_NOISE_LAST + 1];
extern const intrs_guide_t intrs_noise_guide[256];

/// levels ///

/* Compact tables speak of levels 1, intrs_next_level(1), ...: 2 % apart in a squared radius, at least 1. */
static inline uint32_t intrs_next_level(uint32_t level) { return level + (level < 100 ? 1 : level / 50); }

/// radius and prediction ///

/* Full: squared radius of count INTRS_RADIUS_FIRST + i. Compact: smallest count of INTRS_N that proves level i. */
extern const uint32_t intrs_radius_values[INTRS_RADIUS_VALUES];

/* With a lead of at least level i, the most votes that the two leading classes may have together. */
extern const uint32_t intrs_predict_values[INTRS_PREDICT_VALUES];

/// sequential plans ///

/* One checkpoint; the last of a plan is at INTRS_N samples. */
struct intrs_look {
    uint32_t samples; /* counted so far */
    uint32_t reject;  /* a smaller count is given up */
    uint32_t ceiling; /* a larger count goes on: not precise yet */
    uint32_t squared; /* the first level's squared radius; the others follow by intrs_next_level */
    uint16_t first;   /* intrs_plan_counts[first + k] is the smallest count that proves level k */
    uint16_t levels;
};

#if INTRS_TARGET_LOOKS > 0
extern const struct intrs_look intrs_target_plan[INTRS_TARGET_LOOKS];
#endif
#if INTRS_PRECISION_LOOKS > 0
extern const struct intrs_look intrs_precision_plan[INTRS_PRECISION_LOOKS];
#endif
extern const uint32_t intrs_plan_counts[INTRS_PLAN_COUNTS];

#endif
