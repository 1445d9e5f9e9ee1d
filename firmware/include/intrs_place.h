/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Where constants and working memory lie. Three macros, INTRS_WEIGHTS, INTRS_TABLES and INTRS_ARENA, each an attribute
 * or nothing. They come from a file of yours, -DINTRS_PLACEMENT='"mine.h"', else from generate (--weights-section and
 * so on), else they are empty. With INTRS_ARENA_BY_CALLER, from either, a workspace has a pointer in place of the
 * arena, and the caller says at run time where it is.
 */
#ifndef INTRS_PLACE_H
#define INTRS_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "intrs_config.h"

#ifdef INTRS_PLACEMENT
#include INTRS_PLACEMENT
#endif

/** The attribute that puts a constant or variable into a linker section. */
#define INTRS_IN_SECTION(name) __attribute__((section(name)))

/** Of weights, as in external flash: `__attribute__((section(".qspi")))`. */
#ifndef INTRS_WEIGHTS
#ifdef INTRS_WEIGHTS_SECTION
#define INTRS_WEIGHTS INTRS_IN_SECTION(INTRS_WEIGHTS_SECTION)
#else
#define INTRS_WEIGHTS
#endif
#endif

/** Of the certificate's tables. */
#ifndef INTRS_TABLES
#ifdef INTRS_TABLES_SECTION
#define INTRS_TABLES INTRS_IN_SECTION(INTRS_TABLES_SECTION)
#else
#define INTRS_TABLES
#endif
#endif

/** Of the server's workspace, and of yours if you write it: CCM, DTCM, SRAM2. */
#if !defined(INTRS_ARENA) && defined(INTRS_ARENA_SECTION)
#define INTRS_ARENA INTRS_IN_SECTION(INTRS_ARENA_SECTION)
#endif
#ifdef INTRS_ARENA
#define INTRS_ARENA_PLACED 1
#else
#define INTRS_ARENA
#endif

/** Whether a workspace has an arena that kernels can use: 16-byte aligned. */
#ifdef INTRS_ARENA_BY_CALLER
#define INTRS_HAS_ARENA(ws) ((ws)->arena != NULL && ((uintptr_t)(ws)->arena & 15u) == 0)
#else
#define INTRS_HAS_ARENA(ws) 1
#endif

#endif
