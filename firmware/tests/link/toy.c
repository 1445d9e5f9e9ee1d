/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy.c - a model of no use but of known answers, to test links and ports by themselves. tests/targets mirrors it in
 * Python.
 */
#if INTRS_TOY_SIMULATED
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <unistd.h>
#endif
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

#if INTRS_TOY_SIMULATED
/* A program that is as slow, and as honest, as its environment says. */
static uint32_t told(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0u;
}
#endif

static uint32_t choice_of(const uint8_t *image, const struct intrs_stream *stream, uint32_t sample)
{
    uint32_t x = mix((uint32_t)stream->seed ^ mix(stream->image ^ mix(sample)));
    x += image[x % INTRS_IMAGE_BYTES];
    return x % 4u != 0 ? 1u : x / 4u % INTRS_CLASSES;
}

/* As in ports/host/looks.c: here row by row, whatever the mode. */
struct intrs_looking {
    uint32_t counted, row, waiting;
};

int intrs_looks(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                const uint32_t *ends, uint32_t rows, uint32_t n0, uint32_t mode, uint32_t samples,
                struct intrs_looking *at, uint32_t *votes);
int intrs_looks(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                const uint32_t *ends, uint32_t rows, uint32_t n0, uint32_t mode, uint32_t samples,
                struct intrs_looking *at, uint32_t *votes)
{
    (void)mode;
    (void)samples;
    if (ws == NULL || image == NULL || stream == NULL || ends == NULL || at == NULL || votes == NULL) {
        return INTRS_E_ARGUMENT;
    }
    if (at->row >= rows) {
        return INTRS_OK;
    }
    uint32_t *row = votes + at->row * (uint32_t)INTRS_CLASSES;
    if (at->row > (n0 > 0 ? 1u : 0u)) {
        for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
            row[c] = row[c - (uint32_t)INTRS_CLASSES];
        }
    }
    for (; at->counted < ends[at->row]; at->counted++) {
        row[choice_of(image, stream, at->counted)]++;
    }
    at->row++;
    return at->row < rows ? INTRS_MORE : INTRS_OK;
}

/* Progress says that `before` samples were done of `total`. */
static int votes_of(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                    uint32_t count, uint32_t *votes, intrs_progress progress, void *context, uint32_t before,
                    uint32_t total)
{
    if (ws == NULL || image == NULL || stream == NULL || votes == NULL) {
        return INTRS_E_ARGUMENT;
    }
    if (count > UINT32_MAX - first) {
        return INTRS_E_RANGE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (progress != NULL && progress(context, before + i, total) != 0) {
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
        for (uint32_t work = INTRS_TOY_WORK; work != 0; work--) {
            *(volatile uint8_t *)ws->arena = (uint8_t)work;
        }
        votes[choice_of(image, stream, first + i)]++;
    }
#if INTRS_TOY_SIMULATED
    for (uint32_t i = 0; i < count; i++) {
        if (progress != NULL && progress(context, before + i, total) != 0) {
            return INTRS_E_ABORTED;
        }
        (void)usleep(told("INTRS_TOY_MICROSECONDS"));
    }
    if (told("INTRS_TOY_LIES") != 0u && count != 0u && votes[1] != 0u) {
        votes[1]--;
        votes[2]++;
    }
#endif
    return INTRS_OK;
}

int intrs_votes(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                uint32_t count, uint32_t *votes, intrs_progress progress, void *context)
{
    return votes_of(ws, image, stream, first, count, votes, progress, context, 0, count);
}

int intrs_predict(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                  intrs_progress progress, void *context, struct intrs_prediction *out)
{
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        ws->votes[c] = 0;
    }
    const int status = intrs_votes(ws, image, stream, 0, INTRS_N, ws->votes, progress, context);
    uint32_t second = 0;
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        second = c != 1u && ws->votes[c] > second ? ws->votes[c] : second;
    }
    *out = (struct intrs_prediction){.top = 1, .votes = {ws->votes[1], second}, .samples = INTRS_N};
    out->label = intrs_decides(ws->votes[1], second) ? 1 : INTRS_ABSTAIN;
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
    const uint32_t total = INTRS_N0 + INTRS_N;
    const int status = votes_of(ws, image, stream, INTRS_N0, INTRS_N, ws->votes, progress, context, INTRS_N0, total);
    *out = (struct intrs_certificate){.selected = 1, .count = ws->votes[1], .samples = INTRS_N};
    out->radius_squared = intrs_radius_squared(out->count, 0);
    out->label = out->radius_squared != 0 ? 1 : INTRS_ABSTAIN;
    return status;
}

uint32_t intrs_next_look(uint32_t mode, uint32_t samples)
{
    return mode == INTRS_FIXED && samples < INTRS_N ? INTRS_N : 0;
}

int intrs_judge(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other, uint32_t *radius_squared,
                uint32_t *stop)
{
    *radius_squared = intrs_radius_squared(count, other);
    *stop = INTRS_STOP_FULL;
    return mode == INTRS_FIXED && samples == INTRS_N ? INTRS_OK : INTRS_E_ARGUMENT;
}

uint32_t intrs_proved(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other)
{
    (void)mode;
    return samples == INTRS_N ? intrs_radius_squared(count, other) : 0; /* nothing before the end */
}

int intrs_decides(uint32_t top, uint32_t second)
{
    return top > second;
}

int intrs_check(uint32_t *crc)
{
    if (crc != NULL) {
        *crc = 0x12345678u;
    }
    return INTRS_TOY_DAMAGED ? INTRS_E_DAMAGED : INTRS_OK;
}

uint32_t intrs_radius_squared(uint32_t count, uint32_t other)
{
    (void)other;
    return count > INTRS_N / 2u ? count : 0;
}
