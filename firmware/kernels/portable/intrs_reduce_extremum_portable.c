/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_reduce_extremum_portable.c - largest or smallest values over any axes.
 */
#include "intrs_reduce.h"

/* REDUCE_MAX and REDUCE_MIN of raw values over any axes. */
void intrs_reduce_extremum_portable(const struct intrs_reduce *p, const int8_t *input, int8_t *output)
{
    INTRS_REDUCE(p, input, int8_t best = *at, best = (v > best) == (p->maximum != 0) ? v : best, *output++ = best);
}
