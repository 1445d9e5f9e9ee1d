/* SPDX-License-Identifier: Apache-2.0 */
/*
 * startup.c - Start-up for every Cortex-M: vectors, memory, the board's register script. A fault resets the board; the
 * host sees that and repeats its request.
 */
#include "intrs_port.h"

extern uint8_t intrs_stack_top[], intrs_vectors_start[];

int main(void);
void intrs_reset(void);
static void fault(void);

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_CPACR REGISTER(0xE000ED88u)

/// vectors ///

union vector {
    const void *stack;
    void (*handler)(void);
};

/* no interrupt is ever taken (wait.c), so the table ends with the system exceptions */
__attribute__((section(".intrs.vectors"), used)) static const union vector vectors[16] = {
    [0] = {.stack = intrs_stack_top}, [1] = {.handler = intrs_reset}, [2] = {.handler = fault}, /* NMI */
    [3] = {.handler = fault},                                                                   /* hard fault */
    [4] = {.handler = fault},                                                                   /* memory management */
    [5] = {.handler = fault},                                                                   /* bus */
    [6] = {.handler = fault},                                                                   /* usage */
    [7] = {.handler = fault},                                                                   /* secure */
    [11] = {.handler = fault},                                                                  /* SVC */
    [14] = {.handler = fault},                                                                  /* PendSV */
    [15] = {.handler = fault},                                                                  /* SysTick */
};

static void fault(void)
{
    SCB_AIRCR = 0x05FA0004u; /* system reset */
    for (;;) {
    }
}

/// reset ///

__attribute__((used)) void intrs_reset(void)
{
#if __ARM_ARCH >= 7 || defined(__ARM_ARCH_8M_BASE__)
    SCB_VTOR = (uint32_t)(uintptr_t)intrs_vectors_start;
#endif
#if defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= 0xFu << 20; /* the vector unit is off after reset */
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    intrs_port_prepare();
    intrs_uart_init();
    (void)main();
    fault();
}
