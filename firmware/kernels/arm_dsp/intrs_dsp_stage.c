/*
 * intrs_dsp_stage.c - the window of one output pixel, widened to int16 once, read by every filter.
 */
#include "intrs_dsp.h"
#include "intrs_dsp_inline.h"

/* Writes n words of int8 as two words of int16 each, in the order {0, 2}, {1, 3}; the other pixel's words lie between. */
static inline uint32_t *widen(uint32_t *to, const uint8_t *from, int32_t n) {
    for (; n >= 4; n -= 4, from += 16, to += 16) {
        uint32_t a = intrs_load(from), b = intrs_load(from + 4), c = intrs_load(from + 8), d = intrs_load(from + 12);
        to[0] = intrs_sxtb16(a), to[1] = intrs_sxtb16_ror8(a);
        to[4] = intrs_sxtb16(b), to[5] = intrs_sxtb16_ror8(b);
        to[8] = intrs_sxtb16(c), to[9] = intrs_sxtb16_ror8(c);
        to[12] = intrs_sxtb16(d), to[13] = intrs_sxtb16_ror8(d);
    }
    for (; n > 0; n--, from += 4, to += 4) {
        uint32_t a = intrs_load(from);
        to[0] = intrs_sxtb16(a), to[1] = intrs_sxtb16_ror8(a);
    }
    return to;
}

static inline uint32_t *fill(uint32_t *to, uint32_t value, int32_t n) {
    for (; n > 0; n--, to += 4) {
        to[0] = value, to[1] = value;
    }
    return to;
}

/* memcpy and memset of a few bytes: cheaper here than the call */
static inline uint8_t *copy(uint8_t *to, const uint8_t *from, int32_t n) {
    for (; n >= 4; n -= 4, from += 4, to += 4) {
        intrs_store(to, intrs_load(from));
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
    return to;
}

static inline uint8_t *set(uint8_t *to, uint8_t value, int32_t n) {
    for (; n > 0; n--) {
        *to++ = value;
    }
    return to;
}

void intrs_dsp_stage(const struct intrs_window *w, int32_t zero_point, const int8_t *in, int32_t pixel, uint32_t *window,
                     uint8_t *gather) {
    int32_t c = w->in_c;
    int32_t y0 = (pixel / w->out_w) * w->stride_h - w->pad_top;
    int32_t x0 = (pixel % w->out_w) * w->stride_w - w->pad_left;
    const uint8_t *bytes = (const uint8_t *)in;
    /* a row of the filter is one run of bytes, unless it is dilated: then each tap is */
    int32_t run = w->dilation_w == 1 ? w->filter_w : 1;
    int whole_words = (c & 3) == 0;
    uint32_t border = ((uint32_t)zero_point & 0xFFFFU) * 0x10001U;
    uint32_t *to = window;
    uint8_t *next = gather;

    for (int32_t fy = 0; fy < w->filter_h; fy++) {
        int32_t y = y0 + fy * w->dilation_h;
        for (int32_t fx = 0; fx < w->filter_w; fx += run) {
            int32_t x = x0 + fx * w->dilation_w;
            int32_t before = x < 0 ? -x : 0;
            int32_t after = x + run > w->in_w ? x + run - w->in_w : 0;
            if (y < 0 || y >= w->in_h || before > run || after > run) {
                before = run, after = 0;
            }
            int32_t inside = run - before - after;
            const uint8_t *from = bytes + (y * w->in_w + x + before) * c;
            if (whole_words) {
                to = fill(to, border, before * (c >> 2));
                to = widen(to, from, inside * (c >> 2));
                to = fill(to, border, after * (c >> 2));
            } else {
                next = set(next, (uint8_t)zero_point, before * c);
                next = copy(next, from, inside * c);
                next = set(next, (uint8_t)zero_point, after * c);
            }
        }
    }
    if (!whole_words) {
        /* the last word's missing taps meet zero weights, so any value does */
        widen(window, gather, (int32_t)(next - gather + 3) >> 2);
    }
}
