/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_votes.c - votes of a range of samples: a function of seed, image and range alone.
 */
#include "intrs_batch.h"

int intrs_votes(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                uint32_t count, uint32_t *votes, intrs_progress progress, void *context)
{
    const struct intrs_phase whole = {progress, context, 0, count};
    return intrs_votes_phase(ws, image, stream, first, count, votes, &whole);
}

int intrs_votes_phase(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                      uint32_t first, uint32_t count, uint32_t *votes, const struct intrs_phase *phase)
{
    if (!INTRS_PIXELS) {
        return INTRS_E_PIXELS;
    }
    if (!ws || !INTRS_HAS_ARENA(ws) || !image || !stream || !votes) {
        return INTRS_E_ARGUMENT;
    }
    if (count > 0 && count - 1 > UINT32_MAX - first) {
        return INTRS_E_RANGE;
    }

    struct intrs_rng next;
    intrs_rng_seek(&next, stream, first);
    for (uint32_t done = 0; done < count;) {
        /* a last part batch runs whole: the samples after the range exist, only their answers are not counted */
        const int8_t *logits = intrs_batch(ws, image, &next);
        uint32_t batch = count - done < INTRS_BATCH ? count - done : INTRS_BATCH;
        for (uint32_t b = 0; b < batch; b++) {
            votes[intrs_top_class(logits + b * (uint32_t)INTRS_CLASSES)]++;
        }
        done += batch;
        if (phase->progress && phase->progress(phase->context, phase->before + done, phase->total)) {
            return INTRS_E_ABORTED;
        }
    }
    return INTRS_OK;
}
