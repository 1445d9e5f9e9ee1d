/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_reduce_sum_portable.c - sums and means over any axes.
 */
#include "intrs_reduce.h"

/*
 * MEAN and SUM over any axes; the division by n is part of the multiplier. SUM takes bytes for unsigned ones
 * (docs/contract.md).
 */
void intrs_reduce_sum_portable(const struct intrs_reduce *p, const int8_t *input, int8_t *output)
{
    const int32_t mask = p->is_unsigned ? 0xFF : -1;

    INTRS_REDUCE(p, input, uint32_t sum = (uint32_t)p->offset, sum += (uint32_t)(v & mask),
                 *output++ = intrs_requantize(&p->q, (int32_t)sum, 0));
}
