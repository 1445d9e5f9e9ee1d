/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stm32v2.c - STM32 USART with ISR, RDR and TDR (RM0385, RM0432, RM0433, RM0456: F7, L4, H7, U5). Clock and pins: the
 * start-up table.
 */
#include "intrs_port.h"

#define USART ((volatile uint32_t *)INTRS_UART_BASE)
enum { CR1 = 0, BRR = 3, ISR = 7, ICR = 8, RDR = 9, TDR = 10 };
enum { UE = 1, RE = 1 << 2, TE = 1 << 3, RXNE = 1 << 5, RXNEIE = 1 << 5, TXE = 1 << 7, ERRORS = 0xF };

void intrs_uart_init(void)
{
    USART[CR1] = 0;
    USART[BRR] = (INTRS_UART_CLOCK_HZ + INTRS_UART_BAUD / 2u) / INTRS_UART_BAUD;
    USART[CR1] = UE | TE | RE | RXNEIE;
}

int intrs_uart_read(void)
{
    const uint32_t status = USART[ISR];
    if ((status & ERRORS) != 0) {
        USART[ICR] = status & ERRORS; /* an overrun blocks reception until cleared; the frame's CRC tells of the loss */
    }
    return (status & RXNE) != 0 ? (int)(USART[RDR] & 0xFFu) : INTRS_PORT_NONE;
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while ((USART[ISR] & TXE) == 0) {
        }
        USART[TDR] = data[i];
    }
}
