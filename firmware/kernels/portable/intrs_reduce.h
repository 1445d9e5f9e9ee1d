/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_reduce.h - walks the values that become one output: INTRS_REDUCE(p, input, start, each, finish) runs start,
 * then each for every value v, then finish, output by output in order.
 */
#ifndef INTRS_REDUCE_H
#define INTRS_REDUCE_H

#include "intrs_requant.h"

#define INTRS_REDUCE(p, input, start, each, finish)                                                                    \
    for (int32_t i = 0; i < (p)->extent[0]; i++) {                                                                     \
        for (int32_t j = 0; j < (p)->extent[1]; j++) {                                                                 \
            for (int32_t k = 0; k < (p)->extent[2]; k++) {                                                             \
                const int8_t *at = (input) + i * (p)->stride[0] + j * (p)->stride[1] + k * (p)->stride[2];             \
                start;                                                                                                 \
                for (int32_t x = 0; x < (p)->over[0]; x++) {                                                           \
                    for (int32_t y = 0; y < (p)->over[1]; y++) {                                                       \
                        const int8_t *row = at + x * (p)->step[0] + y * (p)->step[1];                                  \
                        for (int32_t z = 0; z < (p)->over[2]; z++, row += (p)->step[2]) {                              \
                            const int8_t v = *row;                                                                     \
                            each;                                                                                      \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
                finish;                                                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }

#endif
