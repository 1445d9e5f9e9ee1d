/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot2.c - the bytes of boot2.S, zeros, and in the last word the CRC-32 that the boot ROM checks.
 */
#include <stdint.h>

__attribute__((section(".intrs.boot2"), used)) static const uint32_t boot2[64] = {
    0x21004B0Au, 0x21046099u, 0x49096159u, 0x21006019u,        0x49086059u, 0x60014808u, 0x60992101u,
    0x49084807u, 0xC8036008u, 0x8808F380u, 0x46C04708u,        0x18000000u, 0x001F0300u, 0x03000218u,
    0x180000F4u, 0x10000100u, 0xE000ED08u, 0x00000000u,        0x00000000u, 0x00000000u, 0x00000000u,
    0x00000000u, 0x00000000u, 0x00000000u, [63] = 0x74BE5A48u,
};
