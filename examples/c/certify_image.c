/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certify_image.c - a whole program: certifies an image that is held in memory, and says what is proved of it.
 *
 *   cc -Iinclude -Ihost examples/certify_image.c build/libintrs.a -o certify_image
 */
#include <stdio.h>

#include "intrs.h"

/* static, not on the stack: the workspace has the size of the model's activations */
static struct intrs_workspace workspace;
static uint8_t image[INTRS_IMAGE_BYTES]; /* rows from the top, pixels from the left, channels together; 0 to 255 */

int main(void)
{
    /* once at start: are weights and tables, bit for bit, what was generated? */
    if (intrs_check(NULL) != INTRS_OK) {
        puts("weights or tables are damaged");
        return 1;
    }
    /* in place of yours */
    for (uint32_t i = 0; i < INTRS_IMAGE_BYTES; i++) {
        image[i] = (uint8_t)i;
    }
    /* where somebody else chooses the images, the seed must be random and secret until then */
    const struct intrs_stream stream = {1, 0};
    struct intrs_certificate certificate;
    const int status = intrs_certify(&workspace, image, &stream, INTRS_FIXED, NULL, NULL, &certificate);
    if (status != INTRS_OK) {
        printf("failed with %d\n", status);
        return 1;
    }
    if (certificate.label == INTRS_ABSTAIN) {
        puts("nothing is proved of this image");
    } else {
        /* every image within this distance (l2, in steps of 1/255 of a channel) gets the same class */
        printf("class %ld within a squared radius of %lu\n", (long)certificate.label,
               (unsigned long)certificate.radius_squared);
    }
    printf("%lu of %lu samples\n", (unsigned long)certificate.count, (unsigned long)certificate.samples);
    return 0;
}
