/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smoothing_study.c - the smoothing runtime as a program, for sanitizer runs and long studies (tests/smoothing).
 *
 *   certify SEED IMAGES       predict and every generated mode for images 0 .. IMAGES-1, one line each
 *   runs SEED FIRST COUNT MODE  certifications of a black image, summed: "L samples stop runs" per distinct outcome
 *   draws SEED FIRST COUNT    histogram of the inputs that intrs_noise_fill writes over COUNT samples (256 lines)
 *   words SEED                the generator's raw words, little endian, until the pipe closes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intrs.h"
#include "intrs_noise.h"

static struct intrs_workspace ws;
static uint8_t image[INTRS_IMAGE_BYTES];

/* whether the same comes in steps of a few samples as at once, votes included */
static int steps_agree(const struct intrs_stream *stream, uint32_t mode, const struct intrs_certificate *whole)
{
    static struct intrs_certification c;
    static uint32_t votes[INTRS_CLASSES];
    struct intrs_certificate found;
    memcpy(votes, ws.votes, sizeof votes);
    if (intrs_certify_begin(&c, image, stream, mode)) {
        return 0;
    }
    while (intrs_certify_end(&c, &found) == INTRS_MORE) {
        if (intrs_certify_step(&ws, &c, image, 1 + c.done % 13) < 0) {
            return 0;
        }
        memset(&ws, 0xA5, sizeof ws);
    }
    return c.status == INTRS_OK && !memcmp(&found, whole, sizeof found) && !memcmp(c.votes, votes, sizeof votes);
}

static int certify(struct intrs_stream stream, uint32_t images)
{
    for (uint32_t j = 0; j < INTRS_IMAGE_BYTES; j++) {
        image[j] = (uint8_t)j;
    }
    for (stream.image = 0; stream.image < images; stream.image++) {
        struct intrs_prediction p;
        if (intrs_predict(&ws, image, &stream, NULL, NULL, &p)) {
            return 1;
        }
        printf("%d %u %u %u %u\n", p.label, p.top, p.votes[0], p.votes[1], p.samples);
        for (uint32_t mode = INTRS_FIXED; mode <= INTRS_PRECISION; mode++) {
            struct intrs_certificate c;
            if (intrs_certify(&ws, image, &stream, mode, NULL, NULL, &c)) {
                return 1;
            }
            if (!steps_agree(&stream, mode, &c)) {
                return 1;
            }
            printf("%d %u %u %u %u %u\n", c.label, c.selected, c.count, c.samples, c.radius_squared, c.stop);
        }
    }
    return 0;
}

#define OUTCOMES 65536
static struct outcome {
    uint32_t label, squared, samples, stop, runs;
} outcomes[OUTCOMES];

static int runs(struct intrs_stream stream, uint32_t first, uint32_t count, uint32_t mode)
{
    uint32_t known = 0;
    for (uint32_t run = 0; run < count; run++) {
        struct intrs_certificate c;
        stream.image = first + run;
        if (intrs_certify(&ws, image, &stream, mode, NULL, NULL, &c)) {
            return 1;
        }
        struct outcome o = {c.selected, c.radius_squared, c.samples, c.stop, 1};
        uint32_t i = 0;
        while (i < known && (outcomes[i].label != o.label || outcomes[i].squared != o.squared ||
                             outcomes[i].samples != o.samples || outcomes[i].stop != o.stop)) {
            i++;
        }
        if (i < known) {
            outcomes[i].runs++;
        } else if (known < OUTCOMES) {
            outcomes[known++] = o;
        } else {
            return 1;
        }
    }
    for (uint32_t i = 0; i < known; i++) {
        struct outcome o = outcomes[i];
        printf("%u %u %u %u %u\n", o.label, o.squared, o.samples, o.stop, o.runs);
    }
    return 0;
}

static int draws(struct intrs_stream stream, uint32_t first, uint32_t count)
{
    static uint64_t histogram[256];
    struct intrs_rng next;
    intrs_rng_seek(&next, &stream, first);
    int8_t *input = (int8_t *)(ws.arena + INTRS_INPUT_OFFSET);
    for (uint32_t i = 0; i < count; i += INTRS_BATCH) {
        struct intrs_rng lanes[INTRS_BATCH];
        for (uint32_t b = 0; b < INTRS_BATCH; b++) {
            lanes[b] = next;
            intrs_rng_jump(&next, intrs_jump_table[0]);
        }
        intrs_noise_fill(lanes, image, input);
        for (uint32_t j = 0; j < INTRS_BATCH * INTRS_INPUT_BYTES; j++) {
            histogram[(uint8_t)input[j]]++;
        }
    }
    for (int v = -128; v < 128; v++) {
        printf("%d %llu\n", v, (unsigned long long)histogram[(uint8_t)v]);
    }
    return 0;
}

static int words(struct intrs_stream stream)
{
    struct intrs_rng r;
    static uint32_t block[4096];
    intrs_rng_seek(&r, &stream, 0);
    do {
        for (int i = 0; i < 4096; i++) {
            block[i] = intrs_rng_next(&r);
        }
    } while (fwrite(block, sizeof block, 1, stdout) == 1);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t n[4] = {0, 0, 0, 0};
    for (int i = 2; i < argc && i < 6; i++) {
        n[i - 2] = strtoull(argv[i], NULL, 0);
    }
    struct intrs_stream stream = {n[0], 0};
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "certify") && argc == 4) {
        return certify(stream, (uint32_t)n[1]);
    }
    if (!strcmp(command, "runs") && argc == 6) {
        return runs(stream, (uint32_t)n[1], (uint32_t)n[2], (uint32_t)n[3]);
    }
    if (!strcmp(command, "draws") && argc == 5) {
        return draws(stream, (uint32_t)n[1], (uint32_t)n[2]);
    }
    if (!strcmp(command, "words") && argc == 3) {
        return words(stream);
    }
    fprintf(stderr, "usage: certify SEED IMAGES | runs SEED FIRST COUNT MODE | draws SEED FIRST COUNT | words SEED\n");
    return 2;
}
