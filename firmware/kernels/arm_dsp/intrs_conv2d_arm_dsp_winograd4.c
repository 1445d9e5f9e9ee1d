/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_dsp_winograd4.c - 3x3 convolution, stride 1, by Winograd's F(4x4, 3x3): 36 products where 144 stood.
 *
 * A tile is 4x4 outputs from 6x6 inputs d. With the filter's transform U = G g G^T made beforehand,
 *   V = B^T d B,  M = sum over channels of U V,  64 y = K (A^T M A)
 * Two channels share a word. The transform of the input runs on such words with plain additions and shifts, which is
 * right as long as the lower lane never borrows: inputs are taken as a + 128, and the lower lanes of d[4..5][4..5] get
 * 16384, which reaches every position of V once and only the four last outputs, where the filter's corrections take it
 * off again.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp_fused.h"
#include "intrs_arm_dsp_inline.h"
#include "intrs_conv2d_arm_dsp_winograd4_filters.h"
#include "intrs_conv2d_arm_dsp_winograd4_input.h"
#include "intrs_conv2d_arm_dsp_winograd4_output.h"
#include "intrs_conv2d_arm_dsp_winograd4_products.h"

/* fused: the parameters of which p is a part, where the result goes into an addition to `other`; else NULL */
static void convolve(const struct intrs_conv2d_arm_dsp_winograd4 *p,
                     const struct intrs_conv2d_add_arm_dsp_winograd4 *fused, const int8_t *in, const int8_t *other,
                     int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c;
    const int32_t across = (w->out_w + 3) >> 2;
    const int32_t tiles = across * ((w->out_h + 3) >> 2);
    const int32_t pair_words = 36 * c; /* V of a pair of tiles, and U of a pair of filters */
    const struct place place = {w->out_w * w->out_c, w->out_c};
    const int ragged = ((w->out_h | w->out_w) & 3) != 0;
    const int linear = p->linear;
    uint32_t *v = (void *)scratch;
    uint32_t *expanded = v + p->pairs * pair_words;
    uint32_t *m = p->weights != 0 ? expanded + pair_words : expanded;
    /* neither the filters' transforms nor the sums are needed together with a gathered tile and its transform */
    uint32_t *middle = expanded;
    uint8_t *gathered = (uint8_t *)(middle + 36);

    for (int32_t first = 0; first < tiles; first += 2 * p->pairs) {
        const int32_t last = first + 2 * p->pairs < tiles ? first + 2 * p->pairs : tiles;
        for (int32_t t = first; t < last; t++) {
            const int32_t ty = t / across;
            const int32_t y0 = 4 * ty - w->pad_top;
            const int32_t x0 = 4 * (t - ty * across) - w->pad_left;
            uint32_t *to = v + ((t - first) >> 1) * pair_words + 2 * (t & 1);
            if (y0 >= 0 && x0 >= 0 && y0 + 6 <= w->in_h && x0 + 6 <= w->in_w) {
                transform_input((const uint8_t *)in + (y0 * w->in_w + x0) * c, w->in_w * c, c, c, to, middle);
            } else {
                gather_tile(w, p->in_zero_point, in, y0, x0, gathered);
                transform_input(gathered, 6 * c, c, c, to, middle);
            }
        }
        const int32_t *stream = p->stream;
        for (int32_t f = 0; f < w->out_c; f += 2) {
            const struct filter *filter = (const void *)stream;
            const uint32_t *u = (const void *)(stream + 16);
            stream += 16;
            if (p->weights != 0) {
                transform_filters(p->weights + f * 9 * c, c, expanded);
                u = expanded;
            } else {
                stream += pair_words;
            }
            for (int32_t t = first; t < last; t += 2) {
                const int32_t count = last - t < 2 ? 1 : 2;
                products(u, v + ((t - first) >> 1) * pair_words, c, m);
                for (int32_t k = 0; k < count; k++) {
                    const int32_t ty = (t + k) / across, tx = t + k - ty * across;
                    const int32_t at = f + 4 * (ty * place.row_bytes + tx * place.pixel_bytes);
                    int8_t *to = out + at;
                    m[28 + k] += filter[0].bias; /* position (1, 1) */
                    m[30 + k] += filter[1].bias;
                    const int32_t rows = w->out_h - 4 * ty, columns = w->out_w - 4 * tx;
                    if (fused != 0) {
                        output_sum(fused, m + k, filter, other + at, to, &place, rows, columns);
                        if (f + 1 < w->out_c) {
                            output_sum(fused, m + 2 + k, filter + 1, other + at + 1, to + 1, &place, rows, columns);
                        }
                        continue;
                    }
                    if (ragged) {
                        output_part(linear, m + k, filter, to, &place, rows, columns);
                        if (f + 1 < w->out_c) {
                            output_part(linear, m + 2 + k, filter + 1, to + 1, &place, rows, columns);
                        }
                        continue;
                    }
                    output(linear, m + k, filter, to, &place);
                    if (f + 1 < w->out_c) {
                        output(linear, m + 2 + k, filter + 1, to + 1, &place);
                    }
                }
            }
        }
    }
}

void intrs_conv2d_arm_dsp_winograd4(const struct intrs_conv2d_arm_dsp_winograd4 *p, const int8_t *in, int8_t *out,
                                    uint8_t *scratch)
{
    convolve(p, 0, in, 0, out, scratch);
    intrs_clamp_arm_dsp(out, p->w.out_h * p->w.out_w * p->w.out_c, p->min, p->max);
}

void intrs_conv2d_add_arm_dsp_winograd4(const struct intrs_conv2d_add_arm_dsp_winograd4 *p, const int8_t *in,
                                        const int8_t *other, int8_t *out, uint8_t *scratch)
{
    convolve(&p->conv, p, in, other, out, scratch);
    intrs_clamp_arm_dsp(out, p->add.n, p->add.min, p->add.max);
}
