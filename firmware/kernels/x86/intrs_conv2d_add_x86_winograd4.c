/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_add_x86_winograd4.c - the same convolution and the sum behind it.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_conv2d_x86_winograd4.h"

/*
 * The convolution's clamp comes before the sum, as in the graph. out may be skip: each pixel is read before it is
 * written.
 */
void intrs_conv2d_add_x86_winograd4(const struct intrs_conv2d_add_x86_winograd4 *p, int32_t batch, const int8_t *in,
                                    const int8_t *skip, int8_t *out, uint8_t *scratch)
{
    intrs_winograd4_run(&p->conv, &p->sum, 1, batch, in, skip, out, scratch);
}

#include "intrs_target_end.h"
#endif
