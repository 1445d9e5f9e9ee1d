/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_stage_arm_dsp.c - the windows of two output pixels, widened to int16 once, read by every filter.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp.h"
#include "intrs_arm_dsp_inline.h"

#if INTRS_ALL_REGISTERS
/*
 * Eight bytes of each pixel: per four bytes two words of int16 of the first, two of the second, in the order {0, 2},
 * {1, 3}.
 */
#define PAIR                                                                                                           \
    "ldm %[a]!, {r2, r6}\n"                                                                                            \
    "ldm %[b]!, {r4, r8}\n"                                                                                            \
    "sxtb16 r3, r2, ror #8\n"                                                                                          \
    "sxtb16 r2, r2\n"                                                                                                  \
    "sxtb16 r5, r4, ror #8\n"                                                                                          \
    "sxtb16 r4, r4\n"                                                                                                  \
    "sxtb16 r7, r6, ror #8\n"                                                                                          \
    "sxtb16 r6, r6\n"                                                                                                  \
    "sxtb16 r9, r8, ror #8\n"                                                                                          \
    "sxtb16 r8, r8\n"                                                                                                  \
    "stm %[to]!, {r2-r9}\n"
#endif

/* a and b are word aligned */
static inline uint32_t *widen_pair(uint32_t *to, const uint8_t *a, const uint8_t *b, int32_t words)
{
    const uint8_t *end = a + 4 * words;
#if INTRS_ALL_REGISTERS
    end -= 4 * (words & 3);
    while (a != end) {
        __asm__ volatile(PAIR PAIR
                         : [to] "+r"(to), [a] "+r"(a), [b] "+r"(b)
                         :
                         : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "memory");
    }
    end += 4 * (words & 3);
#endif
    for (; a != end; a += 4, b += 4, to += 4) {
        const uint32_t x = intrs_load(a), y = intrs_load(b);
        to[0] = intrs_sxtb16(x);
        to[1] = intrs_sxtb16_ror8(x);
        to[2] = intrs_sxtb16(y);
        to[3] = intrs_sxtb16_ror8(y);
    }
    return to;
}

/* One pixel: two of every four words. */
static inline uint32_t *widen(uint32_t *to, const uint8_t *from, int32_t words)
{
    const uint8_t *end = from + 4 * words;
#if INTRS_ALL_REGISTERS
    end -= 4 * (words & 3);
    while (from != end) {
        __asm__ volatile("ldm %[from]!, {r2, r4, r6, r8}\n"
                         "sxtb16 r3, r2, ror #8\n"
                         "sxtb16 r2, r2\n"
                         "sxtb16 r5, r4, ror #8\n"
                         "sxtb16 r4, r4\n"
                         "sxtb16 r7, r6, ror #8\n"
                         "sxtb16 r6, r6\n"
                         "sxtb16 r9, r8, ror #8\n"
                         "sxtb16 r8, r8\n"
                         "strd r2, r3, [%[to]], #16\n"
                         "strd r4, r5, [%[to]], #16\n"
                         "strd r6, r7, [%[to]], #16\n"
                         "strd r8, r9, [%[to]], #16\n"
                         : [to] "+r"(to), [from] "+r"(from)
                         :
                         : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "memory");
    }
    end += 4 * (words & 3);
#endif
    for (; from != end; from += 4, to += 4) {
        const uint32_t x = intrs_load(from);
        to[0] = intrs_sxtb16(x);
        to[1] = intrs_sxtb16_ror8(x);
    }
    return to;
}

static inline uint32_t *fill(uint32_t *to, uint32_t value, int32_t words)
{
    for (; words > 0; words--, to += 4) {
        to[0] = value;
        to[1] = value;
    }
    return to;
}

/* memcpy and memset of a few bytes: cheaper here than the call */
static inline uint8_t *copy(uint8_t *to, const uint8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, from += 4, to += 4) {
        intrs_store(to, intrs_load(from));
    }
    for (; n > 0; n--) {
        *to++ = *from++;
    }
    return to;
}

static inline uint8_t *set(uint8_t *to, uint8_t value, int32_t n)
{
    for (; n > 0; n--) {
        *to++ = value;
    }
    return to;
}

/*
 * A window inside the image whose rows are no whole words: its bytes in one run. Only the last row must not read past
 * its end.
 */
static inline void gather_inside(uint8_t *to, const uint8_t *from, int32_t row_bytes, int32_t n, int32_t rows)
{
    for (; rows > 1; rows--, from += row_bytes, to += n) {
        for (int32_t i = 0; i < n; i += 4) {
            intrs_store(to + i, intrs_load(from + i)); /* the next row overwrites what is too much */
        }
    }
    copy(to, from, n);
}

/* Any window: borders, dilation, channel counts that are no multiple of four. */
static void stage_one(const struct intrs_window *w, int32_t zero_point, const int8_t *in, int32_t y0, int32_t x0,
                      uint32_t *window, uint8_t *gather)
{
    const int32_t c = w->in_c;
    /* a row of the filter is one run of bytes, unless it is dilated: then each tap is */
    const int32_t run = w->dilation_w == 1 ? w->filter_w : 1;
    const int whole_words = (c & 3) == 0;
    const uint32_t border = ((uint32_t)zero_point & 0xFFFFU) * 0x10001U;
    uint32_t *to = window;
    uint8_t *next = gather;

    for (int32_t fy = 0; fy < w->filter_h; fy++) {
        const int32_t y = y0 + fy * w->dilation_h;
        for (int32_t fx = 0; fx < w->filter_w; fx += run) {
            const int32_t x = x0 + fx * w->dilation_w;
            int32_t before = x < 0 ? -x : 0;
            int32_t after = x + run > w->in_w ? x + run - w->in_w : 0;
            if (y < 0 || y >= w->in_h || before > run || after > run) {
                before = run;
                after = 0;
            }
            const int32_t inside = run - before - after;
            const uint8_t *from = (const uint8_t *)in + (y * w->in_w + x + before) * c;
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

void intrs_stage_arm_dsp(const struct intrs_window *w, int32_t zero_point, const int8_t *in, int32_t pixel, int pair,
                         uint32_t *window, uint8_t *gather)
{
    const int32_t oy = pixel / w->out_w;
    const int32_t ox = pixel - oy * w->out_w;
    const int32_t y0 = oy * w->stride_h - w->pad_top;
    const int32_t x0 = ox * w->stride_w - w->pad_left;
    const int32_t x1 = x0 + w->stride_w;

    /* two pixels side by side whose columns are all inside */
    if (pair && ox + 1 < w->out_w && x0 >= 0 && x1 + w->filter_w <= w->in_w && w->dilation_w == 1) {
        const int32_t run = w->filter_w * w->in_c;
        const int32_t row = w->in_w * w->in_c;
        const int32_t step = w->stride_w * w->in_c;
        const uint8_t *from = (const uint8_t *)in + y0 * row + x0 * w->in_c;
        if ((w->in_c & 3) == 0) {
            const uint32_t border = ((uint32_t)zero_point & 0xFFFFU) * 0x10001U;
            for (int32_t fy = 0, y = y0; fy < w->filter_h; fy++, y += w->dilation_h, from += w->dilation_h * row) {
                if (y >= 0 && y < w->in_h) {
                    window = widen_pair(window, from, from + step, run >> 2);
                } else {
                    fill(window, border, run >> 2);
                    window = fill(window + 2, border, run >> 2) - 2;
                }
            }
            return;
        }
        if (y0 >= 0 && y0 + w->filter_h <= w->in_h && w->dilation_h == 1) {
            const int32_t words = (w->filter_h * run + 3) >> 2;
            uint8_t *second = gather + 4 * words;
            gather_inside(gather, from, row, run, w->filter_h);
            gather_inside(second, from + step, row, run, w->filter_h);
            widen_pair(window, gather, second, words);
            return;
        }
    }
    stage_one(w, zero_point, in, y0, x0, window, gather);
    if (pair) {
        const int wraps = ox + 1 == w->out_w;
        stage_one(w, zero_point, in, wraps ? y0 + w->stride_h : y0, wraps ? -w->pad_left : x1, window + 2, gather);
    }
}
