/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy_model.c - a linear classifier in place of a network, so that the smoothing runtime is tested by itself. Its numpy
 * twin is tests/smoothing/smoothing_device.py.
 */
#include "intrs.h"
#include "intrs_model.h"
#include "intrs_noise.h"

#if defined TOY_THRESHOLD
/* below */
#elif defined TOY_SHIFT
/* the noise itself, for histograms: q = v >> TOY_SHIFT */
const struct intrs_input_map intrs_input_map = {{1}, {0}, TOY_SHIFT};
#elif INTRS_CHANNELS == 1
const struct intrs_input_map intrs_input_map = {{1}, {-507}, 3};
#else
const struct intrs_input_map intrs_input_map = {{1, 1, 1}, {-507, -507, -507}, 3};
#endif

#ifdef TOY_THRESHOLD

/* one pixel: class 0 while the noise is at most TOY_THRESHOLD, so p_A is the noise's distribution function there */
const struct intrs_input_map intrs_input_map = {{1}, {-(TOY_THRESHOLD)}, 0};

void intrs_model_run(uint8_t *arena)
{
    for (int32_t b = 0; b < INTRS_BATCH; b++) {
        int8_t *output = (int8_t *)(arena + INTRS_OUTPUT_OFFSET) + b * INTRS_CLASSES;
        for (int32_t c = 0; c < INTRS_CLASSES; c++) {
            output[c] = 0;
        }
        output[((const int8_t *)(arena + INTRS_INPUT_OFFSET))[b] <= 0 ? 0 : 1] = 1;
    }
}

#else

/* what a test wants done between inferences, where an interrupt or a reset would come; or null */
extern void (*toy_between)(void);
void (*toy_between)(void);

static int8_t clamp(int32_t v)
{
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

void intrs_model_run(uint8_t *arena)
{
    if (toy_between) {
        toy_between();
    }
    for (int32_t b = 0; b < INTRS_BATCH; b++) {
        const int8_t *input = (const int8_t *)(arena + INTRS_INPUT_OFFSET) + b * INTRS_INPUT_BYTES;
        int8_t *output = (int8_t *)(arena + INTRS_OUTPUT_OFFSET) + b * INTRS_CLASSES;
        for (int32_t c = 0; c < INTRS_CLASSES; c++) {
            int32_t acc = 0;
            for (int32_t j = 0; j < INTRS_INPUT_BYTES; j++) {
                acc += input[j] * ((j * (2 * c + 3) + 5 * c) % 7 - 3);
            }
            output[c] = clamp(acc >> 4);
        }
    }
}

#endif

/// what the tests ask besides the public interface ///

uint32_t toy_workspace_bytes(void);
void toy_seek(const struct intrs_stream *stream, uint32_t sample, uint32_t state[4]);

uint32_t toy_workspace_bytes(void)
{
    return (uint32_t)sizeof(struct intrs_workspace);
}

uint32_t toy_votes_offset(void);

uint32_t toy_votes_offset(void)
{
    return (uint32_t)offsetof(struct intrs_workspace, votes);
}

void toy_seek(const struct intrs_stream *stream, uint32_t sample, uint32_t state[4])
{
    struct intrs_rng r;
    intrs_rng_seek(&r, stream, sample);
    for (int k = 0; k < 4; k++) {
        state[k] = r.s[k];
    }
}
