/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmsdk.c - Arm CMSDK APB UART (DDI 0479, chapter 4.3): the MPS2 and MPS3 boards.
 */
#include "intrs_port.h"

#define UART ((volatile uint32_t *)INTRS_UART_BASE)
enum { DATA = 0, STATE = 1, CTRL = 2, INT_CLEAR = 3, BAUDDIV = 4 };
enum { TX_FULL = 1, RX_FULL = 2, RX_INT = 2 };

void intrs_uart_init(void)
{
    UART[BAUDDIV] = INTRS_UART_CLOCK_HZ / INTRS_UART_BAUD;
    UART[CTRL] = 0xB; /* transmit, receive, receive interrupt */
}

int intrs_uart_read(void)
{
    if ((UART[STATE] & RX_FULL) == 0) {
        return INTRS_PORT_NONE;
    }
    UART[INT_CLEAR] = RX_INT; /* before the byte is taken: taking it makes room for the next */
    return (int)(UART[DATA] & 0xFFu);
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while ((UART[STATE] & TX_FULL) != 0) {
        }
        UART[DATA] = data[i];
    }
}
