/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_server_aside.h - what the server answers while it computes: abort, status, progress, busy. A part of
 * intrs_server.c.
 */
#ifndef INTRS_SERVER_ASIDE_H
#define INTRS_SERVER_ASIDE_H

#include "intrs_server_state.h"

/* Not a reply or progress: a line that echoes would have us answer ourselves. */
static int is_request(void)
{
    return server.received[1] < INTRS_M_PROGRESS;
}

static void answer_aside(uint32_t length)
{
    const uint8_t *p = server.received;
    const uint32_t type = p[1], sequence = get32(p + 2);
    uint32_t at;
    int status = INTRS_OK;
    if (p[0] != INTRS_LINK_VERSION) {
        status = INTRS_L_VERSION;
    } else if (type == INTRS_M_ABORT) {
        if (length != INTRS_LINK_HEADER + 4u) {
            status = INTRS_L_LENGTH;
        } else if (server.running && (get32(p + 6) == 0 || get32(p + 6) == server.reply_sequence)) {
            server.aborted = 1;
        }
    } else if (type == INTRS_M_STATUS) {
        if (length != INTRS_LINK_HEADER) {
            status = INTRS_L_LENGTH;
        }
    } else if (intrs_crc32(0, p, length) == server.reply_key && sequence == server.reply_sequence) {
        /* the request being computed, repeated: it is under way */
        at = begin(server.aside, INTRS_M_PROGRESS, sequence, INTRS_OK);
        at = put32(server.aside, at, server.done);
        at = put32(server.aside, at, server.total);
        intrs_frame_send(server.aside, at);
        return;
    } else {
        status = INTRS_L_BUSY;
    }
    at = begin(server.aside, INTRS_M_REPLY | type, sequence, status);
    if (type == INTRS_M_STATUS && status == INTRS_OK) {
        at = put32(server.aside, at, server.running);
        at = put32(server.aside, at, server.reply_sequence);
        at = put32(server.aside, at, server.done);
        at = put32(server.aside, at, server.total);
        at = put32(server.aside, at, server.frame.dropped);
    }
    intrs_frame_send(server.aside, at);
}

/*
 * A byte that came during a computation may be the first of a frame whose others were lost, because nobody read the
 * UART: then the sender repeats it while we wait here. Silence, or more bytes than two frames, sends us back to work.
 */
static void listen(int byte)
{
    const uint32_t patience = intrs_port_patience();
    uint32_t silent = 0;
    for (uint32_t bytes = 0; bytes < 4u * FRAME_BYTES && silent < patience;) {
        if (byte >= 0) {
            bytes++;
            silent = 0;
            const uint32_t length = intrs_frame_feed(&server.frame, (uint8_t)byte);
            if (length != 0 && is_request()) {
                answer_aside(length);
                return;
            }
        } else if (byte == INTRS_PORT_CLOSED) {
            server.closed = 1;
            return;
        } else {
            silent++;
        }
        byte = intrs_port_read(0);
    }
}

static int on_progress(void *context, uint32_t done, uint32_t total)
{
    (void)context;
    intrs_port_alive();
    server.done = done;
    server.total = total;
    const int byte = intrs_port_read(0);
    if (byte != INTRS_PORT_NONE) {
        listen(byte);
    }
    if (server.every != 0 && done != 0 && done % server.every == 0 && done < total) {
        uint32_t at = begin(server.aside, INTRS_M_PROGRESS, server.reply_sequence, INTRS_OK);
        at = put32(server.aside, at, done);
        at = put32(server.aside, at, total);
        intrs_frame_send(server.aside, at);
    }
    return server.aborted || server.closed;
}

#endif
