/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_judge.c - what a count of votes proves, and whether more samples may prove more.
 */
#include "intrs.h"
#include "intrs_tables.h"

/// plans: looks, and what so many votes prove at one ///

struct plan {
    const struct intrs_look *looks;
    const struct intrs_turn *turns; /* in place of looks: a two-sided decision */
    uint32_t n;
};

static struct plan plan_of(uint32_t mode)
{
    struct plan plan = {0, 0, 0};
#if INTRS_TARGET_LOOKS > 0
    if (mode == INTRS_TARGET) {
        plan = (struct plan){intrs_target_plan, 0, INTRS_TARGET_LOOKS};
    }
#endif
#if INTRS_TARGET_TURNS > 0
    if (mode == INTRS_TARGET) {
        plan = (struct plan){0, intrs_turns, INTRS_TARGET_TURNS};
    }
#endif
#if INTRS_PRECISION_LOOKS > 0
    if (mode == INTRS_PRECISION) {
        plan = (struct plan){intrs_precision_plan, 0, INTRS_PRECISION_LOOKS};
    }
#endif
    (void)mode;
    return plan;
}

static uint32_t samples_at(const struct plan *plan, uint32_t i)
{
    return plan->turns ? plan->turns[i].samples : plan->looks[i].samples;
}

#if INTRS_TARGET_TURNS > 0

static int64_t times(uint32_t a, int64_t b)
{
    return (int64_t)a * b;
}

static int passes(const struct intrs_bar *bar, const struct intrs_turn *turn, uint32_t votes)
{
    const int64_t above = times(bar->spread, turn->up) * 256, shift = (int64_t)bar->shift * 1048576;
    const int64_t more = above + shift > above / 2 ? above + shift : above / 2;
    return times(votes, INT64_C(1) << 32) >= times(bar->p, turn->samples) + more;
}

static int goes_on(const struct intrs_bar *bar, const struct intrs_turn *turn, uint32_t votes)
{
    return times(votes, INT64_C(1) << 32) >= times(bar->p, turn->samples) - times(bar->spread, turn->down) * 256;
}

static uint32_t decided(const struct intrs_turn *turn, uint32_t count, uint32_t other)
{
    if (other > turn->samples) {
        return 0;
    }
    for (uint32_t k = 0; k < INTRS_TARGET_GATES; k++) {
        const struct intrs_gate *gate = &intrs_gates[k];
        if (passes(&gate->mine, turn, count) && passes(&gate->theirs, turn, turn->samples - other)) {
            return INTRS_TARGET_SQUARED;
        }
    }
    return 0;
}

static int hopeless(const struct intrs_turn *turn, uint32_t count, uint32_t other)
{
    for (uint32_t k = 0; k < INTRS_TARGET_GATES; k++) {
        const struct intrs_gate *gate = &intrs_gates[k];
        if (goes_on(&gate->mine, turn, count) && goes_on(&gate->theirs, turn, turn->samples - other)) {
            return 0;
        }
    }
    return 1;
}

#else

static uint32_t decided(const struct intrs_turn *turn, uint32_t count, uint32_t other)
{
    (void)turn, (void)count, (void)other;
    return 0;
}

static int hopeless(const struct intrs_turn *turn, uint32_t count, uint32_t other)
{
    (void)turn, (void)count, (void)other;
    return 1;
}

#endif

static uint32_t proved(const struct plan *plan, uint32_t i, uint32_t count, uint32_t other)
{
    if (plan->turns) {
        return decided(&plan->turns[i], count, other);
    }
    const struct intrs_look *look = &plan->looks[i];
    uint32_t squared = 0, level = look->squared;
    for (uint32_t k = 0; k < look->levels && count >= intrs_plan_counts[look->first + k]; k++) {
        squared = level;
        level = intrs_next_level(level);
    }
    return squared;
}

uint32_t intrs_next_look(uint32_t mode, uint32_t samples)
{
    if (mode == INTRS_FIXED) {
        return samples < INTRS_N ? INTRS_N : 0;
    }
    const struct plan plan = plan_of(mode);
    for (uint32_t i = 0; i < plan.n; i++) {
        if (samples_at(&plan, i) > samples) {
            return samples_at(&plan, i);
        }
    }
    return 0;
}

/// between looks: what is sure even if all samples up to the next one vote for the strongest other class ///

uint32_t intrs_proved(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other)
{
    if (samples > INTRS_N || count > samples || other > samples - count) {
        return 0;
    }
    if (mode == INTRS_FIXED) {
        return intrs_radius_squared(count, other + (INTRS_N - samples));
    }
    const struct plan plan = plan_of(mode);
    for (uint32_t i = 0; i < plan.n; i++) {
        if (samples_at(&plan, i) >= samples) {
            return proved(&plan, i, count, other + (samples_at(&plan, i) - samples));
        }
    }
    return 0;
}

/// one look ///

int intrs_judge(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other, uint32_t *radius_squared,
                uint32_t *stop)
{
    if (!radius_squared || !stop || count > samples || other > samples - count) {
        return INTRS_E_ARGUMENT;
    }
    *radius_squared = 0;
    *stop = INTRS_STOP_FULL;
    if (mode == INTRS_FIXED) {
        if (samples != INTRS_N) {
            return INTRS_E_ARGUMENT;
        }
        *radius_squared = intrs_radius_squared(count, other);
        return INTRS_OK;
    }
    const struct plan plan = plan_of(mode);
    for (uint32_t i = 0; i < plan.n; i++) {
        if (samples_at(&plan, i) != samples) {
            continue;
        }
        const uint32_t squared = proved(&plan, i, count, other);
        if (i + 1 == plan.n) {
            *radius_squared = squared;
            return INTRS_OK;
        }
        if (plan.turns ? squared == 0 && hopeless(&plan.turns[i], count, other) : count < plan.looks[i].reject) {
            *stop = INTRS_STOP_REJECT;
            return INTRS_OK;
        }
        if (squared > 0 && (plan.turns || count <= plan.looks[i].ceiling)) {
            *radius_squared = squared;
            *stop = INTRS_STOP_ACCEPT;
            return INTRS_OK;
        }
        return INTRS_MORE;
    }
    return INTRS_E_ARGUMENT;
}
