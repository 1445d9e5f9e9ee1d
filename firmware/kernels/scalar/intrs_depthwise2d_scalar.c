/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_depthwise2d_scalar.c - depthwise convolution, a channel at a time from a plane of its own, four outputs of a
 * row together.
 *
 * The plane holds a + 128, so that a byte is one load on every core, and the padding, which is written once. For 3x3
 * the weights lie in words, and of the six inputs of a row (nine with stride 2) each is loaded once for four outputs.
 */
#include "intrs_asm.h"
#include "intrs_high_mul.h"
#include "intrs_scalar.h"

struct channel {
    int32_t bias, multiplier, addend, shift;
};

/*
 * A row of n sums to outputs `step` apart. The constants stay in registers: in the loops above them there is no room.
 */
static __attribute__((noinline)) void requant(const uint32_t *y, int32_t n, const struct intrs_depthwise2d_scalar *p,
                                              const struct channel *c, int8_t *out, int32_t step)
{
    const int32_t multiplier = c->multiplier, addend = c->addend, shift = c->shift;
    const int32_t min = p->min, max = p->max, sign = p->linear ? -32 : 0;
    for (const uint32_t *end = y + n; y != end; y++, out += step) {
        const int32_t acc = (int32_t)(*y << 6);
        const int32_t h = intrs_high_mul(acc, multiplier, 0) + addend + ((acc >> 31) & sign);
        *out = (int8_t)intrs_limit(h >> shift, min, max);
    }
}

/* Outputs of a row of 3x3: four, or one. */
static inline __attribute__((always_inline)) void
three(const uint8_t *x, int32_t row, int32_t stride, const int32_t *weights, uint32_t bias, uint32_t *y, int32_t count)
{
    uint32_t y0 = bias, y1 = bias, y2 = bias, y3 = bias;
#pragma GCC unroll 3
    for (int32_t i = 0; i < 3; i++, x += row, weights += 3) {
        const int32_t w0 = weights[0], w1 = weights[1], w2 = weights[2];
        y0 += (uint32_t)(w0 * x[0]);
        y0 += (uint32_t)(w1 * x[1]);
        y0 += (uint32_t)(w2 * x[2]);
        if (count == 4) {
            y1 += (uint32_t)(w0 * x[stride]);
            y1 += (uint32_t)(w1 * x[stride + 1]);
            y1 += (uint32_t)(w2 * x[stride + 2]);
            y2 += (uint32_t)(w0 * x[2 * stride]);
            y2 += (uint32_t)(w1 * x[2 * stride + 1]);
            y2 += (uint32_t)(w2 * x[2 * stride + 2]);
            y3 += (uint32_t)(w0 * x[3 * stride]);
            y3 += (uint32_t)(w1 * x[3 * stride + 1]);
            y3 += (uint32_t)(w2 * x[3 * stride + 2]);
        }
    }
    y[0] = y0;
    if (count == 4) {
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
    }
}

/* A row of 3x3. */
static inline __attribute__((always_inline)) void
row_3(const uint8_t *x, int32_t row, int32_t stride, const int32_t *weights, uint32_t bias, uint32_t *y, int32_t width)
{
    const uint32_t *end = y + width;
    for (; end - y >= 4; y += 4, x += 4 * stride) {
        three(x, row, stride, weights, bias, y, 4);
    }
    for (; y != end; y++, x += stride) {
        three(x, row, stride, weights, bias, y, 1);
    }
}

static __attribute__((noinline)) void row_3_1(const uint8_t *x, int32_t row, const int32_t *weights, uint32_t bias,
                                              uint32_t *y, int32_t width)
{
    row_3(x, row, 1, weights, bias, y, width);
}

static __attribute__((noinline)) void row_3_2(const uint8_t *x, int32_t row, const int32_t *weights, uint32_t bias,
                                              uint32_t *y, int32_t width)
{
    row_3(x, row, 2, weights, bias, y, width);
}

static __attribute__((noinline)) void row_any(const struct intrs_window *w, const uint8_t *x, int32_t row,
                                              const int8_t *weights, uint32_t bias, uint32_t *y)
{
    for (const uint32_t *end = y + w->out_w; y != end; y++, x += w->stride_w) {
        uint32_t sum = bias;
        const int8_t *weight = weights;
        const uint8_t *line = x;
        for (int32_t fy = 0; fy < w->filter_h; fy++, line += w->dilation_h * row) {
            const uint8_t *tap = line;
            for (int32_t fx = 0; fx < w->filter_w; fx++, tap += w->dilation_w) {
                sum += (uint32_t)(*weight++ * *tap);
            }
        }
        *y = sum;
    }
}

void intrs_depthwise2d_scalar(const struct intrs_depthwise2d_scalar *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t rows = (w->out_h - 1) * w->stride_h + (w->filter_h - 1) * w->dilation_h + 1;
    const int32_t columns = (w->out_w - 1) * w->stride_w + (w->filter_w - 1) * w->dilation_w + 1;
    const int32_t taps = w->filter_h * w->filter_w, c = w->in_c;
    const int three_by_three = w->filter_h == 3 && w->filter_w == 3 && w->dilation_h == 1 && w->dilation_w == 1 &&
                               w->stride_h == w->stride_w && w->stride_w <= 2;
    /* what of the input is read */
    const int32_t high = w->in_h < rows - w->pad_top ? w->in_h : rows - w->pad_top;
    const int32_t wide = w->in_w < columns - w->pad_left ? w->in_w : columns - w->pad_left;
    /* 3x3 works along the longer side: the plane and the weights are transposed where that is the height */
    const int tall = three_by_three && w->out_h > w->out_w;
    const int32_t row = tall ? rows : columns, x_step = tall ? row : 1, y_step = tall ? 1 : row;
    const int32_t lines = tall ? w->out_w : w->out_h, n = tall ? w->out_h : w->out_w;
    const int32_t line_step = c * (tall ? 1 : w->out_w), step = c * (tall ? w->out_w : 1);
    const int32_t *stream = p->stream;
    uint32_t *sums = (void *)scratch;
    uint8_t *plane = scratch + 4 * n;

    for (int32_t i = 0; i < rows * columns; i++) {
        plane[i] = (uint8_t)(p->in_zero_point + 128);
    }
    for (int32_t channel = 0; channel < c; channel++, in++, out++) {
        const struct channel *constants = (const void *)stream;
        const uint32_t bias = (uint32_t)constants->bias;
        const int8_t *weights = (const void *)(stream + 4);
        stream += 4 + ((taps + 3) >> 2);

        for (int32_t y = 0; y < high; y++) {
            const int8_t *from = in + y * w->in_w * c;
            uint8_t *to = plane + (y + w->pad_top) * y_step + w->pad_left * x_step;
#pragma GCC unroll 4
            for (int32_t x = 0; x < wide; x++, from += c, to += x_step) {
                *to = (uint8_t)(*from + 128);
            }
        }
        int32_t words[9];
        for (int32_t i = 0; three_by_three && i < 3; i++) {
            for (int32_t j = 0; j < 3; j++) {
                words[3 * i + j] = weights[tall ? 3 * j + i : 3 * i + j];
            }
        }
        const uint8_t *x = plane;
        int8_t *to = out;
        for (int32_t line = 0; line < lines; line++, x += w->stride_h * row, to += line_step) {
            if (!three_by_three) {
                row_any(w, x, row, weights, bias, sums);
            } else if (w->stride_w == 1) {
                row_3_1(x, row, words, bias, sums, n);
            } else {
                row_3_2(x, row, words, bias, sums, n);
            }
            requant(sums, n, p, constants, to, step);
        }
    }
}
