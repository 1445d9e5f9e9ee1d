/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_depthwise2d_x86.c - depthwise convolution, two taps a product.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_x86_inline.h"

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

/*
 * Depthwise convolution, multiplier 1: taps in pairs through vpmaddwd, 16 channels at a time, their constants kept over
 * the image. Scratch: 64 to align, 8 bytes a tap and for one more, then the frame of ((out_h - 1) stride_h + (filter_h
 * - 1) dilation_h + 1) rows by as many columns, in_c bytes each, and 16 bytes past it, which the last channels' loads
 * read (times zero weights).
 */
void intrs_depthwise2d_x86(const struct intrs_depthwise2d_x86 *p, int32_t batch, const int8_t *in, int8_t *out,
                           uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t rows = (w->out_h - 1) * w->stride_h + (w->filter_h - 1) * w->dilation_h + 1;
    const int32_t columns = (w->out_w - 1) * w->stride_w + (w->filter_w - 1) * w->dilation_w + 1;
    const int32_t taps = w->filter_h * w->filter_w, pairs = (taps + 1) / 2;
    const size_t channels = (size_t)w->in_c, row = (size_t)columns * channels;
    const size_t in_bytes = (size_t)(w->in_h * w->in_w) * channels;
    const struct intrs_x86_out clamp = intrs_x86_out(&p->q);
    size_t *tap = (size_t *)(void *)intrs_align64(scratch);
    int8_t *frame = (int8_t *)(tap + 2 * pairs);
    memset(frame + (size_t)rows * row, 0, 16);
    for (int32_t i = 0; i < 2 * pairs; i++) { /* the second of an odd pair: the first tap again, times zero */
        int32_t t = i < taps ? i : 0;
        tap[i] = (size_t)(t / w->filter_w * w->dilation_h) * row + (size_t)(t % w->filter_w * w->dilation_w) * channels;
    }

    for (int32_t image = 0; image < batch; image++, in += in_bytes) {
        fill_frame(frame, in, w, p->in_zero_point, rows, columns);
        int8_t *to = out + (size_t)(image * w->out_h * w->out_w) * channels;
        for (size_t c = 0; c < channels; c += 16) {
            const int16_t *weights = p->weights + c * 2 * (size_t)pairs;
            const int32_t *table = p->q.table + c * INTRS_X86_ROWS;
            const struct intrs_x86_block block = intrs_x86_block(table);
            const __m256i bias_lo = intrs_load(table), bias_hi = intrs_load(table + 8);
            const int32_t some = w->in_c - (int32_t)c;
            int8_t *pixel = to + c;
            for (int32_t y = 0; y < w->out_h; y++) {
                const int8_t *at = frame + (size_t)(y * w->stride_h) * row + c;
                for (int32_t x = 0; x < w->out_w; x++, at += (size_t)w->stride_w * channels, pixel += channels) {
                    __m256i lo = bias_lo, hi = bias_hi;
                    for (int32_t i = 0; i < pairs; i++) {
                        __m256i a = intrs_widen(at + tap[2 * i]), b = intrs_widen(at + tap[2 * i + 1]);
                        const int16_t *u = weights + 32 * i;
                        lo = _mm256_add_epi32(lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), intrs_load(u)));
                        hi = _mm256_add_epi32(hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), intrs_load(u + 16)));
                    }
                    lo = _mm256_slli_epi32(lo, 1);
                    hi = _mm256_slli_epi32(hi, 1);
                    intrs_store_some(pixel, intrs_requant16(lo, hi, &block, &clamp, 1), some);
                }
            }
        }
    }
}

#include "intrs_target_end.h"
#endif
