/* Written by intrs-edge generate: sizes of this model on this target (host). */
#ifndef INTRS_CONFIG_H
#define INTRS_CONFIG_H

#define INTRS_CLASSES 3
#define INTRS_IMAGE_BYTES 16
#define INTRS_HEIGHT 4
#define INTRS_WIDTH 4
#define INTRS_CHANNELS 1
#define INTRS_INPUT_BYTES 16
#define INTRS_BATCH 1
#define INTRS_ARENA_BYTES 64
#define INTRS_INPUT_OFFSET 32
#define INTRS_OUTPUT_OFFSET 0
#define INTRS_N0 10u
#define INTRS_N 100u
#define INTRS_MODEL_HASH 0x376767e5u
#define INTRS_TABLE_HASH 0x655257a0u
#define INTRS_MAP_MUL (1)
#define INTRS_MAP_ADD (-128)
#define INTRS_MAP_SHIFT (0)
#define INTRS_BOARD "host"
#define INTRS_LINK_FRAME 4096u

#endif
