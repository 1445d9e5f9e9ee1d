/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_winograd4_input.h - V = B^T d B of 6x6 inputs, four channels at a time.
 */
#ifndef INTRS_CONV2D_ARM_DSP_WINOGRAD4_INPUT_H
#define INTRS_CONV2D_ARM_DSP_WINOGRAD4_INPUT_H

#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

#if INTRS_ALL_REGISTERS
/*
 * Rows of B^T: 4 0 -5 0 1 0 / 0 -4 -4 1 1 0 / 0 4 -4 -1 1 0 / 0 -2 -1 2 1 0 / 0 2 -1 -2 1 0 / 0 4 0 -5 0 1, from r2-r7
 * to r2-r7 in twelve instructions; uses r8-r10. (gcc finds neither the shifted operands' order nor the block
 * transfers.)
 */
#define INPUT_1D                                                                                                       \
    "sub r2, r2, r4\n"                                                                                                 \
    "sub r8, r6, r4, lsl #2\n"                                                                                         \
    "sub r6, r6, r4\n"                                                                                                 \
    "sub r9, r5, r3, lsl #2\n"                                                                                         \
    "sub r10, r5, r3\n"                                                                                                \
    "sub r7, r7, r5\n"                                                                                                 \
    "add r2, r6, r2, lsl #2\n"                                                                                         \
    "sub r7, r7, r10, lsl #2\n"                                                                                        \
    "add r3, r8, r9\n"                                                                                                 \
    "sub r4, r8, r9\n"                                                                                                 \
    "add r5, r6, r10, lsl #1\n"                                                                                        \
    "sub r6, r6, r10, lsl #1\n"

/*
 * Six pixels (r11 bytes apart) of two channels, + 128 (r12; lr for the last two) without carry between the lanes; a row
 * after another.
 */
#define INPUT_ROWS(rotation)                                                                                           \
    "1:\n"                                                                                                             \
    "add r8, r0, r11\n"                                                                                                \
    "ldr r2, [r0]\n"                                                                                                   \
    "ldr r3, [r0, r11]\n"                                                                                              \
    "ldr r4, [r0, r11, lsl #1]\n"                                                                                      \
    "ldr r5, [r8, r11, lsl #1]\n"                                                                                      \
    "ldr r6, [r0, r11, lsl #2]\n"                                                                                      \
    "ldr r7, [r8, r11, lsl #2]\n"                                                                                      \
    "ldr r8, %[row]\n"                                                                                                 \
    "sxtab16 r2, r12, r2" rotation "\n"                                                                                \
    "sxtab16 r3, r12, r3" rotation "\n"                                                                                \
    "sxtab16 r4, r12, r4" rotation "\n"                                                                                \
    "sxtab16 r5, r12, r5" rotation "\n"                                                                                \
    "sxtab16 r6, lr, r6" rotation "\n"                                                                                 \
    "sxtab16 r7, lr, r7" rotation "\n"                                                                                 \
    "add r0, r8\n" INPUT_1D "ldr r8, %[end]\n"                                                                         \
    "stm r1!, {r2-r7}\n"                                                                                               \
    "cmp r1, r8\n"                                                                                                     \
    "bne 1b\n"

#define INPUT_OPERANDS                                                                                                 \
    : "+r"(p), "+r"(to)                                                                                                \
    : "r"(step), "r"(base), "r"(tail), [row] "m"(row_bytes), [end] "m"(end)                                            \
    : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory"

/* `rows` rows of a tile, both lanes 0 and 2 or, odd, 1 and 3; corner is added to the last two pixels */
static inline void input_rows(const uint8_t *from, int32_t row_bytes, int32_t pixel_bytes, uint32_t *middle,
                              int32_t rows, uint32_t corner, int odd)
{
    register const uint8_t *p __asm__("r0") = from;
    register uint32_t *to __asm__("r1") = middle;
    register int32_t step __asm__("r11") = pixel_bytes;
    register uint32_t base __asm__("r12") = 0x00800080U;
    register uint32_t tail __asm__("lr") = corner;
    const uint32_t *end = middle + 6 * rows;
    if (odd) {
        __asm__ volatile(INPUT_ROWS(", ror #8") INPUT_OPERANDS);
    } else {
        __asm__ volatile(INPUT_ROWS("") INPUT_OPERANDS);
    }
}

/* The middle buffer's columns to 36 positions, `position` words apart. */
static inline void input_columns(const uint32_t *middle, uint32_t *v, int32_t position)
{
    register const uint32_t *p __asm__("r0") = middle;
    register uint32_t *to __asm__("r1") = v;
    register int32_t six __asm__("r11") = 24 * position;
    register int32_t one __asm__("r12") = 4 * position;
    register const uint32_t *end __asm__("lr") = middle + 6;
    /* clang-format off */
    __asm__ volatile("1:\n"
                     "ldr r3, [r0, #24]\n"
                     "ldr r4, [r0, #48]\n"
                     "ldr r5, [r0, #72]\n"
                     "ldr r6, [r0, #96]\n"
                     "ldr r7, [r0, #120]\n"
                     "ldr r2, [r0], #4\n" INPUT_1D "add r8, r1, r11\n"
                     "cmp r0, lr\n"
                     "str r2, [r1]\n"
                     "str r3, [r1, r11]\n"
                     "str r4, [r1, r11, lsl #1]\n"
                     "str r5, [r8, r11, lsl #1]\n"
                     "str r6, [r1, r11, lsl #2]\n"
                     "str r7, [r8, r11, lsl #2]\n"
                     "add r1, r12\n"
                     "bne 1b\n"
                     : "+r"(p), "+r"(to)
                     : "r"(six), "r"(one), "r"(end)
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
    /* clang-format on */
}

#else
static inline void input_1d(uint32_t d[6])
{
    const uint32_t a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], e = d[4] - d[2], f = d[3] - d[1];
    d[0] = e + 4 * (d[0] - d[2]);
    d[5] = d[5] - d[3] - 4 * f;
    d[1] = a + b;
    d[2] = a - b;
    d[3] = e + 2 * f;
    d[4] = e - 2 * f;
}

/* `rows` rows of a tile, both lanes 0 and 2 or, odd, 1 and 3; corner is added to the last two pixels */
static inline void input_rows(const uint8_t *from, int32_t row_bytes, int32_t pixel_bytes, uint32_t *middle,
                              int32_t rows, uint32_t corner, int odd)
{
    for (; rows > 0; rows--, from += row_bytes, middle += 6) {
        for (int32_t i = 0; i < 6; i++) {
            const uint32_t x = intrs_load(from + i * pixel_bytes);
            middle[i] = intrs_sadd16(odd ? intrs_sxtb16_ror8(x) : intrs_sxtb16(x), i < 4 ? 0x00800080U : corner);
        }
        input_1d(middle);
    }
}

/* The middle buffer's columns to 36 positions, `position` words apart. */
static inline void input_columns(const uint32_t *middle, uint32_t *v, int32_t position)
{
    for (int32_t i = 0; i < 6; i++, v += position) {
        uint32_t d[6];
        for (int32_t j = 0; j < 6; j++) {
            d[j] = middle[6 * j + i];
        }
        input_1d(d);
        for (int32_t j = 0; j < 6; j++) {
            v[6 * j * position] = d[j];
        }
    }
}
#endif

/*
 * Four channels at a time of a 6x6 tile; pixels pixel_bytes apart, rows row_bytes. v: the tile's words of the first
 * position.
 */
static __attribute__((noinline)) void transform_input(const uint8_t *from, int32_t row_bytes, int32_t pixel_bytes,
                                                      int32_t channels, uint32_t *v, uint32_t *middle)
{
    const int32_t position = channels; /* words: (channels / 4) * 4 */
    for (int32_t c = 0; c < channels; c += 4, from += 4, v += 4) {
        input_rows(from, row_bytes, pixel_bytes, middle, 4, 0x00800080U, 0);
        input_rows(from + 4 * row_bytes, row_bytes, pixel_bytes, middle + 24, 2, 0x00804080U, 0);
        input_columns(middle, v, position);
        input_rows(from, row_bytes, pixel_bytes, middle, 4, 0x00800080U, 1);
        input_rows(from + 4 * row_bytes, row_bytes, pixel_bytes, middle + 24, 2, 0x00804080U, 1);
        input_columns(middle, v + 1, position);
        /* 36 * 128: takes the 128 off again, which only position (1, 1) sees */
        v[7 * position] -= 0x12001200U;
        v[7 * position + 1] -= 0x12001200U;
    }
}

/* A tile that hangs over the image's edge: copied with the zero point around it. */
static __attribute__((noinline)) void gather_tile(const struct intrs_window *w, int32_t zero_point, const int8_t *in,
                                                  int32_t y0, int32_t x0, uint8_t *to)
{
    const int32_t c = w->in_c;
    const int32_t left = x0 < 0 ? -x0 : 0;
    const int32_t inside = (x0 + 6 < w->in_w ? 6 : w->in_w - x0) - left;
    for (int32_t y = y0; y < y0 + 6; y++, to += 6 * c) {
        __builtin_memset(to, zero_point, (uint32_t)(6 * c));
        if (y >= 0 && y < w->in_h && inside > 0) {
            __builtin_memcpy(to + left * c, in + (y * w->in_w + x0 + left) * c, (uint32_t)(inside * c));
        }
    }
}

#endif
