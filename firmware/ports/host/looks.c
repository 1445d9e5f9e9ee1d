/* SPDX-License-Identifier: Apache-2.0 */
/*
 * looks.c - what libintrs.so offers beside intrs_votes(): a certification look by look, in whole batches.
 */
#include "intrs_batch.h"
#include "intrs_tables.h"

struct intrs_looking {
    uint32_t counted;
    uint32_t row;
    uint32_t waiting; /* samples of the last batch that are not counted yet */
    uint32_t top[INTRS_BATCH];
};

int intrs_looks(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                const uint32_t *ends, uint32_t rows, uint32_t n0, uint32_t mode, uint32_t samples,
                struct intrs_looking *at, uint32_t *votes);

static uint32_t leader(const uint32_t *votes)
{
    uint32_t top = 0;
    for (uint32_t c = 1; c < INTRS_CLASSES; c++) {
        if (votes[c] > votes[top]) {
            top = c;
        }
    }
    return top;
}

static int decided(uint32_t mode, uint32_t samples, const uint32_t *votes, uint32_t selected)
{
    uint32_t other = 0, squared, stop;
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        if (c != selected && votes[c] > other) {
            other = votes[c];
        }
    }
    return intrs_judge(mode, samples, votes[selected], other, &squared, &stop);
}

/*
 * Counts samples 0 .. ends[rows-1]-1 into votes[rows][INTRS_CLASSES], zero at first: each row those up to its end.
 * With n0 > 0 the first row ends there, selects the class and is not part of the others. INTRS_OK once the mode, if it
 * is a sequential one, stops, or all is counted; INTRS_MORE after a row without a mode, and after `samples` or a batch
 * more: call it again. `at`, zero at first, says how many rows are whole.
 */
int intrs_looks(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                const uint32_t *ends, uint32_t rows, uint32_t n0, uint32_t mode, uint32_t samples,
                struct intrs_looking *at, uint32_t *votes)
{
    if (!INTRS_PIXELS) {
        return INTRS_E_PIXELS;
    }
    if (!ws || !INTRS_HAS_ARENA(ws) || !image || !stream || !ends || !at || !votes) {
        return INTRS_E_ARGUMENT;
    }

    struct intrs_rng next;
    intrs_rng_seek(&next, stream, at->counted + at->waiting);
    for (uint32_t run = 0; at->row < rows;) {
        uint32_t *row = votes + at->row * (uint32_t)INTRS_CLASSES;
        while (at->counted < ends[at->row]) {
            if (at->waiting == 0) {
                if (run >= samples) {
                    return INTRS_MORE;
                }
                const int8_t *logits = intrs_batch(ws, image, &next);
                for (uint32_t b = 0; b < INTRS_BATCH; b++) {
                    at->top[b] = intrs_top_class(logits + b * (uint32_t)INTRS_CLASSES);
                }
                at->waiting = INTRS_BATCH;
                run += INTRS_BATCH;
            }
            row[at->top[INTRS_BATCH - at->waiting]]++;
            at->waiting--;
            at->counted++;
        }
        at->row++;
        if (n0 > 0 && at->row == 1) {
            continue;
        }
        if (mode != INTRS_FIXED) {
            const int status = decided(mode, at->counted - n0, row, leader(n0 > 0 ? votes : row));
            if (status != INTRS_MORE) {
                return status;
            }
        }
        for (uint32_t c = 0; at->row < rows && c < INTRS_CLASSES; c++) {
            row[INTRS_CLASSES + c] = row[c];
        }
        if (mode == INTRS_FIXED && at->row < rows) {
            return INTRS_MORE;
        }
    }
    return INTRS_OK;
}
