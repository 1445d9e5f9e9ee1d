/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_server_state.h - what the server holds: a workspace, one request and its reply. A part of intrs_server.c.
 */
#ifndef INTRS_SERVER_STATE_H
#define INTRS_SERVER_STATE_H

#include "intrs_link.h"
#include "intrs_link_bytes.h"

#include "intrs.h"
#include "intrs_model.h"
#include "intrs_port.h"

#define FRAME_BYTES (INTRS_LINK_FRAME + INTRS_LINK_CRC)
#define REPLY_HEADER (INTRS_LINK_HEADER + 1u) /* and the status */
#define ASIDE_BYTES 48u

_Static_assert(INTRS_LINK_FRAME >= 128u && INTRS_LINK_FRAME <= 65536u, "a hello reply needs 128 bytes");
_Static_assert(INTRS_IMAGE_BYTES == INTRS_INPUT_BYTES, "one buffer serves both");

#if defined(INTRS_ARENA_PLACED)
#define PLACED INTRS_ARENA
#elif defined(__ELF__)
#define PLACED __attribute__((section(".bss.intrs_workspace"))) /* the linker script may put it into another memory */
#else
#define PLACED
#endif
#ifdef INTRS_ARENA_BY_CALLER
static PLACED INTRS_ALIGN(16) uint8_t arena[INTRS_ARENA_BYTES];
static struct intrs_workspace workspace = {.arena = arena};
#else
static PLACED struct intrs_workspace workspace;
#endif

static struct {
    uint8_t input[INTRS_IMAGE_BYTES]; /* an image, or an int8 input */
    uint8_t received[FRAME_BYTES];
    uint8_t reply[FRAME_BYTES];
    uint8_t aside[ASIDE_BYTES]; /* replies while `reply` is being computed */
    uint32_t reply_length;      /* 0: none kept */
    uint32_t reply_key;         /* CRC of the request that `reply` answers */
    uint32_t reply_sequence;
    uint32_t result_bytes; /* of workspace.votes that the latest reply's result takes */
    uint32_t done, total, every;
    uint32_t data_crc;
    int damage; /* 0, or why nothing is computed: an enum intrs_status or intrs_link_status */
    uint8_t running, aborted, closed;
    struct intrs_frame frame;
} server;

/* The start of a message: returns the offset of the body. */
static uint32_t begin(uint8_t *p, uint32_t type, uint32_t sequence, int status)
{
    p[0] = INTRS_LINK_VERSION;
    p[1] = (uint8_t)type;
    (void)put32(p, 2, sequence);
    p[6] = (uint8_t)status;
    return REPLY_HEADER;
}

#endif
