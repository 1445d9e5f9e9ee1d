/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_winograd4_filters.h - U = G g G^T of pairs of filters, where they lie in flash as int8.
 */
#ifndef INTRS_CONV2D_ARM_DSP_WINOGRAD4_FILTERS_H
#define INTRS_CONV2D_ARM_DSP_WINOGRAD4_FILTERS_H

#include "intrs_asm.h"
#include "intrs_arm_dsp_inline.h"

#if INTRS_ALL_REGISTERS
/*
 * Rows of G: 6 0 0 / 1 1 1 / 1 -1 1 / 1 2 4 / 1 -2 4 / 0 0 6, of r2 r3 r4 to r2 r5 r4 r7 r9 r8, both lanes apart; uses
 * r6 and r10.
 */
#define FILTER_1D                                                                                                      \
    "sadd16 r5, r2, r2\n"                                                                                              \
    "sadd16 r6, r4, r4\n"                                                                                              \
    "sadd16 r7, r2, r4\n"                                                                                              \
    "sadd16 r8, r6, r6\n"                                                                                              \
    "sadd16 r9, r3, r3\n"                                                                                              \
    "sadd16 r10, r2, r8\n"                                                                                             \
    "sadd16 r2, r2, r5\n"                                                                                              \
    "sadd16 r2, r2, r2\n"                                                                                              \
    "sadd16 r5, r7, r3\n"                                                                                              \
    "ssub16 r4, r7, r3\n"                                                                                              \
    "sadd16 r7, r10, r9\n"                                                                                             \
    "ssub16 r9, r10, r9\n"                                                                                             \
    "sadd16 r8, r6, r8\n"

/*
 * Three columns of taps (rows row_bytes apart, columns column_bytes), two channels of each word, to six rows of three.
 */
#define FILTER_COLUMNS(rotation)                                                                                       \
    "1:\n"                                                                                                             \
    "ldr r3, [r0, r11]\n"                                                                                              \
    "ldr r4, [r0, r11, lsl #1]\n"                                                                                      \
    "ldr r2, [r0]\n"                                                                                                   \
    "add r0, r12\n"                                                                                                    \
    "sxtb16 r3, r3" rotation "\n"                                                                                      \
    "sxtb16 r4, r4" rotation "\n"                                                                                      \
    "sxtb16 r2, r2" rotation "\n" FILTER_1D "cmp r0, lr\n"                                                             \
    "str r5, [r1, #12]\n"                                                                                              \
    "str r4, [r1, #24]\n"                                                                                              \
    "str r7, [r1, #36]\n"                                                                                              \
    "str r9, [r1, #48]\n"                                                                                              \
    "str r8, [r1, #60]\n"                                                                                              \
    "str r2, [r1], #4\n"                                                                                               \
    "bne 1b\n"
#define FILTER_COLUMN_OPERANDS                                                                                         \
    : "+r"(p), "+r"(to)                                                                                                \
    : "r"(row), "r"(column), "r"(end)                                                                                  \
    : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory"

static inline void filter_columns(const int8_t *weights, int32_t channels, uint32_t *middle, int odd)
{
    register const int8_t *p __asm__("r0") = weights;
    register uint32_t *to __asm__("r1") = middle;
    register int32_t row __asm__("r11") = 3 * channels;
    register int32_t column __asm__("r12") = channels;
    register const int8_t *end __asm__("lr") = weights + 3 * channels;
    if (odd) {
        __asm__ volatile(FILTER_COLUMNS(", ror #8") FILTER_COLUMN_OPERANDS);
    } else {
        __asm__ volatile(FILTER_COLUMNS("") FILTER_COLUMN_OPERANDS);
    }
}

/* Six rows of three to 36 positions, `position` words apart. */
static inline void filter_rows(const uint32_t *middle, uint32_t *u, int32_t position)
{
    register const uint32_t *p __asm__("r0") = middle;
    register uint32_t *to __asm__("r1") = u;
    register int32_t one __asm__("r11") = 4 * position;
    register int32_t six __asm__("r12") = 24 * position;
    register const uint32_t *end __asm__("lr") = middle + 18;
    /* clang-format off */
    __asm__ volatile("1:\n"
                     "ldm r0!, {r2, r3, r4}\n" FILTER_1D "add r3, r1, r11\n"
                     "cmp r0, lr\n"
                     "str r2, [r1]\n"
                     "str r5, [r1, r11]\n"
                     "str r4, [r1, r11, lsl #1]\n"
                     "str r7, [r3, r11, lsl #1]\n"
                     "str r9, [r1, r11, lsl #2]\n"
                     "str r8, [r3, r11, lsl #2]\n"
                     "add r1, r12\n"
                     "bne 1b\n"
                     : "+r"(p), "+r"(to)
                     : "r"(one), "r"(six), "r"(end)
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
    /* clang-format on */
}

#else
static inline void filter_1d(uint32_t a, uint32_t b, uint32_t c, uint32_t to[6])
{
    const uint32_t twice_a = intrs_sadd16(a, a), twice_b = intrs_sadd16(b, b), twice_c = intrs_sadd16(c, c);
    const uint32_t outer = intrs_sadd16(a, c), weighted = intrs_sadd16(a, intrs_sadd16(twice_c, twice_c));
    const uint32_t thrice_a = intrs_sadd16(a, twice_a);
    to[0] = intrs_sadd16(thrice_a, thrice_a);
    to[1] = intrs_sadd16(outer, b);
    to[2] = intrs_ssub16(outer, b);
    to[3] = intrs_sadd16(weighted, twice_b);
    to[4] = intrs_ssub16(weighted, twice_b);
    to[5] = intrs_sadd16(twice_c, intrs_sadd16(twice_c, twice_c));
}

static inline void filter_columns(const int8_t *weights, int32_t channels, uint32_t *middle, int odd)
{
    for (int32_t i = 0; i < 3; i++, weights += channels) {
        uint32_t g[3], to[6];
        for (int32_t j = 0; j < 3; j++) {
            const uint32_t x = intrs_load(weights + 3 * j * channels);
            g[j] = odd ? intrs_sxtb16_ror8(x) : intrs_sxtb16(x);
        }
        filter_1d(g[0], g[1], g[2], to);
        for (int32_t j = 0; j < 6; j++) {
            middle[3 * j + i] = to[j];
        }
    }
}

/* Six rows of three to 36 positions, `position` words apart. */
static inline void filter_rows(const uint32_t *middle, uint32_t *u, int32_t position)
{
    for (int32_t i = 0; i < 6; i++, middle += 3, u += 6 * position) {
        uint32_t to[6];
        filter_1d(middle[0], middle[1], middle[2], to);
        for (int32_t j = 0; j < 6; j++) {
            u[j * position] = to[j];
        }
    }
}
#endif

/* U = G g G^T of a pair of filters, from OHWI int8 (word aligned) to the order of the stream */
static __attribute__((noinline)) void transform_filters(const int8_t *weights, int32_t channels, uint32_t *u)
{
    uint32_t middle[18];
    for (int32_t f = 0; f < 2; f++, weights += 9 * channels) {
        for (int32_t c = 0; c < channels; c += 4) {
            filter_columns(weights + c, channels, middle, 0);
            filter_rows(middle, u + c + 2 * f, channels);
            filter_columns(weights + c, channels, middle, 1);
            filter_rows(middle, u + c + 2 * f + 1, channels);
        }
    }
}

#endif
