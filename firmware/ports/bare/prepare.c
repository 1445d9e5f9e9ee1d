/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.c - what every core does first: memory, then the board's register script, generated from its description:
 * clocks and pins.
 */
#include "intrs_port.h"

extern uint32_t intrs_data_start[], intrs_data_end[], intrs_data_load[], intrs_bss_start[], intrs_bss_end[];

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

void intrs_port_prepare(void)
{
    const uint32_t *from = intrs_data_load;
    for (uint32_t *to = intrs_data_start; to != intrs_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = intrs_bss_start; to != intrs_bss_end; to++) {
        *to = 0;
    }
    for (const struct intrs_startup_step *s = intrs_startup_table; s->op != INTRS_STARTUP_END; s++) {
        switch (s->op) {
        case INTRS_STARTUP_WRITE:
            REGISTER(s->address) = s->value;
            break;
        case INTRS_STARTUP_SET:
            REGISTER(s->address) |= s->value;
            break;
        case INTRS_STARTUP_CLEAR:
            REGISTER(s->address) &= ~s->value;
            break;
        case INTRS_STARTUP_WAIT_SET:
            while ((REGISTER(s->address) & s->value) != s->value) {
            }
            break;
        case INTRS_STARTUP_WAIT_CLEAR:
            while ((REGISTER(s->address) & s->value) != 0) {
            }
            break;
        default:
            for (uint32_t i = s->value; i != 0; i--) {
                __asm volatile("");
            }
            break;
        }
    }
}
