/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_clamp_arm_dsp.c - the fused activation, where int8 saturation does not already give it: four bytes at a time by
 * SSUB8 and SEL.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

/* of each byte: the larger of x and y, and the smaller */
static inline uint32_t larger(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__("ssub8 %0, %1, %2\n sel %0, %1, %2" : "=&r"(r) : "r"(x), "r"(y) : "cc");
    return r;
}

static inline uint32_t smaller(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__("ssub8 %0, %1, %2\n sel %0, %2, %1" : "=&r"(r) : "r"(x), "r"(y) : "cc");
    return r;
}

void intrs_clamp_arm_dsp(int8_t *data, int32_t n, int32_t min, int32_t max)
{
    if (min <= -128 && max >= 127) {
        return;
    }
    const uint32_t low = ((uint32_t)min & 0xFFU) * 0x01010101U, high = ((uint32_t)max & 0xFFU) * 0x01010101U;
    for (; n >= 4; n -= 4, data += 4) {
        intrs_store(data, smaller(larger(intrs_load(data), low), high));
    }
    for (; n > 0; n--, data++) {
        const int32_t x = *data < min ? min : *data;
        *data = (int8_t)(x > max ? max : x);
    }
}
