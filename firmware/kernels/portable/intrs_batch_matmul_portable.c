/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_batch_matmul_portable.c - products of two matrices, of values or constants.
 */
#include "intrs_requant.h"

/* BATCH_MATMUL of two values, whichever way they lie. */
void intrs_batch_matmul_portable(const struct intrs_batch_matmul *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    for (int32_t i = 0; i < p->batch[0]; i++) {
        for (int32_t j = 0; j < p->batch[1]; j++) {
            for (int32_t k = 0; k < p->batch[2]; k++) {
                for (int32_t l = 0; l < p->batch[3]; l++) {
                    const int8_t *left = a + i * p->a_step[0] + j * p->a_step[1] + k * p->a_step[2] + l * p->a_step[3];
                    const int8_t *right = b + i * p->b_step[0] + j * p->b_step[1] + k * p->b_step[2] + l * p->b_step[3];
                    for (int32_t row = 0; row < p->rows; row++) {
                        for (int32_t column = 0; column < p->columns; column++) {
                            const int8_t *u = left + row * p->a_row, *v = right + column * p->b_column;
                            uint32_t acc = 0;
                            for (int32_t d = 0; d < p->depth; d++, u += p->a_depth, v += p->b_depth) {
                                acc += (uint32_t)((*u - p->zero_point[0]) * (*v - p->zero_point[1]));
                            }
                            *output++ = intrs_requantize(&p->q, (int32_t)acc, 0);
                        }
                    }
                }
            }
        }
    }
}
