#include "intrs.h"
#include "intrs_noise.h"
#include "intrs_tables.h"

/// the two phases ///

static int select_class(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                        struct intrs_phase *phase, uint32_t *selected)
{
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) ws->votes[c] = 0;
    int status = intrs_votes_phase(ws, image, stream, 0, INTRS_N0, ws->votes, phase);
    *selected = 0;
    for (uint32_t c = 1; c < INTRS_CLASSES; c++) {
        if (ws->votes[c] > ws->votes[*selected]) *selected = c;
    }
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) ws->votes[c] = 0;
    return status;
}

static int count_to(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                    struct intrs_phase *phase, uint32_t samples, struct intrs_certificate *out)
{
    phase->before = INTRS_N0 + out->samples;
    int status = intrs_votes_phase(ws, image, stream, phase->before, samples - out->samples, ws->votes, phase);
    out->samples = samples;
    out->count = ws->votes[out->selected];
    return status;
}

/// the sequential plan ///

static uint32_t proved(const struct intrs_look *look, uint32_t count)
{
    uint32_t squared = 0, level = look->squared;
    for (uint32_t k = 0; k < look->levels && count >= intrs_plan_counts[look->first + k]; k++) {
        squared = level;
        level = intrs_next_level(level);
    }
    return squared;
}

static int run_plan(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                    struct intrs_phase *phase, const struct intrs_look *look, uint32_t looks, struct intrs_certificate *out)
{
    for (uint32_t i = 0; i < looks; i++, look++) {
        int status = count_to(ws, image, stream, phase, look->samples, out);
        if (status != INTRS_OK) return status;
        uint32_t squared = proved(look, out->count);
        if (i + 1 == looks) {
            out->radius_squared = squared;
        } else if (out->count < look->reject) {
            out->stop = INTRS_STOP_REJECT;
            break;
        } else if (squared > 0 && out->count <= look->ceiling) {
            out->radius_squared = squared;
            out->stop = INTRS_STOP_ACCEPT;
            break;
        }
    }
    return INTRS_OK;
}

/// entry ///

int intrs_certify(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode,
                  intrs_progress progress, void *context, struct intrs_certificate *out)
{
    const struct intrs_look *plan = 0;
    uint32_t looks = 0;
#if INTRS_TARGET_LOOKS > 0
    if (mode == INTRS_TARGET) {
        plan = intrs_target_plan;
        looks = INTRS_TARGET_LOOKS;
    }
#endif
#if INTRS_PRECISION_LOOKS > 0
    if (mode == INTRS_PRECISION) {
        plan = intrs_precision_plan;
        looks = INTRS_PRECISION_LOOKS;
    }
#endif
    if (!ws || !out || (mode != INTRS_FIXED && !plan)) return INTRS_E_ARGUMENT;

    struct intrs_phase phase = {progress, context, 0, INTRS_N0 + INTRS_N};
    struct intrs_certificate result = {INTRS_ABSTAIN, 0, 0, 0, 0, INTRS_STOP_FULL};
    int status = select_class(ws, image, stream, &phase, &result.selected);
    if (status != INTRS_OK) return status;
    if (mode == INTRS_FIXED) {
        status = count_to(ws, image, stream, &phase, INTRS_N, &result);
        result.radius_squared = intrs_radius_squared(result.count);
    } else {
        status = run_plan(ws, image, stream, &phase, plan, looks, &result);
    }
    if (status != INTRS_OK) return status;
    if (result.radius_squared > 0) result.label = (int32_t)result.selected;
    *out = result;
    return INTRS_OK;
}
