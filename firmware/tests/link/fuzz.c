/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.c - libFuzzer entry for the server. The first byte's lowest bit chooses: the bytes as they are on the wire; or
 * payloads, each behind a length byte, which are framed with a right CRC, so that the fuzzer gets past it. Found are
 * crashes, sanitizer reports and hangs, and a reply that is not a sound frame or answers a number that was not asked.
 */
#include "intrs_link.h"
#include "intrs_port.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t wire[1 << 17];
static size_t wire_at, wire_end;
static uint32_t asked[4096], asked_count;
static uint8_t heard[INTRS_LINK_FRAME + INTRS_LINK_CRC];
static struct intrs_frame listener;
static int encoding;

uint32_t intrs_port_patience(void)
{
    return 3;
}

int intrs_port_image(void)
{
    return 0;
}

void intrs_port_alive(void)
{
}

int intrs_port_entropy(uint8_t *out, size_t n)
{
    memset(out, 1, n);
    return 0;
}

int intrs_port_read(int wait)
{
    static unsigned pause;
    if (!wait && ++pause % 4u != 0) {
        return INTRS_PORT_NONE; /* let computations run on for a while */
    }
    return wire_at < wire_end ? wire[wire_at++] : INTRS_PORT_CLOSED;
}

static void check_reply(uint32_t length)
{
    uint32_t sequence;
    if (length < INTRS_LINK_HEADER + 1u || heard[0] != INTRS_LINK_VERSION) {
        abort();
    }
    memcpy(&sequence, heard + 2, 4);
    for (uint32_t i = 0; i < asked_count; i++) {
        if (asked[i] == sequence) {
            return;
        }
    }
    if (asked_count < 4096) {
        abort();
    }
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (encoding) {
            if (wire_end < sizeof wire) {
                wire[wire_end++] = data[i];
            }
        } else {
            const uint32_t before = listener.dropped;
            const uint32_t length = intrs_frame_feed(&listener, data[i]);
            if (listener.dropped != before) {
                abort();
            }
            if (length != 0) {
                check_reply(length);
            }
        }
    }
}

/* What a device that is right may answer: the numbers of all sound frames of the input. */
static void note_questions(void)
{
    static uint8_t buffer[INTRS_LINK_FRAME + INTRS_LINK_CRC];
    struct intrs_frame f;
    intrs_frame_init(&f, buffer, sizeof buffer);
    asked_count = 0;
    for (size_t i = 0; i < wire_end; i++) {
        if (intrs_frame_feed(&f, wire[i]) != 0 && asked_count < 4096) {
            memcpy(&asked[asked_count++], buffer + 2, 4);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t payload[256 + INTRS_LINK_CRC];
    if (size == 0 || size > 16384) {
        return -1;
    }
    wire_at = wire_end = 0;
    if ((data[0] & 1u) != 0) {
        memcpy(wire, data + 1, size - 1);
        wire_end = size - 1;
    } else {
        encoding = 1;
        for (size_t at = 1; at < size;) {
            size_t n = data[at++];
            n = n < size - at ? n : size - at;
            if (n >= INTRS_LINK_HEADER) {
                memcpy(payload, data + at, n);
                payload[0] = (payload[0] & 7u) != 0 ? INTRS_LINK_VERSION : payload[0];
                payload[1] = payload[1] < 128 ? payload[1] % 12u : payload[1];
                intrs_frame_send(payload, (uint32_t)n);
            }
            at += n;
        }
        encoding = 0;
    }
    note_questions();
    intrs_frame_init(&listener, heard, sizeof heard);
    intrs_serve();
    return 0;
}
