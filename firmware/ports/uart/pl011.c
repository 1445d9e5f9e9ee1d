/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pl011.c - Arm PrimeCell UART PL011 (DDI 0183): Stellaris, RP2040, RP2350. 16 or 32 bytes of FIFO.
 */
#include "intrs_port.h"

#define UART ((volatile uint32_t *)INTRS_UART_BASE)
enum { DR = 0, FR = 6, IBRD = 9, FBRD = 10, LCRH = 11, CR = 12, IMSC = 14 };
enum { RX_EMPTY = 1 << 4, TX_FULL = 1 << 5, RX_INT = 1 << 4, TIMEOUT_INT = 1 << 6 };

void intrs_uart_init(void)
{
    UART[CR] = 0;
    /* the divisor in 64ths */
    const uint32_t divisor = (INTRS_UART_CLOCK_HZ * 4u + INTRS_UART_BAUD / 2u) / INTRS_UART_BAUD;
    UART[IBRD] = divisor / 64u;
    UART[FBRD] = divisor % 64u;
    UART[LCRH] = 0x70;                 /* 8N1, FIFOs on */
    UART[IMSC] = RX_INT | TIMEOUT_INT; /* half of the FIFO is full, or something in it is 32 bits old */
    UART[CR] = 0x301;                  /* on, transmit, receive */
}

int intrs_uart_read(void)
{
    return (UART[FR] & RX_EMPTY) == 0 ? (int)(UART[DR] & 0xFFu) : INTRS_PORT_NONE;
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while ((UART[FR] & TX_FULL) != 0) {
        }
        UART[DR] = data[i];
    }
}
