/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_gather_portable.c - values by tables of offsets, one an axis.
 */
#include "intrs_kernels.h"

void intrs_gather_portable(const struct intrs_gather *p, const int8_t *input, int8_t *output)
{
    const int32_t *const *at = p->offset;

    for (int32_t a = 0; a < p->extent[0]; a++) {
        for (int32_t b = 0; b < p->extent[1]; b++) {
            for (int32_t c = 0; c < p->extent[2]; c++) {
                for (int32_t d = 0; d < p->extent[3]; d++) {
                    for (int32_t e = 0; e < p->extent[4]; e++) {
                        const int8_t *in = input + at[0][a] + at[1][b] + at[2][c] + at[3][d] + at[4][e];
                        for (int32_t f = 0; f < p->extent[5]; f++) {
                            *output++ = in[at[5][f]];
                        }
                    }
                }
            }
        }
    }
}
