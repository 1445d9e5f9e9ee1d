/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_x86.c - direct convolution with int16 products.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_x86_inline.h"

/* one output pixel group: where each of four pixels' windows starts in the frame */
struct group {
    const int16_t *at[4];
};

/* 4 pixels x 16 channels; acc[8]: two vectors a pixel. Runs lie run_step values apart in the frame. */
INTRS_INLINE void product(__m256i acc[8], const struct group *g, const int16_t *u, int32_t runs, const size_t *run_at,
                          int32_t pairs, const int32_t *table)
{
    __m256i a0 = intrs_load(table), b0 = intrs_load(table + 8);
    __m256i a1 = a0, b1 = b0, a2 = a0, b2 = b0, a3 = a0, b3 = b0;
    for (int32_t r = 0; r < runs; r++) {
        const int16_t *p0 = g->at[0] + run_at[r], *p1 = g->at[1] + run_at[r];
        const int16_t *p2 = g->at[2] + run_at[r], *p3 = g->at[3] + run_at[r];
        for (int32_t k = 0; k < pairs; k++) {
            __m256i ua = intrs_load(u), ub = intrs_load(u + 16);
            __m256i x = intrs_pair(p0 + 2 * k);
            a0 = _mm256_add_epi32(a0, _mm256_madd_epi16(x, ua));
            b0 = _mm256_add_epi32(b0, _mm256_madd_epi16(x, ub));
            x = intrs_pair(p1 + 2 * k);
            a1 = _mm256_add_epi32(a1, _mm256_madd_epi16(x, ua));
            b1 = _mm256_add_epi32(b1, _mm256_madd_epi16(x, ub));
            x = intrs_pair(p2 + 2 * k);
            a2 = _mm256_add_epi32(a2, _mm256_madd_epi16(x, ua));
            b2 = _mm256_add_epi32(b2, _mm256_madd_epi16(x, ub));
            x = intrs_pair(p3 + 2 * k);
            a3 = _mm256_add_epi32(a3, _mm256_madd_epi16(x, ua));
            b3 = _mm256_add_epi32(b3, _mm256_madd_epi16(x, ub));
            u += 32;
        }
    }
    acc[0] = a0, acc[1] = b0, acc[2] = a1, acc[3] = b1, acc[4] = a2, acc[5] = b2, acc[6] = a3, acc[7] = b3;
}

/* the image as int16 without its zero point, in a frame of zeros that holds every window */
static void fill_frame(int16_t *frame, const int8_t *in, const struct intrs_window *w, int32_t zero_point, int32_t rows,
                       int32_t columns)
{
    const __m256i zero = _mm256_set1_epi16((int16_t)zero_point);
    const size_t row = (size_t)columns * (size_t)w->in_c, image_row = (size_t)w->in_w * (size_t)w->in_c;
    const size_t left = (size_t)w->pad_left * (size_t)w->in_c;
    const size_t n = left + image_row <= row ? image_row : row - left;
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
        for (; i + 16 <= n; i += 16) {
            intrs_store(to + left + i, _mm256_sub_epi16(intrs_widen(from + i), zero));
        }
        for (; i < n; i++) {
            to[left + i] = (int16_t)(from[i] - zero_point);
        }
        memset(to + left + n, 0, (row - left - n) * sizeof *to);
    }
}

/*
 * Direct convolution: 4 pixels x 16 channels of accumulators in registers, pairs of inputs by vpmaddwd.
 * Scratch: 64 to align, 8 bytes a run, then the frame of ((out_h - 1) stride_h + (filter_h - 1) dilation_h + 1) rows by
 * as many columns, in_c int16 each, and 64 bytes past it, which an odd run reads (times a zero weight). A 1x1 image
 * takes the whole batch as one row.
 */
void intrs_conv2d_x86(const struct intrs_conv2d_x86 *p, int32_t batch, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    struct intrs_window w = p->w;
    if (w.in_h * w.in_w == 1 && w.filter_h * w.filter_w == 1) { /* fully connected: images are pixels */
        w.in_w = batch;
        w.out_w = batch;
        w.stride_w = 1;
        batch = 1;
    }
    const int32_t rows = (w.out_h - 1) * w.stride_h + (w.filter_h - 1) * w.dilation_h + 1;
    const int32_t columns = (w.out_w - 1) * w.stride_w + (w.filter_w - 1) * w.dilation_w + 1;
    const int32_t taps = w.dilation_w > 1 ? w.filter_w : 1; /* runs in a filter row */
    const int32_t runs = w.filter_h * taps, pairs = ((w.dilation_w > 1 ? 1 : w.filter_w) * w.in_c + 1) / 2;
    const size_t channels = (size_t)w.in_c, row = (size_t)columns * channels;
    const size_t in_bytes = (size_t)(w.in_h * w.in_w) * channels, out_c = (size_t)w.out_c;
    const int32_t pixels = w.out_h * w.out_w;
    const struct intrs_x86_out clamp = intrs_x86_out(&p->q);
    size_t *run_at = (size_t *)(void *)intrs_align64(scratch);
    int16_t *frame = (int16_t *)(void *)(run_at + runs);
    memset(frame + (size_t)rows * row, 0, 64);
    for (int32_t r = 0; r < runs; r++) {
        run_at[r] = (size_t)(r / taps * w.dilation_h) * row + (size_t)(r % taps * w.dilation_w) * channels;
    }

    for (int32_t image = 0; image < batch; image++) {
        fill_frame(frame, in + (size_t)image * in_bytes, &w, p->in_zero_point, rows, columns);
        int8_t *to = out + (size_t)image * (size_t)pixels * out_c;
        for (size_t oc = 0; oc < out_c; oc += 16) {
            const int16_t *u = p->weights + oc * 2 * (size_t)(runs * pairs);
            const int32_t *table = p->q.table + oc * INTRS_X86_ROWS;
            const struct intrs_x86_block block = intrs_x86_block(table);
            const int32_t some = w.out_c - (int32_t)oc;
            int32_t y = 0, x = 0;
            for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
                const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
                struct group g;
                __m256i acc[8];
                for (int32_t i = 0; i < 4; i++) { /* past the last pixel: the last again */
                    g.at[i] = frame + (size_t)(y * w.stride_h) * row + (size_t)(x * w.stride_w) * channels;
                    if (i + 1 < n || n == 4) {
                        x++;
                        if (x == w.out_w) {
                            x = 0;
                            y++;
                        }
                    }
                }
                product(acc, &g, u, runs, run_at, pairs, table);
                for (int32_t i = 0; i < n; i++) {
                    __m256i lo = _mm256_add_epi32(acc[2 * i], acc[2 * i]),
                            hi = _mm256_add_epi32(acc[2 * i + 1], acc[2 * i + 1]);
                    intrs_store_some(to + (size_t)(pixel + i) * out_c + oc, intrs_requant16(lo, hi, &block, &clamp, 1),
                                     some);
                }
            }
        }
    }
}

#include "intrs_target_end.h"
#endif
