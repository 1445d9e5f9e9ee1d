/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_elementwise.h - walks the operands of a broadcasting kernel: INTRS_ELEMENTWISE(b, n, expression in i, j, k)
 * evaluates the expression for every output index k, in order, with i and j the indices in the operands.
 */
#ifndef INTRS_ELEMENTWISE_H
#define INTRS_ELEMENTWISE_H

#include "intrs_requant.h"

#define INTRS_ELEMENTWISE(b, n, statement)                                                                             \
    do {                                                                                                               \
        if (!(b)) {                                                                                                    \
            for (int32_t k = 0; k < (n); k++) {                                                                        \
                const int32_t i = k, j = k;                                                                            \
                statement;                                                                                             \
            }                                                                                                          \
            break;                                                                                                     \
        }                                                                                                              \
        int32_t k = 0;                                                                                                 \
        for (int32_t e0 = 0; e0 < (b)->extent[0]; e0++) {                                                              \
            for (int32_t e1 = 0; e1 < (b)->extent[1]; e1++) {                                                          \
                for (int32_t e2 = 0; e2 < (b)->extent[2]; e2++) {                                                      \
                    int32_t i = e0 * (b)->stride[0][0] + e1 * (b)->stride[0][1] + e2 * (b)->stride[0][2];              \
                    int32_t j = e0 * (b)->stride[1][0] + e1 * (b)->stride[1][1] + e2 * (b)->stride[1][2];              \
                    for (int32_t e3 = 0; e3 < (b)->extent[3]; e3++) {                                                  \
                        statement;                                                                                     \
                        k++;                                                                                           \
                        i += (b)->stride[0][3];                                                                        \
                        j += (b)->stride[1][3];                                                                        \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#endif
