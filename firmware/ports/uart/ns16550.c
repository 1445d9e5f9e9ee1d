/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns16550.c - the 16550 with registers a byte apart (National Semiconductor PC16550D): QEMU's virt machine and many
 * RISC-V chips.
 */
#include "intrs_port.h"

#define UART ((volatile uint8_t *)INTRS_UART_BASE)
enum { DATA = 0, DIVISOR_LOW = 0, INTERRUPTS = 1, DIVISOR_HIGH = 1, FIFO = 2, LINE = 3, STATUS = 5 };
enum { DIVISOR_ACCESS = 0x80, EIGHT_BITS = 3, FIFO_ON = 7, RECEIVED = 1, CAN_SEND = 0x20 };

void intrs_uart_init(void)
{
    const uint32_t divisor = (INTRS_UART_CLOCK_HZ + 8u * INTRS_UART_BAUD) / (16u * INTRS_UART_BAUD);
    UART[LINE] = DIVISOR_ACCESS | EIGHT_BITS;
    UART[DIVISOR_LOW] = (uint8_t)(divisor & 0xFFu);
    UART[DIVISOR_HIGH] = (uint8_t)(divisor >> 8 & 0xFFu);
    UART[LINE] = EIGHT_BITS;
    UART[FIFO] = FIFO_ON; /* and both emptied; the interrupt comes with the first byte */
    UART[INTERRUPTS] = RECEIVED;
}

int intrs_uart_read(void)
{
    return (UART[STATUS] & RECEIVED) != 0 ? (int)UART[DATA] : INTRS_PORT_NONE;
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while ((UART[STATUS] & CAN_SEND) == 0) {
        }
        UART[DATA] = data[i];
    }
}
