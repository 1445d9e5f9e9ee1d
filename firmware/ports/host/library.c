/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.c - what libintrs.so offers besides intrs.h: the numbers that a caller who cannot include intrs_config.h
 * needs.
 */
#include "intrs.h"

enum { FIELDS = 11 };

int intrs_library_fields(uint32_t *out, uint32_t n);

/*
 * Writes model hash, table hash, image bytes, channels, classes, N0, N, batch, arena bytes, link frame bytes (0: none)
 * and the bytes of struct intrs_workspace, at most n of them; returns how many there are.
 */
int intrs_library_fields(uint32_t *out, uint32_t n)
{
    static const uint32_t fields[FIELDS] = {
        INTRS_MODEL_HASH,
        INTRS_TABLE_HASH,
        INTRS_IMAGE_BYTES,
        INTRS_CHANNELS,
        INTRS_CLASSES,
        INTRS_N0,
        INTRS_N,
        INTRS_BATCH,
        INTRS_ARENA_BYTES,
        0,
        (uint32_t)sizeof(struct intrs_workspace),
    };
    for (uint32_t i = 0; i < n && i < FIELDS; i++) {
        out[i] = fields[i];
    }
    return FIELDS;
}
