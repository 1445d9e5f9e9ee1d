/* The board's register script, generated from its description: clocks and pins, before the UART. */
#include "intrs_port.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

void intrs_port_prepare(void)
{
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
