/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_neon_winograd4.c - 3x3 convolution, stride 1, by Winograd's F(4x4, 3x3).
 */
#if defined(__ARM_NEON) /* a project may be built on another machine than it was generated on */
#include "intrs_neon_inline.h"

/* Integer Winograd F(4x4,3x3) in int16: the algorithm of x86/intrs_conv2d_x86_winograd4.h with 8 channels a block. */
enum { TILES = 16 };

/// transforms ///

/* one dimension of B^T d */
INTRS_INLINE void input_1d(int16x8_t v[6], const int16x8_t d[6])
{
    int16x8_t a = vsubq_s16(d[4], vshlq_n_s16(d[2], 2));
    int16x8_t b = vsubq_s16(d[3], vshlq_n_s16(d[1], 2));
    int16x8_t c = vsubq_s16(d[4], d[2]);
    int16x8_t e = vshlq_n_s16(vsubq_s16(d[3], d[1]), 1);
    v[0] = vaddq_s16(vshlq_n_s16(vsubq_s16(d[0], d[2]), 2), c);
    v[1] = vaddq_s16(a, b);
    v[2] = vsubq_s16(a, b);
    v[3] = vaddq_s16(c, e);
    v[4] = vsubq_s16(c, e);
    v[5] = vsubq_s16(vsubq_s16(d[5], d[3]), vshlq_n_s16(e, 1));
}

/* 8 channels of one tile. in: top left of its 6x6 window; v: 36 rows of 8 int16, v_step values apart */
static void input_transform(int16_t *v, size_t v_step, const int8_t *in, size_t row_bytes, size_t channels,
                            int8x8_t zero_point)
{
    int16x8_t rows[36];
    for (size_t x = 0; x < 6; x++) {
        int16x8_t d[6], r[6];
        for (size_t y = 0; y < 6; y++) {
            d[y] = vsubl_s8(vld1_s8(in + y * row_bytes + x * channels), zero_point);
        }
        input_1d(r, d);
        for (size_t y = 0; y < 6; y++) {
            rows[6 * y + x] = r[y];
        }
    }
    for (size_t y = 0; y < 6; y++) {
        int16x8_t r[6];
        input_1d(r, rows + 6 * y);
        for (size_t x = 0; x < 6; x++) {
            vst1q_s16(v + (6 * y + x) * v_step, r[x]);
        }
    }
}

INTRS_INLINE void output_1d(int32x4_t o[4], int32x4_t m0, int32x4_t m1, int32x4_t m2, int32x4_t m3, int32x4_t m4,
                            int32x4_t m5)
{
    int32x4_t s = vaddq_s32(m1, m2), d = vsubq_s32(m1, m2), p = vaddq_s32(m3, m4), q = vsubq_s32(m3, m4);
    o[0] = vaddq_s32(vaddq_s32(m0, s), p);
    o[1] = vaddq_s32(d, vshlq_n_s32(q, 1));
    o[2] = vaddq_s32(s, vshlq_n_s32(p, 2));
    o[3] = vaddq_s32(d, vshlq_n_s32(vaddq_s32(q, m5), 3));
}

/* four channels of one tile, m[36][8]: out[16] are the accumulators. 0x38E38E39 is the inverse of 9 modulo 2^32. */
INTRS_INLINE void output_transform(int32x4_t out[16], const int32_t *m, int32x4_t bias)
{
    int32x4_t columns[24];
    for (int x = 0; x < 6; x++) {
        const int32_t *c = m + 8 * x;
        int32x4_t m1 = vld1q_s32(c + 48);
        if (x == 1) {
            m1 = vaddq_s32(m1, bias); /* position (1,1) alone reaches every output once */
        }
        output_1d(columns + 4 * x, vld1q_s32(c), m1, vld1q_s32(c + 96), vld1q_s32(c + 144), vld1q_s32(c + 192),
                  vld1q_s32(c + 240));
    }
    for (int y = 0; y < 4; y++) {
        int32x4_t o[4];
        output_1d(o, columns[y], columns[4 + y], columns[8 + y], columns[12 + y], columns[16 + y], columns[20 + y]);
        for (int x = 0; x < 4; x++) {
            out[4 * y + x] = vshrq_n_s32(vmulq_n_s32(o[x], 0x38E38E39), 6);
        }
    }
}

/// the layer ///

static void fill_frame(int8_t *frame, const int8_t *in, const struct intrs_conv2d_neon *p, int32_t rows,
                       int32_t columns)
{
    const struct intrs_window *w = &p->w;
    const size_t row = (size_t)(columns * w->in_c), image_row = (size_t)(w->in_w * w->in_c),
                 left = (size_t)(w->pad_left * w->in_c);
    for (int32_t y = 0; y < rows; y++) {
        int32_t source = y - w->pad_top;
        int8_t *to = frame + (size_t)y * row;
        if (source < 0 || source >= w->in_h) {
            memset(to, p->in_zero_point, row);
            continue;
        }
        memset(to, p->in_zero_point, left);
        memcpy(to + left, in + (size_t)source * image_row, image_row);
        memset(to + left + image_row, p->in_zero_point, row - left - image_row);
    }
}

/*
 * Scratch: 16 to align, the frame of (4 tile rows + 2) x (4 tile columns + 2) x in_c rounded up to 16, V: 36 x (32 in_c
 * + 64) bytes, M: 16 x 36 x 8 x 4 bytes.
 */
void intrs_conv2d_neon_winograd4(const struct intrs_conv2d_neon *p, int32_t batch, const int8_t *in, int8_t *out,
                                 uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t tile_rows = (w->out_h + 3) / 4, tile_columns = (w->out_w + 3) / 4, tiles = tile_rows * tile_columns;
    const int32_t rows = 4 * tile_rows + 2, columns = 4 * tile_columns + 2;
    const size_t channels = (size_t)w->in_c, row_bytes = (size_t)columns * channels, out_c = (size_t)w->out_c;
    const size_t v_step =
        TILES * channels + 32; /* 64 bytes off a power of two, or the 36 rows share a few cache sets */
    int8_t *frame = (int8_t *)intrs_align16(scratch);
    int16_t *v = (int16_t *)(void *)intrs_align16((uint8_t *)frame + (size_t)rows * row_bytes);
    int32_t *m = (int32_t *)(void *)(v + 36 * v_step);
    int32_t framed = -1;

    for (int32_t first = 0; first < batch * tiles; first += TILES) {
        int32_t n = batch * tiles - first < TILES ? batch * tiles - first : TILES;
        for (int32_t t = 0; t < n; t++) {
            int32_t image = (first + t) / tiles, tile = (first + t) % tiles;
            if (image != framed) {
                fill_frame(frame, in + (size_t)image * (size_t)(w->in_h * w->in_w) * channels, p, rows, columns);
                framed = image;
            }
            const int8_t *corner = frame + (size_t)(4 * (tile / tile_columns)) * row_bytes +
                                   (size_t)(4 * (tile % tile_columns)) * channels;
            for (size_t c = 0; c < channels; c += 8) {
                input_transform(v + (size_t)t * channels + c, v_step, corner + c, row_bytes, channels,
                                vdup_n_s8((int8_t)p->in_zero_point));
            }
        }
        for (size_t oc = 0; oc < out_c; oc += 8) {
            const int16_t *u = (const int16_t *)p->weights + oc * channels * 36;
            for (size_t i = 0; i < 36; i++) {
                for (size_t t = 0; t < (size_t)n;
                     t += 4) { /* of a last odd group the products mean nothing and are not read */
                    const int16_t *row = v + i * v_step + t * channels;
                    const int32x4_t zero = vdupq_n_s32(0);
                    int32x4_t acc[8] = {zero, zero, zero, zero, zero, zero, zero, zero};
                    intrs_product_4x8(acc, row, row + channels, row + 2 * channels, row + 3 * channels,
                                      u + i * channels * 8, (int32_t)channels / 4);
                    for (size_t k = 0; k < 4; k++) {
                        vst1q_s32(m + (t + k) * 288 + i * 8, acc[2 * k]);
                        vst1q_s32(m + (t + k) * 288 + i * 8 + 4, acc[2 * k + 1]);
                    }
                }
            }
            const int32_t *table = p->q.table + oc * INTRS_NEON_ROWS;
            for (int32_t t = 0; t < n; t++) {
                int32_t image = (first + t) / tiles, tile = (first + t) % tiles;
                int32_t y0 = 4 * (tile / tile_columns), x0 = 4 * (tile % tile_columns);
                int32_t h = w->out_h - y0 < 4 ? w->out_h - y0 : 4, width = w->out_w - x0 < 4 ? w->out_w - x0 : 4;
                int32x4_t lo[16], hi[16];
                output_transform(lo, m + (size_t)t * 288, vld1q_s32(table));
                output_transform(hi, m + (size_t)t * 288 + 4, vld1q_s32(table + 4));
                for (int32_t y = 0; y < h; y++) {
                    for (int32_t x = 0; x < width; x++) {
                        size_t pixel = (size_t)(image * w->out_h * w->out_w + (y0 + y) * w->out_w + x0 + x);
                        vst1_s8(out + pixel * out_c + oc, intrs_requant8(lo[4 * y + x], hi[4 * y + x], table, &p->q));
                    }
                }
            }
        }
    }
}
#endif
