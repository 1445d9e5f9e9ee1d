/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy_config.h - the configuration of the toy model; a board's macros come from the command line.
 */
#ifndef INTRS_CONFIG_H
#define INTRS_CONFIG_H

#define INTRS_CONFIG_FORMAT INTRS_RUNTIME_FORMAT
#define INTRS_CLASSES 10u
#define INTRS_IMAGE_BYTES 300u
#define INTRS_INPUT_BYTES 300u
#define INTRS_CHANNELS 3u
#define INTRS_BATCH 1u
#define INTRS_ARENA_BYTES 64u
#define INTRS_INPUT_OFFSET 0u
#define INTRS_OUTPUT_OFFSET 0u
#define INTRS_N0 20u
#define INTRS_N 200u
#define INTRS_MODEL_HASH 0x11223344u
#ifndef INTRS_TABLE_HASH
#define INTRS_TABLE_HASH 0x55667788u
#endif
#ifndef INTRS_TOY_WORK
#define INTRS_TOY_WORK 0u
#endif
#ifndef INTRS_TOY_DAMAGED
#define INTRS_TOY_DAMAGED 0
#endif
#ifndef INTRS_TOY_STUCK
#define INTRS_TOY_STUCK 0
#endif
#include "toy_board.h"

#endif
