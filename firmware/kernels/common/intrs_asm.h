/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_asm.h - for sources whose assembly takes every register. gcc gives them all to a function that is optimised and
 * has no frame pointer, so these sources ask for both, whatever else the command line says. Other compilers keep some
 * back, and so does gcc at -O0 (with -flto it does not hear): they get the same in C. Include it first.
 */
#ifndef INTRS_ASM_H
#define INTRS_ASM_H

#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#define INTRS_ALL_REGISTERS 1
#pragma GCC optimize("O2", "omit-frame-pointer")
#else
#define INTRS_ALL_REGISTERS 0
#endif

#endif
