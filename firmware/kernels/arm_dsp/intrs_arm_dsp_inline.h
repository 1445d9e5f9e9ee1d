/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_arm_dsp_inline.h - the DSP instructions that arm_acle.h lacks or gcc does not fuse.
 */
#ifndef INTRS_ARM_DSP_INLINE_H
#define INTRS_ARM_DSP_INLINE_H

#include <stdint.h>

#ifndef __ARM_FEATURE_DSP
#error                                                                                                                 \
    "these kernels need the DSP extension: generate for a board without dsp in its isa, or compile for a core with it"
#endif

/* {byte 0, byte 2} of a word as two int16, and {byte 1, byte 3} */
static inline uint32_t intrs_sxtb16(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
}

static inline uint32_t intrs_sxtb16_ror8(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
}

/* c + high word of a * m, truncated and rounded */
static inline int32_t intrs_smmla(int32_t a, int32_t m, int32_t c)
{
    int32_t r;
    __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(m), "r"(c));
    return r;
}

static inline int32_t intrs_smmlar(int32_t a, int32_t m, int32_t c)
{
    int32_t r;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(m), "r"(c));
    return r;
}

static inline int32_t intrs_smlad(uint32_t a, uint32_t b, int32_t c)
{
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
}

/* both half-words apart, modulo 2^16 */
static inline uint32_t intrs_sadd16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b) : "cc");
    return r;
}

static inline uint32_t intrs_ssub16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("ssub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b) : "cc");
    return r;
}

static inline int32_t intrs_ssat8(int32_t x)
{
    int32_t r;
    __asm__("ssat %0, #8, %1" : "=r"(r) : "r"(x) : "cc");
    return r;
}

/* words at any alignment */
static inline uint32_t intrs_load(const void *p)
{
    uint32_t x;
    __builtin_memcpy(&x, p, 4);
    return x;
}

static inline void intrs_store(void *p, uint32_t x)
{
    __builtin_memcpy(p, &x, 4);
}

#endif
