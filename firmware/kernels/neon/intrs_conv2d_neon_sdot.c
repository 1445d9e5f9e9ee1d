/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_neon_sdot.c - direct convolution with SDOT, four products of bytes a lane.
 */
#if defined(__aarch64__) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

/* From here on functions are for a CPU with the dot product. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

/* the image in a frame of its zero point that holds every window */
static void fill_frame(int8_t *frame, const int8_t *in, const struct intrs_window *w, int32_t zero_point, int32_t rows,
                       int32_t columns)
{
    const size_t row = (size_t)(columns * w->in_c), image_row = (size_t)(w->in_w * w->in_c),
                 left = (size_t)(w->pad_left * w->in_c);
    const size_t n = left + image_row <= row ? image_row : row - left;
    for (int32_t y = 0; y < rows; y++) {
        int32_t source = y - w->pad_top;
        int8_t *to = frame + (size_t)y * row;
        if (source < 0 || source >= w->in_h) {
            memset(to, zero_point, row);
            continue;
        }
        memset(to, zero_point, left);
        memcpy(to + left, in + (size_t)source * image_row, n);
        memset(to + left + n, zero_point, row - left - n);
    }
}

INTRS_INLINE int8x16_t quad(const int8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vreinterpretq_s8_s32(vdupq_n_s32(x));
}

/* four inputs of each of four pixels, times the weights of 16 channels */
#if defined(__clang__) &&                                                                                              \
    !defined(__ARM_FEATURE_DOTPROD) /* whose header knows the instruction by the command line alone */
#define DOT(acc, w, x, lane) __asm__("sdot %0.4s, %1.16b, %2.4b[" #lane "]" : "+w"(acc) : "w"(w), "w"(x))
#else
#define DOT(acc, w, x, lane) acc = vdotq_laneq_s32(acc, w, x, lane)
#endif
#define QUAD(u, lane)                                                                                                  \
    do {                                                                                                               \
        int8x16_t w0 = vld1q_s8(u), w1 = vld1q_s8((u) + 16), w2 = vld1q_s8((u) + 32), w3 = vld1q_s8((u) + 48);         \
        DOT(a0, w0, x0, lane);                                                                                         \
        DOT(a1, w1, x0, lane);                                                                                         \
        DOT(a2, w2, x0, lane);                                                                                         \
        DOT(a3, w3, x0, lane);                                                                                         \
        DOT(b0, w0, x1, lane);                                                                                         \
        DOT(b1, w1, x1, lane);                                                                                         \
        DOT(b2, w2, x1, lane);                                                                                         \
        DOT(b3, w3, x1, lane);                                                                                         \
        DOT(c0, w0, x2, lane);                                                                                         \
        DOT(c1, w1, x2, lane);                                                                                         \
        DOT(c2, w2, x2, lane);                                                                                         \
        DOT(c3, w3, x2, lane);                                                                                         \
        DOT(d0, w0, x3, lane);                                                                                         \
        DOT(d1, w1, x3, lane);                                                                                         \
        DOT(d2, w2, x3, lane);                                                                                         \
        DOT(d3, w3, x3, lane);                                                                                         \
    } while (0)

/*
 * Direct convolution by SDOT: 4 pixels x 16 channels of accumulators in registers. The input keeps its zero point: its
 * part of the sum is in the bias, and the border holds it. Scratch: 16 to align, then the frame as for
 * intrs_conv2d_neon, one byte a value, and 16 bytes past it.
 */
void intrs_conv2d_neon_sdot(const struct intrs_conv2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                            uint8_t *scratch)
{
    struct intrs_window w = p->w;
    batch = intrs_neon_flatten(&w, batch);
    const struct intrs_neon_runs r = intrs_neon_runs(&w);
    const size_t channels = (size_t)w.in_c, row = (size_t)r.columns * channels, out_c = (size_t)w.out_c;
    const int32_t pixels = w.out_h * w.out_w;
    int8_t *frame = (int8_t *)intrs_align16(scratch);
    memset(frame + (size_t)r.rows * row, 0, 16);

    for (int32_t image = 0; image < batch; image++) {
        fill_frame(frame, in + (size_t)image * (size_t)(w.in_h * w.in_w) * channels, &w, p->in_zero_point, r.rows,
                   r.columns);
        int8_t *to = out + (size_t)image * (size_t)pixels * out_c;
        for (size_t oc = 0; oc < out_c; oc += 16) {
            const int8_t *weights = (const int8_t *)p->weights + oc * (size_t)(r.runs * r.length);
            const int32_t *table = p->q.table + oc * INTRS_NEON_ROWS, *next = table + 8 * INTRS_NEON_ROWS;
            const int32x4_t s0 = vld1q_s32(table), s1 = vld1q_s32(table + 4), s2 = vld1q_s32(next),
                            s3 = vld1q_s32(next + 4);
            for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
                const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
                const int8_t *at[4];
                const int8_t *u = weights;
                int32x4_t a0 = s0, a1 = s1, a2 = s2, a3 = s3, b0 = s0, b1 = s1, b2 = s2, b3 = s3;
                int32x4_t c0 = s0, c1 = s1, c2 = s2, c3 = s3, d0 = s0, d1 = s1, d2 = s2, d3 = s3;
                for (int32_t i = 0; i < 4; i++) { /* past the last pixel: the last again */
                    int32_t k = pixel + (i < n ? i : n - 1);
                    at[i] = frame + (size_t)(k / w.out_w * w.stride_h) * row +
                            (size_t)(k % w.out_w * w.stride_w) * channels;
                }
                for (int32_t run = 0; run < r.runs; run++) {
                    size_t step =
                        (size_t)(run / r.taps * w.dilation_h) * row + (size_t)(run % r.taps * w.dilation_w) * channels;
                    const int8_t *p0 = at[0] + step, *p1 = at[1] + step, *p2 = at[2] + step, *p3 = at[3] + step;
                    int32_t k = 0;
                    for (; k + 16 <= r.length; k += 16, u += 256) {
                        int8x16_t x0 = vld1q_s8(p0 + k), x1 = vld1q_s8(p1 + k), x2 = vld1q_s8(p2 + k),
                                  x3 = vld1q_s8(p3 + k);
                        QUAD(u, 0);
                        QUAD(u + 64, 1);
                        QUAD(u + 128, 2);
                        QUAD(u + 192, 3);
                    }
                    for (; k < r.length; k += 4, u += 64) {
                        int8x16_t x0 = quad(p0 + k), x1 = quad(p1 + k), x2 = quad(p2 + k), x3 = quad(p3 + k);
                        QUAD(u, 0);
                    }
                }
                const int32x4_t acc[4][4] = {{a0, a1, a2, a3}, {b0, b1, b2, b3}, {c0, c1, c2, c3}, {d0, d1, d2, d3}};
                const int32_t some = w.out_c - (int32_t)oc;
                for (int32_t i = 0; i < n; i++) {
                    int8_t *pixel_out = to + (size_t)(pixel + i) * out_c + oc;
                    intrs_store_some(pixel_out, intrs_requant8(acc[i][0], acc[i][1], table, &p->q), some);
                    if (some > 8) {
                        intrs_store_some(pixel_out + 8, intrs_requant8(acc[i][2], acc[i][3], next, &p->q), some - 8);
                    }
                }
            }
        }
    }
}

#include "intrs_target_end.h"
#endif
