/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_predict.c - the smoothed class of an image, or an abstention.
 */
#include "intrs.h"
#include "intrs_tables.h"

int intrs_decides(uint32_t top, uint32_t second)
{
    if (top < second || second > INTRS_N || top > INTRS_N - second) {
        return 0;
    }
    return intrs_lead_decides(intrs_predict_values, INTRS_PREDICT_VALUES, top, second);
}

int intrs_predict(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                  intrs_progress progress, void *context, struct intrs_prediction *out)
{
    if (!ws || !out) {
        return INTRS_E_ARGUMENT;
    }
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        ws->votes[c] = 0;
    }
    int status = intrs_votes(ws, image, stream, 0, INTRS_N, ws->votes, progress, context);
    if (status != INTRS_OK) {
        return status;
    }

    uint32_t top = 0, second = 0;
    for (uint32_t c = 1; c < INTRS_CLASSES; c++) {
        if (ws->votes[c] > ws->votes[top]) {
            top = c;
        }
    }
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        if (c != top && ws->votes[c] > second) {
            second = ws->votes[c];
        }
    }
    out->top = top;
    out->votes[0] = ws->votes[top];
    out->votes[1] = second;
    out->samples = INTRS_N;
    out->label = intrs_decides(ws->votes[top], second) ? (int32_t)top : INTRS_ABSTAIN;
    return INTRS_OK;
}
