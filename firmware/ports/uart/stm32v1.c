/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stm32v1.c - STM32 USART with SR and DR (RM0090, RM0041: F1, F4). Clock and pins come from the board's start-up table.
 */
#include "intrs_port.h"

#define USART ((volatile uint32_t *)INTRS_UART_BASE)
enum { SR = 0, DR = 1, BRR = 2, CR1 = 3 };
enum { RXNE = 1 << 5, RXNEIE = 1 << 5, TXE = 1 << 7, RE = 1 << 2, TE = 1 << 3, UE = 1 << 13 };

void intrs_uart_init(void)
{
    USART[BRR] = (INTRS_UART_CLOCK_HZ + INTRS_UART_BAUD / 2u) / INTRS_UART_BAUD;
    USART[CR1] = UE | TE | RE | RXNEIE;
}

int intrs_uart_read(void)
{
    /* reading SR and then DR clears an overrun too */
    return (USART[SR] & RXNE) != 0 ? (int)(USART[DR] & 0xFFu) : INTRS_PORT_NONE;
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while ((USART[SR] & TXE) == 0) {
        }
        USART[DR] = data[i];
    }
}
