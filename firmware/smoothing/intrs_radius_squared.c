#include "intrs.h"
#include "intrs_tables.h"

uint32_t intrs_radius_squared(uint32_t count, uint32_t other)
{
    if (count > INTRS_N || other > INTRS_N - count) return 0;
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
