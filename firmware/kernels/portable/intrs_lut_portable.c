/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_lut_portable.c - every unary operator, as a table of 256 values.
 */
#include "intrs_kernels.h"

void intrs_lut_portable(const struct intrs_lut *p, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < p->n; i++) {
        output[i] = p->table[(uint8_t)input[i]];
    }
}
