#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_conv2d_f4.h"

/* The convolution's clamp comes before the sum, as in the graph. out may be skip: each pixel is read before it is
 * written. */
void intrs_conv2d_f4_sum_avx2(const struct intrs_x86_f4_sum *p, int32_t batch, const int8_t *in, const int8_t *skip,
                              int8_t *out, uint8_t *scratch)
{
    intrs_f4_run(&p->conv, &p->sum, 1, batch, in, skip, out, scratch);
}

#include "intrs_target_end.h"
#endif
