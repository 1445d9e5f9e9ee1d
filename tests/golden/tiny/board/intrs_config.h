/* Written by intrs-edge generate: sizes of this model on this target (board). */
#ifndef INTRS_CONFIG_H
#define INTRS_CONFIG_H

#define INTRS_CLASSES 3
#define INTRS_IMAGE_BYTES 16
#define INTRS_CHANNELS 1
#define INTRS_INPUT_BYTES 16
#define INTRS_BATCH 1
#define INTRS_ARENA_BYTES 64
#define INTRS_INPUT_OFFSET 32
#define INTRS_OUTPUT_OFFSET 0
#define INTRS_N0 10u
#define INTRS_N 100u
#define INTRS_MODEL_HASH 0x5929de76u
#define INTRS_TABLE_HASH 0xd4755558u
#define INTRS_BOARD "mps2-an385"
#define INTRS_LINK_FRAME 1024u
#define INTRS_UART_BASE 0x40004000u
#define INTRS_UART_CLOCK_HZ 25000000u
#define INTRS_UART_BAUD 115200u
#define INTRS_UART_TX -1
#define INTRS_UART_RX -1
#define INTRS_CLOCK_HZ 25000000u

#endif
