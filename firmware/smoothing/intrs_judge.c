#include "intrs.h"
#include "intrs_tables.h"

/// plans ///

struct plan {
    const struct intrs_look *looks;
    uint32_t n;
};

static struct plan plan_of(uint32_t mode)
{
    struct plan plan = {0, 0};
#if INTRS_TARGET_LOOKS > 0
    if (mode == INTRS_TARGET) plan = (struct plan){intrs_target_plan, INTRS_TARGET_LOOKS};
#endif
#if INTRS_PRECISION_LOOKS > 0
    if (mode == INTRS_PRECISION) plan = (struct plan){intrs_precision_plan, INTRS_PRECISION_LOOKS};
#endif
    (void)mode;
    return plan;
}

static uint32_t proved(const struct intrs_look *look, uint32_t count)
{
    uint32_t squared = 0, level = look->squared;
    for (uint32_t k = 0; k < look->levels && count >= intrs_plan_counts[look->first + k]; k++) {
        squared = level;
        level = intrs_next_level(level);
    }
    return squared;
}

uint32_t intrs_next_look(uint32_t mode, uint32_t samples)
{
    if (mode == INTRS_FIXED) return samples < INTRS_N ? INTRS_N : 0;
    const struct plan plan = plan_of(mode);
    for (uint32_t i = 0; i < plan.n; i++) {
        if (plan.looks[i].samples > samples) return plan.looks[i].samples;
    }
    return 0;
}

/// between looks: what is sure even if all samples up to the next one vote for the strongest other class ///

uint32_t intrs_proved(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other)
{
    if (samples > INTRS_N || count > samples || other > samples - count) return 0;
    if (mode == INTRS_FIXED) return intrs_radius_squared(count, other + (INTRS_N - samples));
    const struct plan plan = plan_of(mode);
    for (uint32_t i = 0; i < plan.n; i++) {
        if (plan.looks[i].samples >= samples) return proved(&plan.looks[i], count);
    }
    return 0;
}

/// one look ///

int intrs_judge(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other, uint32_t *radius_squared, uint32_t *stop)
{
    if (!radius_squared || !stop || count > samples || other > samples - count) return INTRS_E_ARGUMENT;
    *radius_squared = 0;
    *stop = INTRS_STOP_FULL;
    if (mode == INTRS_FIXED) {
        if (samples != INTRS_N) return INTRS_E_ARGUMENT;
        *radius_squared = intrs_radius_squared(count, other);
        return INTRS_OK;
    }
    const struct plan plan = plan_of(mode);
    for (uint32_t i = 0; i < plan.n; i++) {
        const struct intrs_look *look = &plan.looks[i];
        if (look->samples != samples) continue;
        const uint32_t squared = proved(look, count);
        if (i + 1 == plan.n) {
            *radius_squared = squared;
            return INTRS_OK;
        }
        if (count < look->reject) {
            *stop = INTRS_STOP_REJECT;
            return INTRS_OK;
        }
        if (squared > 0 && count <= look->ceiling) {
            *radius_squared = squared;
            *stop = INTRS_STOP_ACCEPT;
            return INTRS_OK;
        }
        return INTRS_MORE;
    }
    return INTRS_E_ARGUMENT;
}
