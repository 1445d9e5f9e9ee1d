/* SPDX-License-Identifier: Apache-2.0 */
/*
 * none.c - a board without a random source that we know how to use.
 */
#include "intrs_port.h"

int intrs_port_entropy(uint8_t *out, size_t n)
{
    (void)out;
    (void)n;
    return -1;
}
