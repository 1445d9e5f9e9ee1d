/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - start-up and output for kernel tests and counting under QEMU: no board port, no C library beyond memcpy and
 * memset. Arm cores by semihosting, RISC-V by the virt machine's UART and its power switch.
 */
#include "start.h"

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main(void);

#if defined(__riscv)
#define UART ((volatile uint8_t *)0x10000000)
#define POWER (*(volatile uint32_t *)0x100000)

void print(const char *text)
{
    for (; *text != 0; text++) {
        *UART = (uint8_t)*text;
    }
}

static void stop(int failed)
{
    POWER = failed ? 0x13333 : 0x5555;
    for (;;) {
    }
}
#else
static int semihost(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void print(const char *text)
{
    (void)semihost(0x04, text);
}

static void stop(int failed)
{
    for (;;) {
        (void)semihost(0x18, failed ? (const void *)0x20023 : (const void *)0x20026); /* ADP_Stopped_ApplicationExit */
    }
}
#endif

void print_number(uint32_t value)
{
    char text[12];
    char *p = text + sizeof(text) - 1;
    *p = 0;
    do {
        *--p = (char)('0' + value % 10U);
        value /= 10U;
    } while (value != 0U);
    print(p);
}

__attribute__((used, aligned(4))) static void fault(void)
{
    print("fault\n");
    stop(1);
}

void start(void)
{
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88 |= 0xFU << 20; /* CPACR: MVE on */
    __asm__ volatile("dsb\n isb");
#endif
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end; to++) {
        *to = 0;
    }
    (void)main();
    print("done\n");
    stop(0);
}

#if defined(__riscv)
__attribute__((naked, used, section(".vectors"))) static void reset(void)
{
    __asm__ volatile("la sp, stack_top\n"
                     "la t0, fault\n"
                     ".4byte 0x30529073\n" /* csrw mtvec, t0 */
                     "tail start");
}
#else
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top,          (const void *)start, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault,
};
#endif
