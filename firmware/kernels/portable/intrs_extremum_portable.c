/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_extremum_portable.c - the larger or the smaller of two values, with broadcasting.
 */
#include "intrs_elementwise.h"

/* MAXIMUM and MINIMUM of raw values: operands and output have one scale. */
void intrs_extremum_portable(const struct intrs_extremum *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    INTRS_ELEMENTWISE(p->broadcast, p->n, { output[k] = (a[i] > b[j]) == (p->maximum != 0) ? a[i] : b[j]; });
}
