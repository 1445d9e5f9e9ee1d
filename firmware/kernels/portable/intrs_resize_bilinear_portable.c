/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_resize_bilinear_portable.c - resizing by interpolation between four values.
 */
#include "intrs_kernels.h"

enum { ONE = 1024, HALF = 1 << 19, UNIT = 1 << 20 };

/* RESIZE_BILINEAR of raw values: weights of 2^20 in all, halves away from zero. */
void intrs_resize_bilinear_portable(const struct intrs_resize_bilinear *p, const int8_t *input, int8_t *output)
{
    for (int32_t oy = 0; oy < p->rows; oy++) {
        const int32_t *row = p->row + 3 * oy, down = row[2], up = ONE - down;
        for (int32_t ox = 0; ox < p->columns; ox++) {
            const int32_t *column = p->column + 3 * ox, right = column[2], left = ONE - right;
            const int8_t *a = input + row[0] + column[0], *b = input + row[0] + column[1];
            const int8_t *c = input + row[1] + column[0], *d = input + row[1] + column[1];
            for (int32_t i = 0; i < p->channels; i++) {
                const int32_t mixed = (a[i] * up + c[i] * down) * left + (b[i] * up + d[i] * down) * right;
                *output++ = (int8_t)((mixed > 0 ? mixed + HALF : mixed - HALF) / UNIT);
            }
        }
    }
}
