/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_winograd4_output.h - A^T M A of a tile, requantised, and added to another tensor where the
 * kernel does.
 */
#ifndef INTRS_CONV2D_ARM_DSP_WINOGRAD4_OUTPUT_H
#define INTRS_CONV2D_ARM_DSP_WINOGRAD4_OUTPUT_H

#include "intrs_asm.h"
#include "intrs_arm_dsp_fused.h"
#include "intrs_arm_dsp_inline.h"

#define INVERSE_OF_9 0x38E38E39U

/* A^T with G's signs: o0 = 24 y.., o1 = 12 y.., o2 = o3 = 6 y.. */
#define OUTPUT_1D(m0, m1, m2, m3, m4, m5, o0, o1, o2, o3)                                                              \
    const uint32_t s_ = (m1) + (m2), d_ = (m1) - (m2), p_ = (m3) + (m4), q_ = (m3) - (m4);                             \
    const uint32_t o0 = (m0) + p_ - (s_ << 2);                                                                         \
    const uint32_t o1 = q_ - (d_ << 1);                                                                                \
    const uint32_t o2 = p_ - s_;                                                                                       \
    const uint32_t o3 = (m5) + (q_ << 1) - d_

struct filter {
    uint32_t bias, correction[4];
    int32_t multiplier, addend, shift;
};

struct place {
    int32_t row_bytes, pixel_bytes;
};

static inline int32_t requant64(uint32_t y64, int32_t multiplier, int32_t addend, int32_t shift, int linear)
{
    int32_t h = intrs_smmla((int32_t)y64, multiplier, addend);
    if (linear) {
        h += ((int32_t)y64 >> 31) * 32;
    }
    return intrs_ssat8(h >> shift);
}

/* Row i of a tile. It is 3 * 2^(3, 2, 1, 1) y, and so is column j: k makes it 64 y. */
static inline void output_row(const uint32_t *t, const struct filter *f, int8_t *to, int32_t pixel_bytes, uint32_t k,
                              uint32_t correction2, uint32_t correction3, int linear)
{
    OUTPUT_1D(t[0], t[4], t[8], t[12], t[16], t[20], a, b, c, d);
    to[0] = (int8_t)requant64(a * k, f->multiplier, f->addend, f->shift, linear);
    to[pixel_bytes] = (int8_t)requant64(b * (k << 1), f->multiplier, f->addend, f->shift, linear);
    to += 2 * pixel_bytes;
    to[0] = (int8_t)requant64(c * (k << 2) - correction2, f->multiplier, f->addend, f->shift, linear);
    to[pixel_bytes] = (int8_t)requant64(d * (k << 2) - correction3, f->multiplier, f->addend, f->shift, linear);
}

/* The columns of M, every fourth word, by A^T to four words each: in assembly for the block transfer. */
static inline void output_columns(const uint32_t *m, uint32_t *middle)
{
#if INTRS_ALL_REGISTERS
    const uint32_t *end = m + 24;
    __asm__ volatile("1:\n"
                     "ldr r3, [%[m], #96]\n"
                     "ldr r4, [%[m], #192]\n"
                     "ldr r5, [%[m], #288]\n"
                     "ldr r6, [%[m], #384]\n"
                     "ldr r8, [%[m], #480]\n"
                     "ldr r2, [%[m]], #16\n"
                     "add r9, r3, r4\n"
                     "sub r3, r3, r4\n"
                     "add r4, r5, r6\n"
                     "sub r5, r5, r6\n"
                     "add r2, r2, r4\n"
                     "add r8, r8, r5, lsl #1\n"
                     "sub r2, r2, r9, lsl #2\n"
                     "sub r6, r8, r3\n"
                     "sub r3, r5, r3, lsl #1\n"
                     "sub r4, r4, r9\n"
                     "cmp %[m], %[end]\n"
                     "stm %[to]!, {r2, r3, r4, r6}\n"
                     "bne 1b\n"
                     : [m] "+r"(m), [to] "+r"(middle)
                     : [end] "r"(end)
                     : "r2", "r3", "r4", "r5", "r6", "r8", "r9", "cc", "memory");
#else
    for (int32_t i = 0; i < 6; i++, m += 4, middle += 4) {
        OUTPUT_1D(m[0], m[24], m[48], m[72], m[96], m[120], a, b, c, d);
        middle[0] = a;
        middle[1] = b;
        middle[2] = c;
        middle[3] = d;
    }
#endif
}

/* One tile of one filter. m: every fourth word. */
static inline void output_tile(const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place,
                               int linear)
{
    uint32_t middle[24];
    output_columns(m, middle);
    const int32_t row = place->row_bytes, pixel = place->pixel_bytes;
    output_row(middle, f, to, pixel, INVERSE_OF_9, 0, 0, linear);
    to += row;
    output_row(middle + 1, f, to, pixel, INVERSE_OF_9 << 1, 0, 0, linear);
    to += row;
    for (int32_t i = 0; i < 2; i++, to += row) {
        output_row(middle + 2 + i, f, to, pixel, INVERSE_OF_9 << 2, f->correction[2 * i], f->correction[2 * i + 1],
                   linear);
    }
}

static __attribute__((noinline)) void output_linear(const uint32_t *m, const struct filter *f, int8_t *to,
                                                    const struct place *place)
{
    output_tile(m, f, to, place, 1);
}

static __attribute__((noinline)) void output_relu(const uint32_t *m, const struct filter *f, int8_t *to,
                                                  const struct place *place)
{
    output_tile(m, f, to, place, 0);
}

/* One of the two; calls by name keep the call graph, and with it the stack bound, static. */
static inline void output(int linear, const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place)
{
    if (linear) {
        output_linear(m, f, to, place);
    } else {
        output_relu(m, f, to, place);
    }
}

/* A tile that hangs over the edge of the output. */
static __attribute__((noinline)) void output_part(int linear, const uint32_t *m, const struct filter *f, int8_t *to,
                                                  const struct place *place, int32_t rows, int32_t columns)
{
    int8_t tile[16];
    static const struct place packed = {4, 1};
    output(linear, m, f, tile, &packed);
    for (int32_t i = 0; i < 4 && i < rows; i++) {
        for (int32_t j = 0; j < 4 && j < columns; j++) {
            to[i * place->row_bytes + j * place->pixel_bytes] = tile[4 * i + j];
        }
    }
}

/* A tile, or what of it exists, plus the other operand of an addition; the arithmetic of intrs_add_arm_dsp. */
static inline __attribute__((always_inline)) void add_tile(const struct intrs_add_arm_dsp *s, const int8_t *tile,
                                                           const int8_t *other, int8_t *to, const struct place *place,
                                                           int32_t rows, int32_t columns, int second)
{
    const int32_t *table = s->table;
    const int32_t multiplier = s->multiplier, addend = s->addend, shift = s->shift;
    const int32_t linear = s->linear;
    const int32_t pixel = place->pixel_bytes, row = place->row_bytes - columns * pixel;
    for (int32_t i = 0; i < rows; i++, tile += 4, to += row, other += row) {
#pragma GCC unroll 4
        for (int32_t j = 0; j < columns; j++, to += pixel, other += pixel) {
            const uint8_t a = second ? (uint8_t)*other : (uint8_t)tile[j];
            const int32_t b = second ? tile[j] : *other;
            const int32_t x = table[a] + b * (1 << 20);
            int32_t h = intrs_smmlar(x, multiplier, addend);
            if (linear) {
                h += x >> 31;
            }
            *to = (int8_t)intrs_ssat8(h >> shift);
        }
    }
}

/* The result goes into an addition, whose operand and sum lie at the same place. */
static __attribute__((noinline)) void output_sum(const struct intrs_conv2d_add_arm_dsp_winograd4 *p, const uint32_t *m,
                                                 const struct filter *f, const int8_t *other, int8_t *to,
                                                 const struct place *place, int32_t rows, int32_t columns)
{
    int8_t tile[16];
    static const struct place packed = {4, 1};
    output(p->conv.linear, m, f, tile, &packed);
    if (p->conv.min > -128 || p->conv.max < 127) {
        intrs_clamp_arm_dsp(tile, 16, p->conv.min, p->conv.max);
    }
    if (rows < 4 || columns < 4) {
        add_tile(&p->add, tile, other, to, place, rows < 4 ? rows : 4, columns < 4 ? columns : 4, p->second);
    } else if (p->second) {
        add_tile(&p->add, tile, other, to, place, 4, 4, 1);
    } else {
        add_tile(&p->add, tile, other, to, place, 4, 4, 0);
    }
}

#endif
