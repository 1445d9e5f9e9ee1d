/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the link needs from the machine it runs on. One port is linked into one program.
 */
#ifndef INTRS_PORT_H
#define INTRS_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "intrs_config.h"

/** What intrs_port_read() returns instead of a byte. */
enum intrs_port_silence {
    INTRS_PORT_NONE = -1,   /**< no byte waits */
    INTRS_PORT_CLOSED = -2, /**< the other end is gone for good (never on a UART) */
};

/**
 * Takes the next byte.
 *
 * @param wait  1: may sleep until a byte is there, but need not; 0: returns at once
 * @return 0..255, INTRS_PORT_NONE or INTRS_PORT_CLOSED
 */
int intrs_port_read(int wait);

/**
 * Sends bytes; returns when they are handed over.
 *
 * @param data  [n]
 * @param n     how many
 */
void intrs_port_write(const uint8_t *data, size_t n);

/**
 * Random bytes from hardware.
 *
 * @param out  [n], filled
 * @param n    how many
 * @return 0, or a negative value where there is no such source
 */
int intrs_port_entropy(uint8_t *out, size_t n);

/**
 * Reads the image that runs, where the port knows its bounds and its seal.
 *
 * @return 0, also where it cannot tell; negative when the image is damaged
 */
int intrs_port_image(void);

/** Tells the watchdog, if there is one, that the program is alive. */
void intrs_port_alive(void);

/**
 * How long the server waits for the rest of a frame.
 *
 * @return how many polls of intrs_port_read() make about a tenth of a second of silence
 */
uint32_t intrs_port_patience(void);

/// bare metal only ///

/** A register access after start. */
struct intrs_startup_step {
    uint32_t op;      /**< enum intrs_startup_op */
    uint32_t address; /**< of the register */
    uint32_t value;   /**< bits, or loops */
};

/** What is done to a register. */
enum intrs_startup_op {
    INTRS_STARTUP_END,        /**< the table ends */
    INTRS_STARTUP_WRITE,      /**< *address = value */
    INTRS_STARTUP_SET,        /**< *address |= value */
    INTRS_STARTUP_CLEAR,      /**< *address &= ~value */
    INTRS_STARTUP_WAIT_SET,   /**< until all bits of value are set */
    INTRS_STARTUP_WAIT_CLEAR, /**< until all bits of value are clear */
    INTRS_STARTUP_DELAY,      /**< value loops */
};

/** Generated from the board's description. */
extern const struct intrs_startup_step intrs_startup_table[];

/** Sets data and bss, then does what intrs_startup_table says. */
void intrs_port_prepare(void);

/** Readies a driver of ports/uart, which also makes the receive interrupt pending while a byte waits. */
void intrs_uart_init(void);

/**
 * Takes a byte from the UART.
 *
 * @return the byte, or INTRS_PORT_NONE
 */
int intrs_uart_read(void);

/** Before the first intrs_port_read(). */
void intrs_wait_init(void);

#endif
