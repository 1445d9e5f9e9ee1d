/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_fully_connected_portable.c - rows times constant weights.
 */
#include "intrs_requant.h"

/* FULLY_CONNECTED: the generator expands a per-tensor multiplier to one per output. */
void intrs_fully_connected_portable(const struct intrs_fully_connected *p, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->in_n) {
        const int8_t *weights = p->weights;
        for (int32_t o = 0; o < p->out_n; o++, weights += p->in_n) {
            uint32_t acc = (uint32_t)p->bias[o];
            for (int32_t i = 0; i < p->in_n; i++) {
                acc += (uint32_t)(weights[i] * (input[i] - p->in_zero_point));
            }
            *output++ = intrs_requantize(&p->q, (int32_t)acc, o);
        }
    }
}
