/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_link_bytes.h - numbers in messages: little-endian, at any alignment.
 */
#ifndef INTRS_LINK_BYTES_H
#define INTRS_LINK_BYTES_H

#include <stdint.h>

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get64(const uint8_t *p)
{
    return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline uint32_t put32(uint8_t *p, uint32_t at, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++) {
        p[at + i] = (uint8_t)(value >> (8u * i));
    }
    return at + 4u;
}

static inline uint32_t put_bytes(uint8_t *p, uint32_t at, const uint8_t *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        p[at + i] = from[i];
    }
    return at + n;
}

#endif
