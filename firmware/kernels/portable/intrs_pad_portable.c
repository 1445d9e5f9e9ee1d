/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_pad_portable.c - constant padding of a rank-4 tensor.
 */
#include "intrs_kernels.h"
#include "intrs_memory.h"

void intrs_pad_portable(const struct intrs_pad *p, const int8_t *input, int8_t *output)
{
    const size_t total = (size_t)p->out[0] * (size_t)p->out[1] * (size_t)p->out[2] * (size_t)p->out[3];
    const size_t run = (size_t)p->in[3];

    memset(output, p->value, total);
    for (int32_t i = 0; i < p->in[0]; i++) {
        for (int32_t j = 0; j < p->in[1]; j++) {
            for (int32_t k = 0; k < p->in[2]; k++, input += run) {
                const int32_t row = ((i + p->before[0]) * p->out[1] + j + p->before[1]) * p->out[2] + k + p->before[2];
                memcpy(output + row * p->out[3] + p->before[3], input, run);
            }
        }
    }
}
