/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slices.c - certifies a few samples at a time and does other work in between, over sleep and resets.
 *
 *   cc -Iinclude -Ihost examples/slices.c build/libintrs.a -o slices
 */
#include <stdio.h>

#include "intrs.h"

enum { SLICE = 16 }; /* samples, so inferences, between two looks at the rest of the program */

static struct intrs_workspace workspace; /* free between slices */
static uint8_t image[INTRS_IMAGE_BYTES];

/*
 * All state of the certification. Your linker script places .noinit where start-up code does not clear it, in a memory
 * that keeps its content when the rest sleeps (backup SRAM, retention RAM).
 */
#if defined(__arm__)
__attribute__((section(".noinit")))
#endif
static struct intrs_certification job;

static void other_work(void)
{
    /* feed the watchdog, serve the radio, sleep until the next tick */
}

int main(void)
{
    for (uint32_t i = 0; i < INTRS_IMAGE_BYTES; i++) {
        image[i] = (uint8_t)i;
    }
    /* does `job` hold something to go on with, of this model and this image? no samples: it is only looked at */
    if (intrs_certify_step(&workspace, &job, image, 0) < 0) {
        const struct intrs_stream stream = {1, 0};
        const int status = intrs_certify_begin(&job, image, &stream, INTRS_FIXED);
        if (status != INTRS_OK) {
            printf("failed with %d\n", status);
            return 1;
        }
    }
    while (intrs_certify_step(&workspace, &job, image, SLICE) == INTRS_MORE) {
        other_work();
    }
    struct intrs_certificate certificate;
    if (intrs_certify_end(&job, &certificate) != INTRS_OK) {
        puts("the state was damaged");
        return 1;
    }
    job.crc = ~job.crc; /* done: the next start begins again */
    printf("class %ld, squared radius %lu, %lu of %lu samples\n", (long)certificate.label,
           (unsigned long)certificate.radius_squared, (unsigned long)certificate.count,
           (unsigned long)certificate.samples);
    return 0;
}
