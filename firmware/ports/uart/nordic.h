/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nordic.h - registers that Nordic's UART and its UARTE share, in words from the base.
 */
#ifndef INTRS_NORDIC_H
#define INTRS_NORDIC_H

#include "intrs_port.h"

#define UART ((volatile uint32_t *)INTRS_UART_BASE)

enum {
    STARTRX = 0x000 / 4,
    STARTTX = 0x008 / 4,
    INTENSET = 0x304 / 4,
    ENABLE = 0x500 / 4,
    PSELTXD = 0x50C / 4,
    PSELRXD = 0x514 / 4,
    BAUDRATE = 0x524 / 4,
};

#endif
