/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_model.h - what the generated model gives to the runtime. Bound at link time, so that the call graph (and with
 * it the stack bound) is static.
 *
 * intrs_config.h (generated) defines:
 *   INTRS_CONFIG_FORMAT INTRS_RUNTIME_FORMAT of the runtime that it is for
 *   INTRS_CLASSES       number of logits
 *   INTRS_IMAGE_BYTES   H * W * C of the raw uint8 image
 *   INTRS_HEIGHT, INTRS_WIDTH, INTRS_CHANNELS   H, W, C
 *   INTRS_INPUT_BYTES   bytes of the int8 input tensor (= INTRS_IMAGE_BYTES)
 *   INTRS_BATCH         images that one intrs_model_run() takes (1 on microcontrollers)
 *   INTRS_ARENA_BYTES, INTRS_INPUT_OFFSET, INTRS_OUTPUT_OFFSET
 *                       inputs are int8 [INTRS_BATCH][INTRS_INPUT_BYTES] at arena + INTRS_INPUT_OFFSET, outputs
 *                       int8 [INTRS_BATCH][INTRS_CLASSES] at arena + INTRS_OUTPUT_OFFSET
 *   INTRS_MAP_MUL, INTRS_MAP_ADD, INTRS_MAP_SHIFT
 *                       intrs_input_map as constants, where it is the same for all channels; else not defined
 *   INTRS_PIXELS        0: it is not known what a pixel means to the model, nothing takes images; not defined: it is
 *   INTRS_N0, INTRS_N   samples of the two phases
 *   INTRS_MODEL_HASH, INTRS_TABLE_HASH   32-bit prefixes of the SHA-256 in the project manifest
 */
#ifndef INTRS_MODEL_H
#define INTRS_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "intrs_config.h"
#include "intrs_place.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a little-endian core is needed: the checksums of weights and tables are of little-endian bytes"
#endif
_Static_assert(sizeof(int) >= 4, "an int of 32 bits is needed: sums and products are of this type");
_Static_assert((-1 >> 1) == -1, "a compiler whose right shift of a negative number rounds down is needed");

#ifndef INTRS_PIXELS
#define INTRS_PIXELS 1
#endif

/*
 * From the noisy pixel v (a lattice integer, at least 16 bits) of channel c to the model's input: q = clamp((v * mul[c]
 * + add[c]) >> shift, -128, 127). A power-of-two scale has mul 1, so an add, a shift and a saturation.
 */
struct intrs_input_map {
    int32_t mul[INTRS_CHANNELS];
    int32_t add[INTRS_CHANNELS];
    int32_t shift;
};

extern const struct intrs_input_map intrs_input_map;

/* Constant bytes and the CRC-32 that they had when they were generated. */
struct intrs_block {
    const void *data;
    uint32_t bytes, crc;
};

/* All weights and the input map; all tables of the certificate. Each list ends with a block of no data. */
extern const struct intrs_block intrs_model_blocks[];
extern const struct intrs_block intrs_table_blocks[];

/* CRC-32/ISO-HDLC (zlib's crc32) of data[n], continued from crc (0 to begin). */
uint32_t intrs_crc32(uint32_t crc, const void *data, size_t n);

/* Runs the network on INTRS_BATCH inputs that already lie in the arena. The input area is scratch afterwards. */
void intrs_model_run(uint8_t *arena);

#endif
