#include "intrs.h"
#include "intrs_noise.h"

/// selecting and counting ///

static uint32_t leader(const struct intrs_workspace *ws)
{
    uint32_t top = 0;
    for (uint32_t c = 1; c < INTRS_CLASSES; c++) {
        if (ws->votes[c] > ws->votes[top]) top = c;
    }
    return top;
}

static uint32_t most_of_others(const struct intrs_workspace *ws, uint32_t selected)
{
    uint32_t most = 0;
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        if (c != selected && ws->votes[c] > most) most = ws->votes[c];
    }
    return most;
}

static int select_class(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                        struct intrs_phase *phase, uint32_t *selected)
{
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) ws->votes[c] = 0;
    int status = intrs_votes_phase(ws, image, stream, 0, INTRS_N0, ws->votes, phase);
    *selected = leader(ws);
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) ws->votes[c] = 0;
    return status;
}

static int count_to(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                    struct intrs_phase *phase, uint32_t samples, struct intrs_certificate *out)
{
    phase->before = INTRS_N0 + out->samples;
    int status = intrs_votes_phase(ws, image, stream, phase->before, samples - out->samples, ws->votes, phase);
    out->samples = samples;
    if (INTRS_N0 == 0) out->selected = leader(ws);
    out->count = ws->votes[out->selected];
    return status;
}

/// entry ///

int intrs_certify(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode,
                  intrs_progress progress, void *context, struct intrs_certificate *out)
{
    if (!ws || !out || intrs_next_look(mode, 0) == 0) return INTRS_E_ARGUMENT;

    struct intrs_phase phase = {progress, context, 0, INTRS_N0 + INTRS_N};
    struct intrs_certificate result = {INTRS_ABSTAIN, 0, 0, 0, 0, INTRS_STOP_FULL};
    int status = select_class(ws, image, stream, &phase, &result.selected);
    if (status != INTRS_OK) return status;
    do {
        status = count_to(ws, image, stream, &phase, intrs_next_look(mode, result.samples), &result);
        if (status != INTRS_OK) return status;
        const uint32_t other = most_of_others(ws, result.selected);
        status = intrs_judge(mode, result.samples, result.count, other, &result.radius_squared, &result.stop);
    } while (status == INTRS_MORE);
    if (status != INTRS_OK) return status;
    if (result.radius_squared > 0) result.label = (int32_t)result.selected;
    *out = result;
    return INTRS_OK;
}
