/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nrf.c - Nordic RNG, thermal noise with bias correction (nRF51 reference manual, 21; nRF52840 product specification,
 * 6.19).
 */
#include "intrs_port.h"

#define RNG ((volatile uint32_t *)0x4000D000u)
enum { START = 0x000 / 4, STOP = 0x004 / 4, VALRDY = 0x100 / 4, CONFIG = 0x504 / 4, VALUE = 0x508 / 4 };
enum { BIAS_CORRECTION = 1 };

int intrs_port_entropy(uint8_t *out, size_t n)
{
    RNG[CONFIG] = BIAS_CORRECTION;
    RNG[VALRDY] = 0;
    RNG[START] = 1;
    for (size_t i = 0; i < n; i++) {
        /* about 120 us a byte; a source that never delivers must not hang us */
        uint32_t left = INTRS_CLOCK_HZ / 100u;
        while (RNG[VALRDY] == 0) {
            if (--left == 0) {
                return -1;
            }
        }
        RNG[VALRDY] = 0;
        out[i] = (uint8_t)RNG[VALUE];
    }
    RNG[STOP] = 1;
    return 0;
}
