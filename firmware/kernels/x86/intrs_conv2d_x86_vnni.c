/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_x86_vnni.c - direct convolution with VPDPBUSD, four products of bytes a lane.
 */
#if defined(__x86_64__) /* a project may be built on another machine than it was generated on */
#include "intrs_x86_inline.h"

#include "intrs_target_end.h"
/* From here on functions are for AVX-512 VNNI on 256-bit vectors too. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,avx512vl,avx512vnni")
#endif

/* the image as unsigned bytes, value + 128, in a frame of its zero point that holds every window */
static void fill_frame(uint8_t *frame, const int8_t *in, const struct intrs_window *w, int32_t zero_point, int32_t rows,
                       int32_t columns)
{
    const __m256i flip = _mm256_set1_epi8((char)0x80);
    const size_t row = (size_t)columns * (size_t)w->in_c, image_row = (size_t)w->in_w * (size_t)w->in_c;
    const size_t left = (size_t)w->pad_left * (size_t)w->in_c;
    const size_t n = left + image_row <= row ? image_row : row - left;
    for (int32_t y = 0; y < rows; y++) {
        int32_t source = y - w->pad_top;
        uint8_t *to = frame + (size_t)y * row;
        if (source < 0 || source >= w->in_h) {
            memset(to, zero_point + 128, row);
            continue;
        }
        const int8_t *from = in + (size_t)source * image_row;
        size_t i = 0;
        memset(to, zero_point + 128, left);
        for (; i + 32 <= n; i += 32) {
            intrs_store(to + left + i, _mm256_xor_si256(intrs_load(from + i), flip));
        }
        for (; i < n; i++) {
            to[left + i] = (uint8_t)(from[i] + 128);
        }
        memset(to + left + n, zero_point + 128, row - left - n);
    }
}

/* four neighbouring bytes in every lane */
INTRS_INLINE __m256i quad(const uint8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

/*
 * Direct convolution by VPDPBUSD: 4 pixels x 16 channels of accumulators in registers. The zero point's part of the
 * sums is in the bias. Scratch: as for intrs_conv2d_x86, with a byte a value.
 */
void intrs_conv2d_x86_vnni(const struct intrs_conv2d_x86_vnni *p, int32_t batch, const int8_t *in, int8_t *out,
                           uint8_t *scratch)
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
    const int32_t runs = w.filter_h * taps, quads = ((w.dilation_w > 1 ? 1 : w.filter_w) * w.in_c + 3) / 4;
    const size_t channels = (size_t)w.in_c, row = (size_t)columns * channels;
    const size_t in_bytes = (size_t)(w.in_h * w.in_w) * channels, out_c = (size_t)w.out_c;
    const int32_t pixels = w.out_h * w.out_w;
    const struct intrs_x86_out clamp = intrs_x86_out(&p->q);
    size_t *run_at = (size_t *)(void *)intrs_align64(scratch);
    uint8_t *frame = (uint8_t *)(run_at + runs);
    memset(frame + (size_t)rows * row, 0, 64);
    for (int32_t r = 0; r < runs; r++) {
        run_at[r] = (size_t)(r / taps * w.dilation_h) * row + (size_t)(r % taps * w.dilation_w) * channels;
    }

    for (int32_t image = 0; image < batch; image++) {
        fill_frame(frame, in + (size_t)image * in_bytes, &w, p->in_zero_point, rows, columns);
        int8_t *to = out + (size_t)image * (size_t)pixels * out_c;
        for (size_t oc = 0; oc < out_c; oc += 16) {
            const int32_t *table = p->q.table + oc * INTRS_X86_ROWS;
            const struct intrs_x86_block block = intrs_x86_block(table);
            const int32_t some = w.out_c - (int32_t)oc;
            for (int32_t pixel = 0; pixel < pixels; pixel += 4) {
                const int8_t *u = p->weights + oc * 4 * (size_t)(runs * quads);
                const int32_t n = pixels - pixel < 4 ? pixels - pixel : 4;
                const uint8_t *at[4];
                for (int32_t i = 0; i < 4; i++) { /* past the last pixel: the last again */
                    int32_t k = pixel + (i < n ? i : n - 1);
                    at[i] = frame + (size_t)(k / w.out_w * w.stride_h) * row +
                            (size_t)(k % w.out_w * w.stride_w) * channels;
                }
                __m256i a0 = intrs_load(table), b0 = intrs_load(table + 8);
                __m256i a1 = a0, b1 = b0, a2 = a0, b2 = b0, a3 = a0, b3 = b0;
                for (int32_t r = 0; r < runs; r++) {
                    const uint8_t *p0 = at[0] + run_at[r], *p1 = at[1] + run_at[r];
                    const uint8_t *p2 = at[2] + run_at[r], *p3 = at[3] + run_at[r];
                    for (int32_t k = 0; k < quads; k++, u += 64) {
                        __m256i ua = intrs_load(u), ub = intrs_load(u + 32);
                        __m256i x = quad(p0 + 4 * k);
                        a0 = _mm256_dpbusd_epi32(a0, x, ua), b0 = _mm256_dpbusd_epi32(b0, x, ub);
                        x = quad(p1 + 4 * k);
                        a1 = _mm256_dpbusd_epi32(a1, x, ua), b1 = _mm256_dpbusd_epi32(b1, x, ub);
                        x = quad(p2 + 4 * k);
                        a2 = _mm256_dpbusd_epi32(a2, x, ua), b2 = _mm256_dpbusd_epi32(b2, x, ub);
                        x = quad(p3 + 4 * k);
                        a3 = _mm256_dpbusd_epi32(a3, x, ua), b3 = _mm256_dpbusd_epi32(b3, x, ub);
                    }
                }
                const __m256i acc[8] = {a0, b0, a1, b1, a2, b2, a3, b3};
                for (int32_t i = 0; i < n; i++) {
                    __m256i lo = _mm256_slli_epi32(acc[2 * i], 1), hi = _mm256_slli_epi32(acc[2 * i + 1], 1);
                    intrs_store_some(to + (size_t)(pixel + i) * out_c + oc, intrs_requant16(lo, hi, &block, &clamp, 1),
                                     some);
                }
            }
        }
    }
}

#include "intrs_target_end.h"
#endif
