/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_frame.c - frames on a line of bytes: stuffing, CRC, and what was damaged.
 */
#include "intrs_link.h"

#include "intrs_model.h"
#include "intrs_port.h"

static void restart(struct intrs_frame *f)
{
    f->length = 0;
    f->run = 0;
    f->zero = 0;
    f->bad = 0;
    f->any = 0;
}

void intrs_frame_init(struct intrs_frame *f, uint8_t *buffer, uint32_t size)
{
    f->buffer = buffer;
    f->size = size;
    f->dropped = 0;
    restart(f);
}

static void put(struct intrs_frame *f, uint8_t byte)
{
    if (f->length < f->size) {
        f->buffer[f->length++] = byte;
    } else {
        f->bad = 1;
    }
}

static uint32_t finish(struct intrs_frame *f)
{
    uint32_t length = 0;
    if (f->any && !f->bad && f->run == 0 && f->length >= INTRS_LINK_HEADER + INTRS_LINK_CRC) {
        const uint8_t *tail = f->buffer + f->length - INTRS_LINK_CRC;
        const uint32_t crc =
            (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
        if (crc == intrs_crc32(0, f->buffer, f->length - INTRS_LINK_CRC)) {
            length = f->length - INTRS_LINK_CRC;
        }
    }
    if (f->any && length == 0) {
        f->dropped++;
    }
    restart(f);
    return length;
}

uint32_t intrs_frame_feed(struct intrs_frame *f, uint8_t byte)
{
    if (byte == 0) {
        return finish(f);
    }
    f->any = 1;
    if (f->run != 0) {
        f->run--;
        put(f, byte);
        return 0;
    }
    /* a code byte: the zero that ended the run before it is due only now, because the last run's is not data */
    if (f->zero) {
        put(f, 0);
    }
    f->run = (uint8_t)(byte - 1u);
    f->zero = byte != 0xFFu;
    return 0;
}

void intrs_frame_send(uint8_t *payload, uint32_t length)
{
    const uint32_t crc = intrs_crc32(0, payload, length);
    for (uint32_t i = 0; i < INTRS_LINK_CRC; i++) {
        payload[length + i] = (uint8_t)(crc >> (8u * i));
    }
    const uint32_t total = length + INTRS_LINK_CRC;
    static const uint8_t delimiter = 0;
    uint32_t start = 0;
    /* a run is up to 254 bytes without a zero; every run but a full one and the last stands for its bytes and a zero */
    for (;;) {
        uint32_t n = 0;
        while (n < 254u && start + n < total && payload[start + n] != 0) {
            n++;
        }
        const uint8_t code = (uint8_t)(n + 1u);
        intrs_port_write(&code, 1);
        intrs_port_write(payload + start, n);
        start += n;
        if (n == 254u) {
            if (start == total) {
                break;
            }
            continue;
        }
        if (start == total) {
            break;
        }
        start++; /* the zero */
    }
    intrs_port_write(&delimiter, 1);
}
