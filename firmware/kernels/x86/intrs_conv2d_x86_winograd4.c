/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_x86_winograd4.c - 3x3 convolution, stride 1, by Winograd's F(4x4, 3x3).
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_conv2d_x86_winograd4.h"

void intrs_conv2d_x86_winograd4(const struct intrs_conv2d_x86_winograd4 *p, int32_t batch, const int8_t *in,
                                int8_t *out, uint8_t *scratch)
{
    if (intrs_away(&p->q)) {
        intrs_winograd4_run(p, NULL, 1, batch, in, NULL, out, scratch);
    } else {
        intrs_winograd4_run(p, NULL, 0, batch, in, NULL, out, scratch);
    }
}

#include "intrs_target_end.h"
#endif
