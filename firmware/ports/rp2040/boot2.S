/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot2.S - the RP2040's second-stage boot loader (RP2040 datasheet, 2.8.1.3 and 4.10): the boot ROM copies 256 bytes
 * of flash to RAM, checks their CRC and runs them. Sets the SSI to plain 03h reads, which every flash chip knows, at a
 * quarter of the system clock, and starts the image behind it. boot2.c holds these bytes and their CRC; a test
 * assembles this and compares.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .text
    ldr r3, ssi
    movs r1, #0
    str r1, [r3, #0x08]     /* SSIENR: off while it is set up */
    movs r1, #4
    str r1, [r3, #0x14]     /* BAUDR */
    ldr r1, ctrlr0
    str r1, [r3, #0x00]
    movs r1, #0
    str r1, [r3, #0x04]     /* CTRLR1: one word a read */
    ldr r1, spi_ctrlr0
    ldr r0, spi_ctrlr0_at
    str r1, [r0]
    movs r1, #1
    str r1, [r3, #0x08]
    ldr r0, vectors
    ldr r1, vtor
    str r0, [r1]
    ldmia r0, {r0, r1}
    msr msp, r0
    bx r1
    .align 2
ssi:           .word 0x18000000
ctrlr0:        .word 0x001F0300 /* standard SPI, 32-bit frames, EEPROM read */
spi_ctrlr0:    .word 0x03000218 /* command 03h of 8 bits, address of 24 bits */
spi_ctrlr0_at: .word 0x180000F4
vectors:       .word 0x10000100
vtor:          .word 0xE000ED08
