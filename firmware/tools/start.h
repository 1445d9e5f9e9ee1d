/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.h - what start.c and the programs under test share.
 */
#ifndef START_H
#define START_H
#include <stdint.h>

void print(const char *text);
void print_number(uint32_t value);

#endif
