/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_copy_portable.c - runs of bytes from one place to another: concatenation and splitting.
 */
#include "intrs_kernels.h"
#include "intrs_memory.h"

void intrs_copy_portable(const struct intrs_copy *p, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        memcpy(output + p->out_offset + row * p->out_stride, input + p->in_offset + row * p->in_stride, (size_t)p->run);
    }
}
