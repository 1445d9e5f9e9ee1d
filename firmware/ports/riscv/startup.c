/* SPDX-License-Identifier: Apache-2.0 */
/*
 * startup.c - Start-up for a 32-bit RISC-V core in machine mode: stack, trap vector, memory, the board's register
 * script. A trap resets the board; the host sees that and repeats its request. (RISC-V privileged architecture 1.12,
 * 3.1.7 mtvec, 3.4 reset.)
 */
#include "intrs_port.h"

int main(void);
void intrs_reset(void);
void intrs_begin(void);
void fault(void);

/*
 * The first word of the image. No gp: no section is addressed through it. The words are fixed so that a tool can read
 * them.
 */
__attribute__((naked, used, section(".intrs.vectors"))) void intrs_reset(void)
{
    __asm volatile(".option push\n"
                   ".option norvc\n"
                   ".option norelax\n"
                   "lui t0, %hi(intrs_stack_top)\n"
                   "addi sp, t0, %lo(intrs_stack_top)\n"
                   "lui t0, %hi(fault)\n"
                   "addi t0, t0, %lo(fault)\n"
                   /* csrw mtvec, t0: by number, since toolchains differ in whether rv32i has it */
                   ".4byte 0x30529073\n"
                   "tail intrs_begin\n"
                   ".option pop");
}

/* every trap: direct mode, so the address is a multiple of four */
__attribute__((used, aligned(4))) void fault(void)
{
#if defined(INTRS_RESET_AT)
    *(volatile uint32_t *)INTRS_RESET_AT = INTRS_RESET_VALUE;
#endif
    for (;;) { /* where nothing resets it: until the watchdog does */
    }
}

__attribute__((used)) void intrs_begin(void)
{
    intrs_port_prepare();
    intrs_uart_init();
    (void)main();
    fault();
}
