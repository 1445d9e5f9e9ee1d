/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_memory.h - the four functions of <string.h> that the runtime calls. Declared here because a freestanding
 * compiler need not come with that header; it may call all four by itself anyway (C11 4; GCC manual, "Standards").
 */
#ifndef INTRS_MEMORY_H
#define INTRS_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
