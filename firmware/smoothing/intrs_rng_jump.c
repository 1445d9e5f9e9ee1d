/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_rng_jump.c - the generator's state 2^k streams further on.
 */
#include "intrs_noise.h"

void intrs_rng_jump(struct intrs_rng *r, const uint32_t polynomial[4])
{
    /*
     * horner's rule would need the reverse order; summing step^b over the set bits b needs one pass and no second state
     * table
     */
    struct intrs_rng total = {{0, 0, 0, 0}};
    for (int word = 0; word < 4; word++) {
        for (int bit = 0; bit < 32; bit++) {
            if ((polynomial[word] >> bit) & 1u) {
                for (int k = 0; k < 4; k++) {
                    total.s[k] ^= r->s[k];
                }
            }
            intrs_rng_step(r);
        }
    }
    *r = total;
}
