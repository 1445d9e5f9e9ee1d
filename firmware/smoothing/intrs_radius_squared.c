/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_radius_squared.c - the certified radius of a count, squared, in lattice steps.
 */
#include "intrs.h"
#include "intrs_tables.h"

#if INTRS_TWO_SIDED

/// two-sided: docs/certificate.md, theorems 5 and 6 ///

/* whether a count proves anything; if so, *value is its deviate */
static int bound_of(uint32_t count, int32_t *value)
{
#if INTRS_BOUND_STEP > 0
    uint32_t levels = 0, end = INTRS_BOUND_VALUES;
    while (levels < end) {
        const uint32_t middle = levels + (end - levels) / 2u;
        if ((uint32_t)intrs_bound_values[middle] <= count) {
            levels = middle + 1u;
        } else {
            end = middle;
        }
    }
    if (levels == 0) {
        return 0;
    }
    *value = INTRS_BOUND_LOW + (int32_t)(levels - 1u) * INTRS_BOUND_STEP;
#else
    if (count < INTRS_BOUND_FIRST) {
        return 0;
    }
    *value = intrs_bound_values[count - INTRS_BOUND_FIRST];
#endif
    return 1;
}

uint32_t intrs_radius_squared(uint32_t count, uint32_t other)
{
    if (count > INTRS_N || other > INTRS_N - count) {
        return 0;
    }
#if INTRS_LEAD_VALUES > 0
    if (count <= other || !intrs_lead_decides(intrs_lead_values, INTRS_LEAD_VALUES, count, other)) {
        return 0;
    }
#endif
    int32_t mine, theirs;
    if (!bound_of(count, &mine) || !bound_of(INTRS_N - other, &theirs)) {
        return 0;
    }
    const int32_t twice = mine + theirs - INTRS_BOUND_MARGIN;
    if (twice <= 0) {
        return 0;
    }
    return (uint32_t)(((uint64_t)(uint32_t)twice * (uint32_t)twice) >> 26);
}

#else

uint32_t intrs_radius_squared(uint32_t count, uint32_t other)
{
    if (count > INTRS_N || other > INTRS_N - count) {
        return 0;
    }
#if INTRS_RADIUS_FIRST > 0
    return count >= INTRS_RADIUS_FIRST ? intrs_radius_values[count - INTRS_RADIUS_FIRST] : 0;
#else
    uint32_t squared = 0, level = 1;
    for (uint32_t i = 0; i < INTRS_RADIUS_VALUES && count >= intrs_radius_values[i]; i++) {
        squared = level;
        level = intrs_next_level(level);
    }
    return squared;
#endif
}

#endif
