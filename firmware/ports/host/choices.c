/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choices.c - what libintrs.so offers beside intrs_votes(): which class each sample chose, for a caller whose ranges
 * end within a batch.
 */
#include "intrs_batch.h"

int intrs_choices(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                  uint32_t count, uint32_t *choices);

/* Writes the classes of samples first .. first+count-1. A last part batch takes the time of a whole one. */
int intrs_choices(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                  uint32_t count, uint32_t *choices)
{
    if (!INTRS_PIXELS) {
        return INTRS_E_PIXELS;
    }
    if (!ws || !INTRS_HAS_ARENA(ws) || !image || !stream || !choices) {
        return INTRS_E_ARGUMENT;
    }
    if (count > 0 && count - 1 > UINT32_MAX - first) {
        return INTRS_E_RANGE;
    }

    struct intrs_rng next;
    intrs_rng_seek(&next, stream, first);
    for (uint32_t done = 0; done < count;) {
        const int8_t *logits = intrs_batch(ws, image, &next);
        for (uint32_t b = 0; b < INTRS_BATCH && done < count; b++, done++) {
            choices[done] = intrs_top_class(logits + b * (uint32_t)INTRS_CLASSES);
        }
    }
    return INTRS_OK;
}
