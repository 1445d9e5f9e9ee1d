/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_batch.h - the base classifier on one batch of noisy copies, for those who count its answers.
 */
#ifndef INTRS_BATCH_H
#define INTRS_BATCH_H

#include "intrs.h"
#include "intrs_model.h"
#include "intrs_noise.h"

static inline uint32_t intrs_top_class(const int8_t *logits)
{
    uint32_t top = 0;
    for (uint32_t c = 1; c < INTRS_CLASSES; c++) {
        if (logits[c] > logits[top]) {
            top = c;
        }
    }
    return top;
}

/* Runs the next INTRS_BATCH samples, whose first is at `next`; moves it past them. Returns their logits. */
static inline const int8_t *intrs_batch(struct intrs_workspace *ws, const uint8_t *image, struct intrs_rng *next)
{
    struct intrs_rng lanes[INTRS_BATCH];
    for (uint32_t b = 0; b < INTRS_BATCH; b++) {
        lanes[b] = *next;
        intrs_rng_jump(next, intrs_jump_table[0]);
    }
    intrs_noise_fill(lanes, image, (int8_t *)(ws->arena + INTRS_INPUT_OFFSET));
    intrs_model_run(ws->arena);
    return (const int8_t *)(ws->arena + INTRS_OUTPUT_OFFSET);
}

#endif
