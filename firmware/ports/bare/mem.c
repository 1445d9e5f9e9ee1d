/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c - the four functions that a freestanding compiler may call (C11 4; GCC manual, "Standards").
 */
#include <stdint.h>

#include "intrs_memory.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((((uintptr_t)t | (uintptr_t)f) & 3u) == 0) {
        /* by words through a type that may alias anything */
        typedef uint32_t __attribute__((may_alias)) word;
        while (n >= 4) {
            *(word *)(void *)t = *(const word *)(const void *)f;
            t += 4;
            f += 4;
            n -= 4;
        }
    }
    while (n != 0) {
        *t++ = *f++;
        n--;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t <= (uintptr_t)f) {
        return memcpy(to, from, n); /* ours goes upwards */
    }
    while (n != 0) {
        n--;
        t[n] = f[n];
    }
    return to;
}

void *memset(void *to, int value, size_t n)
{
    uint8_t *t = to;
    const uint8_t byte = (uint8_t)value;
    if (((uintptr_t)t & 3u) == 0) {
        typedef uint32_t __attribute__((may_alias)) word;
        const uint32_t four = byte * 0x01010101u;
        while (n >= 4) {
            *(word *)(void *)t = four;
            t += 4;
            n -= 4;
        }
    }
    while (n != 0) {
        *t++ = byte;
        n--;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != q[i]) {
            return p[i] < q[i] ? -1 : 1;
        }
    }
    return 0;
}

#if defined(__clang__) && defined(__ARM_EABI__)
/* The names of Arm's run-time ABI (4.3.4), by which clang calls them: the aligned ones are the same. */
void __aeabi_memcpy(void *to, const void *from, size_t n);
void __aeabi_memmove(void *to, const void *from, size_t n);
void __aeabi_memset(void *to, size_t n, int value);
void __aeabi_memclr(void *to, size_t n);

void __aeabi_memcpy(void *to, const void *from, size_t n)
{
    (void)memcpy(to, from, n);
}
void __aeabi_memmove(void *to, const void *from, size_t n)
{
    (void)memmove(to, from, n);
}
void __aeabi_memset(void *to, size_t n, int value)
{
    (void)memset(to, value, n);
}
void __aeabi_memclr(void *to, size_t n)
{
    (void)memset(to, 0, n);
}

#define SAME(name, as, ...) void name(__VA_ARGS__) __attribute__((alias(#as)))
SAME(__aeabi_memcpy4, __aeabi_memcpy, void *, const void *, size_t);
SAME(__aeabi_memcpy8, __aeabi_memcpy, void *, const void *, size_t);
SAME(__aeabi_memmove4, __aeabi_memmove, void *, const void *, size_t);
SAME(__aeabi_memmove8, __aeabi_memmove, void *, const void *, size_t);
SAME(__aeabi_memset4, __aeabi_memset, void *, size_t, int);
SAME(__aeabi_memset8, __aeabi_memset, void *, size_t, int);
SAME(__aeabi_memclr4, __aeabi_memclr, void *, size_t);
SAME(__aeabi_memclr8, __aeabi_memclr, void *, size_t);
#endif
