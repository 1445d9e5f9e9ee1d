/* A model of no use but of known answers, to test links and ports by themselves. tests/targets mirrors it in Python. */
#include "intrs.h"

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ (x >> 16);
}

int intrs_infer(struct intrs_workspace *ws, const intrs_input *input, intrs_output *output)
{
    if (ws == NULL || input == NULL || output == NULL) {
        return INTRS_E_ARGUMENT;
    }
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        ws->arena[0] = (uint8_t)c;
        output[c] = (int8_t)(input[c % INTRS_INPUT_BYTES] ^ (int8_t)ws->arena[0]);
    }
    return INTRS_OK;
}

int intrs_votes(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                uint32_t count, uint32_t *votes, intrs_progress progress, void *context)
{
    if (ws == NULL || image == NULL || stream == NULL || votes == NULL) {
        return INTRS_E_ARGUMENT;
    }
    if (count > UINT32_MAX - first) {
        return INTRS_E_RANGE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (progress != NULL && progress(context, i, count) != 0) {
            return INTRS_E_ABORTED;
        }
#if INTRS_TOY_STUCK
        /* hangs once: what a reset does not clear remembers it */
        if (image[0] == 77u && ws->arena[32] != 99u) {
            ws->arena[32] = 99u;
            for (;;) {
            }
        }
#endif
        uint32_t x = mix((uint32_t)stream->seed ^ mix(stream->image ^ mix(first + i)));
        x += image[x % INTRS_IMAGE_BYTES];
        for (uint32_t work = INTRS_TOY_WORK; work != 0; work--) {
            *(volatile uint8_t *)ws->arena = (uint8_t)work;
        }
        votes[x % 4u != 0 ? 1u : x / 4u % INTRS_CLASSES]++;
    }
    return INTRS_OK;
}

int intrs_predict(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                  intrs_progress progress, void *context, struct intrs_prediction *out)
{
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        ws->votes[c] = 0;
    }
    const int status = intrs_votes(ws, image, stream, 0, INTRS_N0, ws->votes, progress, context);
    *out = (struct intrs_prediction){.label = 1, .top = 1, .votes = {ws->votes[1], ws->votes[0]}, .samples = INTRS_N0};
    return status;
}

int intrs_certify(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode,
                  intrs_progress progress, void *context, struct intrs_certificate *out)
{
    if (mode != INTRS_FIXED) {
        return INTRS_E_ARGUMENT;
    }
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        ws->votes[c] = 0;
    }
    const int status = intrs_votes(ws, image, stream, INTRS_N0, INTRS_N, ws->votes, progress, context);
    *out = (struct intrs_certificate){.label = 1, .selected = 1, .count = ws->votes[1], .samples = INTRS_N};
    out->radius_squared = intrs_radius_squared(out->count);
    return status;
}

uint32_t intrs_radius_squared(uint32_t count)
{
    return count > INTRS_N / 2u ? count : 0;
}
