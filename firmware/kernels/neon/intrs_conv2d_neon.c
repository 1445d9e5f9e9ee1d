/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_neon.c - direct convolution with int16 products.
 */
#if defined(__ARM_NEON) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

/* the image as int16 without its zero point, in a frame of zeros that holds every window */
static void fill_frame(int16_t *frame, const int8_t *in, const struct intrs_window *w, int32_t zero_point, int32_t rows,
                       int32_t columns)
{
    const size_t row = (size_t)columns * (size_t)w->in_c, image_row = (size_t)w->in_w * (size_t)w->in_c;
    const size_t left = (size_t)w->pad_left * (size_t)w->in_c;
    const size_t n = left + image_row <= row ? image_row : row - left;
    const int8x8_t zero = vdup_n_s8((int8_t)zero_point);
    for (int32_t y = 0; y < rows; y++) {
        int32_t source = y - w->pad_top;
        int16_t *to = frame + (size_t)y * row;
        if (source < 0 || source >= w->in_h) {
            memset(to, 0, row * sizeof *to);
            continue;
        }
        const int8_t *from = in + (size_t)source * image_row;
        size_t i = 0;
        memset(to, 0, left * sizeof *to);
        for (; i + 8 <= n; i += 8) {
            vst1q_s16(to + left + i, vsubl_s8(vld1_s8(from + i), zero));
        }
        for (; i < n; i++) {
            to[left + i] = (int16_t)(from[i] - zero_point);
        }
        memset(to + left + n, 0, (row - left - n) * sizeof *to);
    }
}

/*
 * Direct convolution: 4 pixels x 8 channels of accumulators in registers, SMLAL by lane.
 * Scratch: 16 to align, then the frame of ((out_h - 1) stride_h + (filter_h - 1) dilation_h + 1) rows by as many
 * columns, in_c int16 each, and 16 bytes past it, which a padded run reads (times zero weights). A 1x1 image takes the
 * whole batch as one row.
 */
void intrs_conv2d_neon(const struct intrs_conv2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                       uint8_t *scratch)
{
    struct intrs_window w = p->w;
    batch = intrs_neon_flatten(&w, batch);
    const struct intrs_neon_runs r = intrs_neon_runs(&w);
    const size_t channels = (size_t)w.in_c, row = (size_t)r.columns * channels, out_c = (size_t)w.out_c;
    const int32_t pixels = w.out_h * w.out_w;
    int16_t *frame = (int16_t *)(void *)intrs_align16(scratch);
    memset(frame + (size_t)r.rows * row, 0, 16);

    for (int32_t image = 0; image < batch; image++) {
        fill_frame(frame, in + (size_t)image * (size_t)(w.in_h * w.in_w) * channels, &w, p->in_zero_point, r.rows,
                   r.columns);
        int8_t *to = out + (size_t)image * (size_t)pixels * out_c;
        for (size_t oc = 0; oc < out_c; oc += 8) {
            const int16_t *weights = (const int16_t *)p->weights + oc * (size_t)(r.runs * r.length);
            const int32_t *table = p->q.table + oc * INTRS_NEON_ROWS;
            const int32x4_t lo = vld1q_s32(table), hi = vld1q_s32(table + 4);
            for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
                const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
                const int16_t *at[4];
                int32x4_t acc[8] = {lo, hi, lo, hi, lo, hi, lo, hi};
                for (int32_t i = 0; i < 4; i++) { /* past the last pixel: the last again */
                    int32_t k = pixel + (i < n ? i : n - 1);
                    at[i] = frame + (size_t)(k / w.out_w * w.stride_h) * row +
                            (size_t)(k % w.out_w * w.stride_w) * channels;
                }
                for (int32_t run = 0; run < r.runs; run++) {
                    size_t step =
                        (size_t)(run / r.taps * w.dilation_h) * row + (size_t)(run % r.taps * w.dilation_w) * channels;
                    intrs_product_4x8(acc, at[0] + step, at[1] + step, at[2] + step, at[3] + step,
                                      weights + (size_t)(run * r.length) * 8, r.length / 4);
                }
                for (int32_t i = 0; i < n; i++) {
                    int8x8_t v = intrs_requant8(acc[2 * i], acc[2 * i + 1], table, &p->q);
                    intrs_store_some(to + (size_t)(pixel + i) * out_c + oc, v, w.out_c - (int32_t)oc);
                }
            }
        }
    }
}
#endif
