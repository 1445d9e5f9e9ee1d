#include <string.h>

#include "intrs.h"
#include "intrs_model.h"

int intrs_infer(struct intrs_workspace *ws, const int8_t *input, int8_t *output)
{
    if (!ws || !input || !output) {
        return INTRS_E_ARGUMENT;
    }
    // the other images of a batch are zeros: their answers are not read
    memset(ws->arena + INTRS_INPUT_OFFSET, 0, (size_t)INTRS_BATCH * INTRS_INPUT_BYTES);
    memcpy(ws->arena + INTRS_INPUT_OFFSET, input, INTRS_INPUT_BYTES);
    intrs_model_run(ws->arena);
    memcpy(output, ws->arena + INTRS_OUTPUT_OFFSET, INTRS_CLASSES);
    return INTRS_OK;
}
