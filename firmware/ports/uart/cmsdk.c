/* Arm CMSDK APB UART (DDI 0479, chapter 4.3): the MPS2 and MPS3 boards. */
#include "intrs_port.h"

#define UART ((volatile uint32_t *)INTRS_UART_BASE)
enum { DATA = 0, STATE = 1, CTRL = 2, BAUDDIV = 4 };
enum { TX_FULL = 1, RX_FULL = 2 };

void intrs_uart_init(void)
{
    UART[BAUDDIV] = INTRS_UART_CLOCK_HZ / INTRS_UART_BAUD;
    UART[CTRL] = 3; /* transmit and receive */
}

int intrs_port_read(int wait)
{
    (void)wait;
    return (UART[STATE] & RX_FULL) != 0 ? (int)(UART[DATA] & 0xFFu) : INTRS_PORT_NONE;
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while ((UART[STATE] & TX_FULL) != 0) {
        }
        UART[DATA] = data[i];
    }
}
