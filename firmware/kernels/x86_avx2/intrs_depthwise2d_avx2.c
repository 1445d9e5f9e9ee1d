#if defined(__AVX2__) /* a project may be built on another machine than it was generated on */
#include "intrs_avx2.h"

/*
 * Depthwise convolution, multiplier 1: taps in pairs through vpmaddwd, 16 channels at a time. The input is read in place; a tap outside
 * the image reads a row of zero points.
 * Scratch: 64 to align, then in_c rounded up to 16 bytes for that row, then one image row more than it needs is never read.
 */
void intrs_depthwise2d_avx2(const struct intrs_x86_depthwise2d *p, int32_t batch, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t taps = w->filter_h * w->filter_w, pairs = (taps + 1) / 2;
    const size_t channels = (size_t)w->in_c, in_bytes = (size_t)(w->in_h * w->in_w) * channels;
    const size_t padded = (channels + 15) & ~(size_t)15;
    const __m256i zero = _mm256_set1_epi16((int16_t)p->in_zero_point);
    const struct intrs_x86_out clamp = intrs_x86_out(&p->q);
    int8_t *nothing = (int8_t *)intrs_align64(scratch);
    const int8_t **tap = (const int8_t **)(void *)(nothing + padded);
    memset(nothing, p->in_zero_point, padded);
    tap[2 * pairs - 1] = nothing; /* the second of an odd pair */

    for (int32_t image = 0; image < batch; image++) {
        const int8_t *from = in + (size_t)image * in_bytes;
        for (int32_t pixel = 0; pixel < w->out_h * w->out_w; pixel++, out += channels) {
            const int32_t y0 = pixel / w->out_w * w->stride_h - w->pad_top, x0 = pixel % w->out_w * w->stride_w - w->pad_left;
            for (int32_t i = 0; i < taps; i++) {
                int32_t y = y0 + i / w->filter_w * w->dilation_h, x = x0 + i % w->filter_w * w->dilation_w;
                int outside = y < 0 || y >= w->in_h || x < 0 || x >= w->in_w;
                tap[i] = outside ? nothing : from + (size_t)(y * w->in_w + x) * channels;
            }
            for (size_t c = 0; c < channels; c += 16) {
                const int16_t *u = p->weights + c * 2 * (size_t)pairs;
                const int32_t *table = p->q.table + c * INTRS_X86_ROWS;
                const struct intrs_x86_block block = intrs_x86_block(table);
                __m256i lo = intrs_load(table), hi = intrs_load(table + 8);
                for (int32_t i = 0; i < pairs; i++) {
                    __m256i a, b;
                    if (channels - c >= 16) {
                        a = intrs_widen(tap[2 * i] + c);
                        b = intrs_widen(tap[2 * i + 1] + c);
                    } else { /* the last channels: never past the tensor */
                        int8_t some[32] = {0};
                        memcpy(some, tap[2 * i] + c, channels - c);
                        memcpy(some + 16, tap[2 * i + 1] + c, channels - c);
                        a = intrs_widen(some);
                        b = intrs_widen(some + 16);
                    }
                    a = _mm256_sub_epi16(a, zero);
                    b = _mm256_sub_epi16(b, zero);
                    lo = _mm256_add_epi32(lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), intrs_load(u)));
                    hi = _mm256_add_epi32(hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), intrs_load(u + 16)));
                    u += 32;
                }
                lo = _mm256_add_epi32(lo, lo);
                hi = _mm256_add_epi32(hi, hi);
                intrs_store_some(out + c, intrs_requant16(lo, hi, &block, &clamp, 1), w->in_c - (int32_t)c);
            }
        }
    }
}
#endif
