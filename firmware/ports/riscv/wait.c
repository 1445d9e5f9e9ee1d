/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.c - Waiting asleep. Interrupts are masked for good (mstatus.MIE is 0 after reset): a pending one ends WFI all
 * the same (privileged architecture 1.12, 3.3.3), but no handler runs, so nothing here can interrupt a computation. The
 * UART's comes through the platform-level interrupt controller (RISC-V PLIC 1.0), context 0: the first hart in machine
 * mode.
 */
#include "intrs_port.h"

/* a watchdog wants to be told, and nothing here would wake the core for it */
#if INTRS_UART_IRQ >= 0 && !defined(INTRS_WATCHDOG_AT)

#define REGISTER(offset) (*(volatile uint32_t *)(uintptr_t)(INTRS_PLIC_BASE + (offset)))
#define PRIORITY REGISTER(4u * INTRS_UART_IRQ)
#define ENABLE REGISTER(0x2000u + 4u * (INTRS_UART_IRQ / 32u))
#define THRESHOLD REGISTER(0x200000u)
#define CLAIM REGISTER(0x200004u)
enum { EXTERNAL = 1 << 11 };

void intrs_wait_init(void)
{
    PRIORITY = 1;
    ENABLE = 1u << (INTRS_UART_IRQ % 32u);
    THRESHOLD = 0;
    /* csrs mie, t0: by number, since toolchains differ in whether rv32i has it */
    __asm volatile("mv t0, %0\n\t.4byte 0x3042A073" ::"r"(EXTERNAL) : "t0", "memory");
}

int intrs_port_read(int wait)
{
    const int byte = intrs_uart_read();
    if (byte != INTRS_PORT_NONE || !wait) {
        return byte;
    }
    __asm volatile("wfi" ::: "memory");
    const int next = intrs_uart_read();
    const uint32_t source = CLAIM; /* behind the byte: no longer pending, unless another one waits */
    CLAIM = source;
    return next;
}

#else

void intrs_wait_init(void)
{
}

int intrs_port_read(int wait)
{
    (void)wait;
    return intrs_uart_read();
}

#endif
