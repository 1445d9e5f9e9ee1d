/*
 * intrs_port.h - what the link needs from the machine it runs on. One port is linked into one program.
 */
#ifndef INTRS_PORT_H
#define INTRS_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "intrs_config.h"

enum {
    INTRS_PORT_NONE = -1,   /* no byte waits */
    INTRS_PORT_CLOSED = -2, /* the other end is gone for good (never on a UART) */
};

/* The next byte 0..255, INTRS_PORT_NONE or INTRS_PORT_CLOSED. wait: may sleep until a byte is there, but need not. */
int intrs_port_read(int wait);

/* Sends n bytes; returns when they are handed over. */
void intrs_port_write(const uint8_t *data, size_t n);

/* Fills out[n] from a hardware random source; 0, or a negative value where there is none. */
int intrs_port_entropy(uint8_t *out, size_t n);

/* Reads the image that runs, where the port knows its bounds and its seal: 0, or negative when it is damaged. 0 where it cannot tell. */
int intrs_port_image(void);

/* Tells the watchdog, if there is one, that the program is alive. */
void intrs_port_alive(void);

/* How many polls of intrs_port_read() make about a tenth of a second of silence. */
uint32_t intrs_port_patience(void);

/// bare metal only ///

struct intrs_startup_step {
    uint32_t op, address, value;
};

enum {
    INTRS_STARTUP_END,
    INTRS_STARTUP_WRITE,
    INTRS_STARTUP_SET,        /* *address |= value */
    INTRS_STARTUP_CLEAR,      /* *address &= ~value */
    INTRS_STARTUP_WAIT_SET,   /* until all bits of value are set */
    INTRS_STARTUP_WAIT_CLEAR, /* until all bits of value are clear */
    INTRS_STARTUP_DELAY,      /* value loops */
};

extern const struct intrs_startup_step intrs_startup_table[]; /* generated from the board's description */

void intrs_port_prepare(void); /* data and bss, then that table */

/* A driver of ports/uart, which also makes the receive interrupt pending while a byte waits. */
void intrs_uart_init(void);
int intrs_uart_read(void); /* the next byte, or INTRS_PORT_NONE */

/* Before the first intrs_port_read(). */
void intrs_wait_init(void);

#endif
