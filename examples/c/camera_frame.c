/* SPDX-License-Identifier: Apache-2.0 */
/*
 * camera_frame.c - a loop that interrupts drive: a camera's DMA fills one frame while the other is scaled and certified
 * step by step.
 *
 * Call camera_frame_done() from the DMA's interrupt, camera_poll() from the main loop; sleep when it returns 0. Frames
 * are RGB565, 160 x 120. The middle square is taken and scaled by picking pixels; use what your network was trained
 * with instead, if that differs.
 */
#include "intrs.h"

enum { FRAME_WIDTH = 160, FRAME_HEIGHT = 120, STEP = 1 };

/* the frame that the DMA may write to now, given after start and after each camera_frame_done() */
uint16_t *camera_frame_to_fill(void);
void camera_frame_done(void);
/* 0: nothing to do until the next frame; 1: call again; 2: *certificate holds the result of a frame */
int camera_poll(struct intrs_certificate *certificate);

static uint16_t frames[2][FRAME_HEIGHT * FRAME_WIDTH];
static volatile uint32_t filling; /* which of them the DMA fills */
static volatile uint32_t ready;   /* 1: the other one is full and not yet taken */

static struct intrs_workspace workspace;
static struct intrs_certification job;
static uint8_t image[INTRS_IMAGE_BYTES];
static uint32_t busy, frame_number;

/// in the interrupt ///

uint16_t *camera_frame_to_fill(void)
{
    return frames[filling];
}

void camera_frame_done(void)
{
    if (!ready) { /* else the main loop still reads the other frame: this one is filled again */
        filling ^= 1u;
        ready = 1;
    }
}

/// in the main loop ///

static void take(const uint16_t *frame)
{
    const uint32_t side = FRAME_HEIGHT, left = (FRAME_WIDTH - FRAME_HEIGHT) / 2;
    uint8_t *pixel = image;
    for (uint32_t y = 0; y < INTRS_HEIGHT; y++) {
        const uint16_t *row = frame + (2 * y + 1) * side / (2 * INTRS_HEIGHT) * FRAME_WIDTH + left;
        for (uint32_t x = 0; x < INTRS_WIDTH; x++) {
            const uint32_t p = row[(2 * x + 1) * side / (2 * INTRS_WIDTH)];
            const uint32_t rgb[3] = {(p >> 11) * 255 / 31, (p >> 5 & 63) * 255 / 63, (p & 31) * 255 / 31};
            const uint32_t grey = (77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2]) >> 8;
            for (uint32_t c = 0; c < INTRS_CHANNELS; c++) {
                *pixel++ = (uint8_t)(INTRS_CHANNELS == 3 ? rgb[c % 3] : grey);
            }
        }
    }
}

int camera_poll(struct intrs_certificate *certificate)
{
    if (!busy) {
        if (!ready) {
            return 0;
        }
        take(frames[filling ^ 1u]);
        ready = 0; /* the DMA's next frame may go there */
        /* each frame has its own noise; take the seed from a random source at start */
        const struct intrs_stream stream = {1, frame_number++};
        busy = intrs_certify_begin(&job, image, &stream, INTRS_FIXED) == INTRS_OK;
        return 1;
    }
    if (intrs_certify_step(&workspace, &job, image, STEP) == INTRS_MORE) {
        return 1;
    }
    busy = 0;
    return intrs_certify_end(&job, certificate) == INTRS_OK ? 2 : 1;
}
