/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_x86_winograd4.h - integer Winograd F(4x4,3x3) in int16 with AVX2; included by the two kernels that
 * differ in what they do with an output pixel.
 *
 * Blocks of 16 tiles, which may span images: V = B^T d B into scratch, 36 products V[p] x U[p] with the weights of 16
 * output channels in L1, then A^T M A, which is 576 times the convolution mod 2^32. Times the inverse of 9 that is 64
 * times it, exactly, because 64 |acc| < 2^31.
 */
#ifndef INTRS_CONV2D_X86_WINOGRAD4_H
#define INTRS_CONV2D_X86_WINOGRAD4_H

#include "intrs_x86_inline.h"

enum { INTRS_WINOGRAD4_TILES = 16 };

#define INTRS_WINOGRAD4_INVERSE_9 0x38E38E39

/// input transform ///

/* one dimension of B^T d: six vectors `step` vectors apart */
INTRS_INLINE void intrs_winograd4_input_1d(__m256i v[6], const __m256i d[6])
{
    __m256i a = _mm256_sub_epi16(d[4], _mm256_slli_epi16(d[2], 2));
    __m256i b = _mm256_sub_epi16(d[3], _mm256_slli_epi16(d[1], 2));
    __m256i c = _mm256_sub_epi16(d[4], d[2]);
    __m256i e = _mm256_sub_epi16(d[3], d[1]);
    __m256i e2 = _mm256_add_epi16(e, e);
    v[0] = _mm256_add_epi16(_mm256_slli_epi16(_mm256_sub_epi16(d[0], d[2]), 2), c);
    v[1] = _mm256_add_epi16(a, b);
    v[2] = _mm256_sub_epi16(a, b);
    v[3] = _mm256_add_epi16(c, e2);
    v[4] = _mm256_sub_epi16(c, e2);
    v[5] = _mm256_sub_epi16(_mm256_sub_epi16(d[5], d[3]), _mm256_add_epi16(e2, e2));
}

/* 16 channels of one tile. in: top left of its 6x6 window; v: 36 rows of 16 int16, `v_step` values apart */
INTRS_INLINE void intrs_winograd4_input(int16_t *v, size_t v_step, const int8_t *in, size_t row_bytes, size_t channels,
                                        __m256i zero_point)
{
    __m256i rows[36];
    for (size_t x = 0; x < 6; x++) {
        __m256i d[6], r[6];
        for (size_t y = 0; y < 6; y++) {
            d[y] = _mm256_sub_epi16(intrs_widen(in + y * row_bytes + x * channels), zero_point);
        }
        intrs_winograd4_input_1d(r, d);
        for (size_t y = 0; y < 6; y++) {
            rows[6 * y + x] = r[y];
        }
    }
    for (size_t y = 0; y < 6; y++) {
        __m256i r[6];
        intrs_winograd4_input_1d(r, rows + 6 * y);
        for (size_t x = 0; x < 6; x++) {
            intrs_store(v + (6 * y + x) * v_step, r[x]);
        }
    }
}

/// products ///

/*
 * m[t][16] = sum over pairs of v[t] . u for four tiles; named accumulators, because arrays of vectors cost 2-3 times as
 * much
 */
INTRS_INLINE void intrs_winograd4_product(int32_t *m, size_t m_step, const int16_t *v, size_t v_step, const int16_t *u,
                                          int32_t pairs)
{
    __m256i a0 = _mm256_setzero_si256(), b0 = a0, a1 = a0, b1 = a0, a2 = a0, b2 = a0, a3 = a0, b3 = a0;
    for (int32_t k = 0; k < pairs; k++) {
        __m256i ua = intrs_load(u), ub = intrs_load(u + 16);
        __m256i x = intrs_pair(v);
        a0 = _mm256_add_epi32(a0, _mm256_madd_epi16(x, ua));
        b0 = _mm256_add_epi32(b0, _mm256_madd_epi16(x, ub));
        x = intrs_pair(v + v_step);
        a1 = _mm256_add_epi32(a1, _mm256_madd_epi16(x, ua));
        b1 = _mm256_add_epi32(b1, _mm256_madd_epi16(x, ub));
        x = intrs_pair(v + 2 * v_step);
        a2 = _mm256_add_epi32(a2, _mm256_madd_epi16(x, ua));
        b2 = _mm256_add_epi32(b2, _mm256_madd_epi16(x, ub));
        x = intrs_pair(v + 3 * v_step);
        a3 = _mm256_add_epi32(a3, _mm256_madd_epi16(x, ua));
        b3 = _mm256_add_epi32(b3, _mm256_madd_epi16(x, ub));
        u += 32;
        v += 2;
    }
    intrs_store(m, a0), intrs_store(m + 8, b0), m += m_step;
    intrs_store(m, a1), intrs_store(m + 8, b1), m += m_step;
    intrs_store(m, a2), intrs_store(m + 8, b2), m += m_step;
    intrs_store(m, a3), intrs_store(m + 8, b3);
}

/// output transform ///

INTRS_INLINE void intrs_winograd4_output_1d(__m256i o[4], __m256i m0, __m256i m1, __m256i m2, __m256i m3, __m256i m4,
                                            __m256i m5)
{
    __m256i s = _mm256_add_epi32(m1, m2), d = _mm256_sub_epi32(m1, m2);
    __m256i p = _mm256_add_epi32(m3, m4), q = _mm256_sub_epi32(m3, m4);
    o[0] = _mm256_add_epi32(_mm256_add_epi32(m0, s), p);
    o[1] = _mm256_add_epi32(d, _mm256_slli_epi32(q, 1));
    o[2] = _mm256_add_epi32(s, _mm256_slli_epi32(p, 2));
    o[3] = _mm256_add_epi32(d, _mm256_slli_epi32(_mm256_add_epi32(q, m5), 3));
}

/* eight channels of one tile, m[36][16]: out[16] is twice the accumulators */
INTRS_INLINE void intrs_winograd4_output(__m256i out[16], const int32_t *m, __m256i bias)
{
    const __m256i inverse = _mm256_set1_epi32(INTRS_WINOGRAD4_INVERSE_9);
    __m256i columns[24];
    for (int x = 0; x < 6; x++) {
        const int32_t *c = m + 16 * x;
        __m256i m1 = intrs_load(c + 96);
        if (x == 1) {
            m1 = _mm256_add_epi32(m1, bias); /* position (1,1) alone reaches every output once */
        }
        intrs_winograd4_output_1d(columns + 4 * x, intrs_load(c), m1, intrs_load(c + 192), intrs_load(c + 288),
                                  intrs_load(c + 384), intrs_load(c + 480));
    }
    for (int y = 0; y < 4; y++) {
        __m256i o[4];
        intrs_winograd4_output_1d(o, columns[y], columns[4 + y], columns[8 + y], columns[12 + y], columns[16 + y],
                                  columns[20 + y]);
        for (int x = 0; x < 4; x++) {
            out[4 * y + x] = _mm256_srai_epi32(_mm256_mullo_epi32(o[x], inverse), 5);
        }
    }
}

/// the layer ///

/* copies one image into a frame of its zero point, so that every tile's 6x6 window lies inside */
INTRS_INLINE void intrs_winograd4_frame(int8_t *frame, const int8_t *in, const struct intrs_conv2d_x86_winograd4 *p,
                                        int32_t rows, int32_t columns)
{
    const struct intrs_window *w = &p->w;
    size_t row_bytes = (size_t)(columns * w->in_c), image_row = (size_t)(w->in_w * w->in_c),
           left = (size_t)(w->pad_left * w->in_c);
    for (int32_t y = 0; y < rows; y++) {
        int32_t source = y - w->pad_top;
        int8_t *row = frame + (size_t)y * row_bytes;
        if (source < 0 || source >= w->in_h) {
            memset(row, p->in_zero_point, row_bytes);
            continue;
        }
        size_t n = left + image_row <= row_bytes ? image_row : row_bytes - left;
        memset(row, p->in_zero_point, left);
        memcpy(row + left, in + (size_t)source * image_row, n);
        memset(row + left + n, p->in_zero_point, row_bytes - left - n);
    }
}

/*
 * Scratch: 64 to align, the frame of (4 tile rows + 2) x (4 tile columns + 2) x in_c rounded up to 64, V: 36 x (32 in_c
 * + 64) bytes, M: 16 x 36 x 16 x 4 bytes. skip and sum are null without a residual sum. `away` as for intrs_requant8; a
 * constant of each call, so that the compiler makes a copy for each.
 */
INTRS_INLINE void intrs_winograd4_run(const struct intrs_conv2d_x86_winograd4 *p, const struct intrs_x86_affine *sum,
                                      int away, int32_t batch, const int8_t *in, const int8_t *skip, int8_t *out,
                                      uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t tile_rows = (w->out_h + 3) / 4, tile_columns = (w->out_w + 3) / 4, tiles = tile_rows * tile_columns;
    const int32_t rows = 4 * tile_rows + 2, columns = 4 * tile_columns + 2;
    const size_t channels = (size_t)w->in_c, row_bytes = (size_t)columns * channels, out_c = (size_t)w->out_c;
    const size_t v_step =
        INTRS_WINOGRAD4_TILES * channels + 32; /* 64 bytes off a power of two, or the 36 rows share a few cache sets */
    const size_t image_out = (size_t)(w->out_h * w->out_w) * out_c;
    int8_t *frame = (int8_t *)intrs_align64(scratch);
    int16_t *v = (int16_t *)(void *)intrs_align64((uint8_t *)frame + (size_t)rows * row_bytes);
    int32_t *m = (int32_t *)(void *)(v + 36 * v_step);
    const __m256i in_zero_point = _mm256_set1_epi16((int16_t)p->in_zero_point);
    const struct intrs_x86_out clamp = intrs_x86_out(&p->q);
    const struct intrs_x86_affine_v adder = sum ? intrs_x86_affine_v(sum) : (struct intrs_x86_affine_v){0};
    int32_t framed = -1;

    for (int32_t first = 0; first < batch * tiles; first += INTRS_WINOGRAD4_TILES) {
        int32_t n = batch * tiles - first < INTRS_WINOGRAD4_TILES ? batch * tiles - first : INTRS_WINOGRAD4_TILES;
        for (int32_t t = 0; t < n; t++) {
            int32_t image = (first + t) / tiles, tile = (first + t) % tiles;
            if (image != framed) {
                intrs_winograd4_frame(frame, in + (size_t)image * (size_t)(w->in_h * w->in_w) * channels, p, rows,
                                      columns);
                framed = image;
            }
            const int8_t *corner = frame + (size_t)(4 * (tile / tile_columns)) * row_bytes +
                                   (size_t)(4 * (tile % tile_columns)) * channels;
            for (size_t c = 0; c < channels; c += 16) {
                intrs_winograd4_input(v + (size_t)t * channels + c, v_step, corner + c, row_bytes, channels,
                                      in_zero_point);
            }
        }
        for (size_t oc = 0; oc < out_c; oc += 16) {
            const int16_t *u = p->weights + oc * channels * 36;
            for (size_t i = 0; i < 36; i++) {
                for (size_t t = 0; t < (size_t)n;
                     t += 4) { /* of a last odd group the products mean nothing and are not read */
                    intrs_winograd4_product(m + (t * 36 + i) * 16, 36 * 16, v + i * v_step + t * channels, channels,
                                            u + i * channels * 16, (int32_t)channels / 2);
                }
            }
            const int32_t *table = p->q.table + oc * INTRS_X86_ROWS;
            const struct intrs_x86_block block = intrs_x86_block(table);
            const __m256i bias_lo = intrs_load(table), bias_hi = intrs_load(table + 8);
            for (int32_t t = 0; t < n; t++) {
                int32_t image = (first + t) / tiles, tile = (first + t) % tiles;
                int32_t y0 = 4 * (tile / tile_columns), x0 = 4 * (tile % tile_columns);
                int32_t h = w->out_h - y0 < 4 ? w->out_h - y0 : 4, width = w->out_w - x0 < 4 ? w->out_w - x0 : 4;
                size_t at = (size_t)image * image_out + (size_t)(y0 * w->out_w + x0) * out_c + oc;
                __m256i lo[16], hi[16];
                intrs_winograd4_output(lo, m + (size_t)t * 576, bias_lo);
                intrs_winograd4_output(hi, m + (size_t)t * 576 + 8, bias_hi);
                for (int32_t y = 0; y < h; y++) {
                    for (int32_t x = 0; x < width; x++) {
                        size_t pixel = at + (size_t)(y * w->out_w + x) * out_c;
                        __m128i result = intrs_requant16(lo[4 * y + x], hi[4 * y + x], &block, &clamp, away);
                        if (sum) {
                            result = intrs_sum16(result, _mm_loadu_si128((const __m128i *)(const void *)(skip + pixel)),
                                                 &adder);
                        }
                        _mm_storeu_si128((__m128i *)(void *)(out + pixel), result);
                    }
                }
            }
        }
    }
}

#endif
