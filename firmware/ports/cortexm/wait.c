/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.c - Waiting asleep. Interrupts are masked for good (PRIMASK): a pending one ends WFI all the same (DDI 0403,
 * B1.5.19; DDI 0419, B1.5.17), but no handler runs, so nothing here can interrupt a computation.
 */
#include "intrs_port.h"

#if INTRS_UART_IRQ >= 0

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define NVIC_ISER REGISTER(0xE000E100u + 4u * (INTRS_UART_IRQ / 32u))
#define NVIC_ICPR REGISTER(0xE000E280u + 4u * (INTRS_UART_IRQ / 32u))
#define UART_BIT (1u << (INTRS_UART_IRQ % 32u))
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SCB_ICSR REGISTER(0xE000ED04u)

void intrs_wait_init(void)
{
    __asm volatile("cpsid i" ::: "memory");
    NVIC_ISER = UART_BIT;
#if defined(INTRS_WATCHDOG_AT)
    /*
     * the watchdog is to be told every tenth of a second; where SysTick sleeps too, the watchdog must (docs/boards.md)
     */
    SYST_RVR = INTRS_CLOCK_HZ / 10u < 0xFFFFFFu ? INTRS_CLOCK_HZ / 10u : 0xFFFFFFu;
    SYST_CSR = 7u;
#endif
}

int intrs_port_read(int wait)
{
    if (wait) {
        NVIC_ICPR = UART_BIT; /* before looking: a byte that comes after this look makes it pending again */
    }
    const int byte = intrs_uart_read();
    if (byte != INTRS_PORT_NONE || !wait) {
        return byte;
    }
    __asm volatile("dsb\n\twfi" ::: "memory");
    SCB_ICSR = 1u << 25; /* SysTick is no longer pending */
    return intrs_uart_read();
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
