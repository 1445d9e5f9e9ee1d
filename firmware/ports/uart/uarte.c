/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uarte.c - Nordic UARTE, the UART with EasyDMA (nRF52840 and nRF5340 product specifications, "UARTE"): nRF52, nRF53,
 * nRF91. One byte a transfer; what comes before the next is started waits in the peripheral's FIFO.
 */
#include "nordic.h"

enum {
    ENDRX = 0x110 / 4,
    ENDTX = 0x120 / 4,
    RXDPTR = 0x534 / 4,
    RXDMAXCNT = 0x538 / 4,
    TXDPTR = 0x544 / 4,
    TXDMAXCNT = 0x548 / 4,
};

/* the values that the specification gives; its steps are coarser above 28800 than the register's */
#if INTRS_UART_BAUD == 38400
#define RATE 0x009D0000u
#elif INTRS_UART_BAUD == 57600
#define RATE 0x00EB0000u
#elif INTRS_UART_BAUD == 115200
#define RATE 0x01D60000u
#elif INTRS_UART_BAUD == 230400
#define RATE 0x03B00000u
#elif INTRS_UART_BAUD == 460800
#define RATE 0x07400000u
#elif INTRS_UART_BAUD == 921600
#define RATE 0x0F000000u
#elif INTRS_UART_BAUD == 1000000
#define RATE 0x10000000u
#else
#error "the UARTE makes 38400, 57600, 115200, 230400, 460800, 921600 and 1000000 baud: set uart.baud to one of these"
#endif

/* the DMA reaches RAM alone */
static volatile uint8_t received, sent[32];

static void start_reading(void)
{
    UART[RXDPTR] = (uint32_t)(uintptr_t)&received;
    UART[RXDMAXCNT] = 1;
    UART[STARTRX] = 1;
}

void intrs_uart_init(void)
{
    UART[PSELTXD] = INTRS_UART_TX;
    UART[PSELRXD] = INTRS_UART_RX;
    UART[BAUDRATE] = RATE;
    UART[ENABLE] = 8;
    UART[ENDRX] = 0;
    UART[INTENSET] = 1u << 4; /* ENDRX */
    start_reading();
}

int intrs_uart_read(void)
{
    if (UART[ENDRX] == 0) {
        return INTRS_PORT_NONE;
    }
    UART[ENDRX] = 0;
    const int byte = received;
    start_reading();
    return byte;
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    while (n != 0) {
        const uint32_t part = n < sizeof sent ? (uint32_t)n : (uint32_t)sizeof sent;
        for (uint32_t i = 0; i < part; i++) {
            sent[i] = data[i];
        }
        __asm volatile("dsb" ::: "memory");
        UART[TXDPTR] = (uint32_t)(uintptr_t)sent;
        UART[TXDMAXCNT] = part;
        UART[ENDTX] = 0;
        UART[STARTTX] = 1;
        while (UART[ENDTX] == 0) {
        }
        data += part;
        n -= part;
    }
}
