/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nrf.c - Nordic UART without DMA (nRF51 and nRF52 product specifications). 6 bytes of receive FIFO.
 */
#include "nordic.h"

enum {
    RXDRDY = 0x108 / 4,
    TXDRDY = 0x11C / 4,
    RXD = 0x518 / 4,
    TXD = 0x51C / 4,
};

void intrs_uart_init(void)
{
    UART[PSELTXD] = INTRS_UART_TX;
    UART[PSELRXD] = INTRS_UART_RX;
    /* baud * 2^32 / 16 MHz, rounded to the register's 20 upper bits */
    const uint32_t rate = INTRS_UART_BAUD * 268u + INTRS_UART_BAUD * 111u / 256u;
    UART[BAUDRATE] = (rate + 0x800u) & 0xFFFFF000u;
    UART[ENABLE] = 4;
    UART[RXDRDY] = 0;
    UART[INTENSET] = 1u << 2; /* RXDRDY */
    UART[STARTRX] = 1;
    UART[STARTTX] = 1;
}

int intrs_uart_read(void)
{
    if (UART[RXDRDY] == 0) {
        return INTRS_PORT_NONE;
    }
    UART[RXDRDY] = 0; /* before the byte is taken: taking it may raise the event for the next */
    return (int)(UART[RXD] & 0xFFu);
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        UART[TXDRDY] = 0;
        UART[TXD] = data[i];
        while (UART[TXDRDY] == 0) {
        }
    }
}
