/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - serves the link for ever.
 */
#include "intrs_link.h"
#include "intrs_port.h"

int main(void)
{
    intrs_wait_init();
    for (;;) {
        intrs_serve();
    }
}

uint32_t intrs_port_patience(void)
{
    return INTRS_CLOCK_HZ / 200u; /* a poll takes some 20 cycles */
}

void intrs_port_alive(void)
{
#if defined(INTRS_WATCHDOG_AT)
    *(volatile uint32_t *)INTRS_WATCHDOG_AT = INTRS_WATCHDOG_VALUE;
#endif
}
