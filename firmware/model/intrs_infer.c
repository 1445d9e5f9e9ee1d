/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_infer.c - one inference of one image, whatever the batch of the generated model.
 */
#include "intrs.h"
#include "intrs_memory.h"
#include "intrs_model.h"

#if defined(INTRS_UINT8_INPUT) || defined(INTRS_UINT8_OUTPUT)
/* uint8 to int8 and back: the same number, 128 lower or higher */
static void flip(uint8_t *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        x[i] ^= 0x80u;
    }
}
#endif

int intrs_infer(struct intrs_workspace *ws, const intrs_input *input, intrs_output *output)
{
    if (!ws || !INTRS_HAS_ARENA(ws) || !input || !output) {
        return INTRS_E_ARGUMENT;
    }
    /* the other images of a batch are zeros: their answers are not read */
    memset(ws->arena + INTRS_INPUT_OFFSET, 0, (size_t)INTRS_BATCH * INTRS_INPUT_BYTES);
    memcpy(ws->arena + INTRS_INPUT_OFFSET, input, INTRS_INPUT_BYTES);
#ifdef INTRS_UINT8_INPUT
    flip(ws->arena + INTRS_INPUT_OFFSET, INTRS_INPUT_BYTES);
#endif
    intrs_model_run(ws->arena);
#ifdef INTRS_UINT8_OUTPUT
    flip(ws->arena + INTRS_OUTPUT_OFFSET, INTRS_CLASSES);
#endif
    memcpy(output, ws->arena + INTRS_OUTPUT_OFFSET, INTRS_CLASSES);
    return INTRS_OK;
}
