/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_scalar_winograd4.c - 3x3 convolution, stride 1, by Winograd's F(4x4, 3x3): 36 products where 144 stood.
 *
 * A tile is 4x4 outputs from 6x6 inputs d. With the filter's transform U = G g G^T made beforehand,
 *   V = B^T d B,  M = sum over channels of U V,  64 y = K (A^T M A)
 * Two channels share a word while the input is transformed, by additions and shifts that know nothing of it: a word is
 * the number 2^16 upper + lower, and its halves are those two as long as lower is not negative. Inputs are therefore
 * taken as a + 128, and the lower lanes of d[4..5][4..5] get 16384, which reaches every position of V once and only the
 * four last outputs, where the filter's corrections take it off again.
 */
#include "intrs_asm.h"
#include "intrs_high_mul.h"
#include "intrs_scalar.h"

#define INVERSE_OF_9 0x38E38E39U
#define TILES INTRS_SCALAR_TILES

/* four bytes of a tensor or two lanes, and one lane */
typedef uint32_t __attribute__((may_alias)) word;
typedef int16_t __attribute__((may_alias)) lane;

/// input ///

/* Rows of B^T: 4 0 -5 0 1 0 / 0 -4 -4 1 1 0 / 0 4 -4 -1 1 0 / 0 -2 -1 2 1 0 / 0 2 -1 -2 1 0 / 0 4 0 -5 0 1 */
#define INPUT_1D(d0, d1, d2, d3, d4, d5, v, step)                                                                      \
    do {                                                                                                               \
        const uint32_t a_ = (d4) - ((d2) << 2), b_ = (d3) - ((d1) << 2), e_ = (d4) - (d2), f_ = (d3) - (d1);           \
        (v)[0] = e_ + (((d0) - (d2)) << 2);                                                                            \
        (v)[5 * (step)] = (d5) - (d3) - (f_ << 2);                                                                     \
        (v)[step] = a_ + b_;                                                                                           \
        (v)[2 * (step)] = a_ - b_;                                                                                     \
        (v)[3 * (step)] = e_ + (f_ << 1);                                                                              \
        (v)[4 * (step)] = e_ - (f_ << 1);                                                                              \
    } while (0)

/* Two channels of every word (the upper bytes' with shift 8), all 36 pixels, to words `position` apart. */
static inline __attribute__((always_inline)) void transform_half(const word *from, int32_t row, int32_t pixel,
                                                                 int shift, word *v, int32_t position)
{
    uint32_t middle[36];
    uint32_t *m = middle;
    for (int32_t y = 0; y < 6; y++, from += row, m += 6) {
        const uint32_t corner = y < 4 ? 0 : 0x4000U;
#define LANES(i) ((((from[(i) * pixel] ^ 0x80808080U) >> shift) & 0x00FF00FFU))
        const uint32_t d0 = LANES(0), d1 = LANES(1), d2 = LANES(2), d3 = LANES(3);
        const uint32_t d4 = LANES(4) + corner, d5 = LANES(5) + corner;
        INPUT_1D(d0, d1, d2, d3, d4, d5, m, 1);
    }
    for (int32_t x = 0; x < 6; x++, v += position) {
        m = middle + x;
        INPUT_1D(m[0], m[6], m[12], m[18], m[24], m[30], v, 6 * position);
    }
}

/* A 6x6 tile; pixels `pixel` words apart, rows `row` words. v: the tile's words of the first position. */
static __attribute__((noinline)) void transform_input(const word *from, int32_t row, int32_t pixel, int32_t words,
                                                      word *v)
{
    const int32_t position = 2 * words * TILES;
    for (int32_t c = 0; c < words; c++, from++, v += 2 * TILES) {
        transform_half(from, row, pixel, 0, v, position);
        transform_half(from, row, pixel, 8, v + 1, position);
        /* 36 * 128: takes the 128 off again, which only position (1, 1) sees */
        v[7 * position] -= 0x12001200U;
        v[7 * position + 1] -= 0x12001200U;
    }
}

/* A tile that hangs over the image's edge, or whose channels are no words: copied, with the zero point around it. */
static __attribute__((noinline)) void gather_tile(const struct intrs_window *w, int32_t zero_point, const int8_t *in,
                                                  int32_t y0, int32_t x0, int32_t pixel_bytes, uint8_t *to)
{
    const int32_t c = w->in_c;
    __builtin_memset(to, zero_point, (uint32_t)(36 * pixel_bytes));
    for (int32_t y = y0; y < y0 + 6; y++) {
        for (int32_t x = x0; x < x0 + 6; x++, to += pixel_bytes) {
            if (y >= 0 && y < w->in_h && x >= 0 && x < w->in_w) {
                __builtin_memcpy(to, in + (y * w->in_w + x) * c, (uint32_t)c);
            }
        }
    }
}

/// products ///

#include "intrs_conv2d_scalar_winograd4_products.h"

/// output ///

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
    int32_t min, max, linear;
};

static inline int8_t requant64(uint32_t y64, const struct filter *f, const struct place *place, int linear)
{
    int32_t h = intrs_high_mul((int32_t)y64, f->multiplier, 0) + f->addend;
    if (linear) {
        h += ((int32_t)y64 >> 31) * 32;
    }
    return (int8_t)intrs_limit(h >> f->shift, place->min, place->max);
}

/* Row i of a tile. It is 3 * 2^(3, 2, 1, 1) y, and so is column j: k makes it 64 y. */
static inline __attribute__((always_inline)) void output_row(const uint32_t *t, const struct filter *f, int8_t *to,
                                                             const struct place *place, uint32_t k,
                                                             uint32_t correction2, uint32_t correction3, int linear)
{
    const int32_t pixel = place->pixel_bytes;
    OUTPUT_1D(t[0], t[4], t[8], t[12], t[16], t[20], a, b, c, d);
    to[0] = requant64(a * k, f, place, linear);
    to[pixel] = requant64(b * (k << 1), f, place, linear);
    to += 2 * pixel;
    to[0] = requant64(c * (k << 2) - correction2, f, place, linear);
    to[pixel] = requant64(d * (k << 2) - correction3, f, place, linear);
}

/* One tile of one filter. m: every 4 * TILES-th word. */
static inline __attribute__((always_inline)) void output_tile(const uint32_t *m, const struct filter *f, int8_t *to,
                                                              const struct place *place, int linear)
{
    uint32_t middle[24];
    uint32_t *t = middle;
    for (int32_t i = 0; i < 6; i++, m += 4 * TILES, t += 4) {
        OUTPUT_1D(m[0], m[24 * TILES] + (i == 1 ? f->bias : 0), m[48 * TILES], m[72 * TILES], m[96 * TILES],
                  m[120 * TILES], a, b, c, d);
        t[0] = a;
        t[1] = b;
        t[2] = c;
        t[3] = d;
    }
    const uint32_t *corrections = f->correction;
    uint32_t k = INVERSE_OF_9;
    for (int32_t i = 0; i < 2; i++, to += place->row_bytes, k <<= 1) {
        output_row(middle + i, f, to, place, k, 0, 0, linear);
    }
    for (int32_t i = 2; i < 4; i++, to += place->row_bytes, corrections += 2) {
        output_row(middle + i, f, to, place, INVERSE_OF_9 << 2, corrections[0], corrections[1], linear);
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
static void output(const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place)
{
    if (place->linear) {
        output_linear(m, f, to, place);
    } else {
        output_relu(m, f, to, place);
    }
}

/* A tile that hangs over the edge of the output. */
static void output_part(const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place, int32_t rows,
                        int32_t columns)
{
    int8_t tile[16];
    struct place packed = *place;
    packed.row_bytes = 4;
    packed.pixel_bytes = 1;
    output(m, f, tile, &packed);
    for (int32_t i = 0; i < 4 && i < rows; i++) {
        for (int32_t j = 0; j < 4 && j < columns; j++) {
            to[i * place->row_bytes + j * place->pixel_bytes] = tile[4 * i + j];
        }
    }
}

/// the kernel ///

void intrs_conv2d_scalar_winograd4(const struct intrs_conv2d_scalar_winograd4 *p, const int8_t *in, int8_t *out,
                                   uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = (w->in_c + 3) & ~3;
    const int32_t across = (w->out_w + 3) >> 2;
    const int32_t tiles = across * ((w->out_h + 3) >> 2);
    const struct place place = {w->out_w * w->out_c, w->out_c, p->min, p->max, p->linear};
    word *v = (void *)scratch;
    /* the sums are not needed together with a gathered tile */
    uint8_t *gathered = scratch + 72 * c * TILES;
    uint32_t *m = (void *)gathered;

    for (int32_t first = 0; first < tiles; first += TILES) {
        const int32_t count = tiles - first < TILES ? tiles - first : TILES;
        for (int32_t t = 0; t < count; t++) {
            const int32_t ty = (first + t) / across;
            const int32_t y0 = 4 * ty - w->pad_top;
            const int32_t x0 = 4 * (first + t - ty * across) - w->pad_left;
            if (c == w->in_c && y0 >= 0 && x0 >= 0 && y0 + 6 <= w->in_h && x0 + 6 <= w->in_w) {
                const void *from = in + (y0 * w->in_w + x0) * c;
                transform_input(from, (w->in_w * c) >> 2, c >> 2, c >> 2, v + 2 * t);
            } else {
                gather_tile(w, p->in_zero_point, in, y0, x0, c, gathered);
                transform_input((const void *)gathered, (6 * c) >> 2, c >> 2, c >> 2, v + 2 * t);
            }
        }
        const int32_t *stream = p->stream;
        for (int32_t f = 0; f < w->out_c; f += 4) {
            const struct filter *filter = (const void *)stream;
            stream += 32;
            products((const void *)stream, (const void *)v, c, m);
            stream += 72 * c;
            for (int32_t i = 0; i < 4 * TILES; i++) {
                const int32_t t = i % TILES, k = i / TILES;
                if (t >= count || f + k >= w->out_c) {
                    continue;
                }
                const int32_t ty = (first + t) / across, tx = first + t - ty * across;
                const int32_t rows = w->out_h - 4 * ty, columns = w->out_w - 4 * tx;
                int8_t *to = out + 4 * (ty * place.row_bytes + tx * place.pixel_bytes) + f + k;
                if (rows < 4 || columns < 4) {
                    output_part(m + i, filter + k, to, &place, rows, columns);
                } else {
                    output(m + i, filter + k, to, &place);
                }
            }
        }
    }
}
