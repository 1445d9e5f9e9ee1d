/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_tables.h - the integer tables of the certificate, generated from one Smoothing configuration
 * (docs/certificate.md).
 *
 * intrs_tables_config.h (generated beside them) defines:
 *   INTRS_TABLES_FORMAT  INTRS_RUNTIME_FORMAT of the runtime that they are for
 *   INTRS_RNG            0 xoshiro128++, 1 LFSR113
 *   INTRS_NOISE_LAST     the largest magnitude drawn, ceil(8 sigma) lattice steps
 *   INTRS_GUIDE_BITS     8 or 16
 *   INTRS_TWO_SIDED      1: intrs_bound_values and intrs_lead_values; 0: intrs_radius_values
 *   INTRS_RADIUS_FIRST   full table: the smallest certified count; 0: the table holds counts per level
 *   INTRS_RADIUS_VALUES, INTRS_PREDICT_VALUES   lengths
 *   INTRS_TARGET_LOOKS, INTRS_PRECISION_LOOKS   0 when the mode was not asked for
 *   INTRS_TARGET_TURNS, INTRS_TARGET_GATES, INTRS_TARGET_SQUARED   of a two-sided decision: its looks, gates and
 *   squared radius; else 0
 *   INTRS_PLAN_COUNTS    length of intrs_plan_counts, at least 1
 */
#ifndef INTRS_TABLES_H
#define INTRS_TABLES_H

#include <stdint.h>

#include "intrs_tables_config.h"
#include "intrs_types.h"

#if INTRS_TABLES_FORMAT != INTRS_RUNTIME_FORMAT
#error "intrs_tables_config.h was generated for a runtime of another format: take both from one generated project"
#endif

/// noise ///

#if INTRS_GUIDE_BITS == 8
typedef uint8_t intrs_guide_t;
#else
typedef uint16_t intrs_guide_t;
#endif

/*
 * (hi[k] << 32) + lo[k] is the largest 48-bit number whose magnitude is at most k; guide[c >> 8] is the first k with
 * hi[k] >= (c & ~255), where the search for the 16-bit cell c starts.
 */
extern const uint16_t intrs_noise_hi[INTRS_NOISE_LAST + 1];
extern const uint32_t intrs_noise_lo[INTRS_NOISE_LAST + 1];
extern const intrs_guide_t intrs_noise_guide[256];

/// levels ///

/* Compact tables speak of levels 1, intrs_next_level(1), ...: 2 % apart in a squared radius, at least 1. */
static inline uint32_t intrs_next_level(uint32_t level)
{
    return level + (level < 100 ? 1 : level / 50);
}

/// radius and prediction ///

#if INTRS_TWO_SIDED
/*
 * In 1/4096 lattice steps, sigma times the normal deviate of the lower bound that a count proves. INTRS_BOUND_STEP 0:
 * of count INTRS_BOUND_FIRST + i. Else: the smallest count of INTRS_N that proves INTRS_BOUND_LOW + i INTRS_BOUND_STEP.
 * INTRS_BOUND_MARGIN is taken off the sum of two.
 */
extern const int32_t intrs_bound_values[INTRS_BOUND_VALUES];
#if INTRS_LEAD_VALUES > 0
/* as intrs_predict_values: what a leader needs to claim anything */
extern const uint32_t intrs_lead_values[INTRS_LEAD_VALUES];
#endif
#else
/* Full: squared radius of count INTRS_RADIUS_FIRST + i. Compact: smallest count of INTRS_N that proves level i. */
extern const uint32_t intrs_radius_values[INTRS_RADIUS_VALUES];
#endif

/* With a lead of at least level i, the most votes that the two leading classes may have together. */
extern const uint32_t intrs_predict_values[INTRS_PREDICT_VALUES];

/*
 * Whether a table of such totals lets a class with `top` votes lead one with `second`, top >= second
 * (docs/certificate.md, lemma 2).
 */
static inline int intrs_lead_decides(const uint32_t *totals, uint32_t values, uint32_t top, uint32_t second)
{
    uint32_t limit = 0, level = 1;
    for (uint32_t i = 0; i < values && top - second >= level; i++) {
        limit = totals[i];
        level = intrs_next_level(level);
    }
    return top + second <= limit;
}

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

/*
 * A two-sided decision (docs/certificate.md, theorem 8). The class's votes, and the samples less the strongest rival's
 * votes, must each reach a bar: p samples + spread up, in 1/2^32, 1/2^16 and 1/2^8, and `shift`, in 1/2^12, which takes
 * no more than half of the second term; with less than p samples - spread down there is no hope. One gate of them is
 * enough.
 */
struct intrs_bar {
    uint32_t p;
    uint16_t spread;
    int16_t shift;
};
struct intrs_gate {
    struct intrs_bar mine, theirs;
};
struct intrs_turn {
    uint32_t samples; /* counted so far */
    uint32_t up;
    int32_t down;
};

#if INTRS_TARGET_TURNS > 0
extern const struct intrs_turn intrs_turns[INTRS_TARGET_TURNS];
extern const struct intrs_gate intrs_gates[INTRS_TARGET_GATES];
#endif
#if INTRS_TARGET_LOOKS > 0
extern const struct intrs_look intrs_target_plan[INTRS_TARGET_LOOKS];
#endif
#if INTRS_PRECISION_LOOKS > 0
extern const struct intrs_look intrs_precision_plan[INTRS_PRECISION_LOOKS];
#endif
extern const uint32_t intrs_plan_counts[INTRS_PLAN_COUNTS];

#endif
