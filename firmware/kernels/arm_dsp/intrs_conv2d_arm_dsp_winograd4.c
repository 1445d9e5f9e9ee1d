/*
 * intrs_conv2d_arm_dsp_winograd4.c - 3x3 convolution, stride 1, by Winograd's F(4x4, 3x3): 36 products where 144 stood.
 *
 * A tile is 4x4 outputs from 6x6 inputs d. With the filter's transform U = G g G^T made beforehand,
 *   V = B^T d B,  M = sum over channels of U V,  64 y = K (A^T M A)
 * Two channels share a word. The transform of the input runs on such words with plain additions and shifts, which is right as long
 * as the lower lane never borrows: inputs are taken as a + 128, and the lower lanes of d[4..5][4..5] get 16384, which
 * reaches every position of V once and only the four last outputs, where the filter's corrections take it off again.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp_fused.h"
#include "intrs_arm_dsp_inline.h"

#define INVERSE_OF_9 0x38E38E39U

/// input ///

#if INTRS_ALL_REGISTERS
/*
 * Rows of B^T: 4 0 -5 0 1 0 / 0 -4 -4 1 1 0 / 0 4 -4 -1 1 0 / 0 -2 -1 2 1 0 / 0 2 -1 -2 1 0 / 0 4 0 -5 0 1, from r2-r7 to r2-r7 in
 * twelve instructions; uses r8-r10. (gcc finds neither the shifted operands' order nor the block transfers.)
 */
#define INPUT_1D                                                                                                       \
    "sub r2, r2, r4\n"                                                                                                 \
    "sub r8, r6, r4, lsl #2\n"                                                                                         \
    "sub r6, r6, r4\n"                                                                                                 \
    "sub r9, r5, r3, lsl #2\n"                                                                                         \
    "sub r10, r5, r3\n"                                                                                                \
    "sub r7, r7, r5\n"                                                                                                 \
    "add r2, r6, r2, lsl #2\n"                                                                                         \
    "sub r7, r7, r10, lsl #2\n"                                                                                        \
    "add r3, r8, r9\n"                                                                                                 \
    "sub r4, r8, r9\n"                                                                                                 \
    "add r5, r6, r10, lsl #1\n"                                                                                        \
    "sub r6, r6, r10, lsl #1\n"

/* Six pixels (r11 bytes apart) of two channels, + 128 (r12; lr for the last two) without carry between the lanes; a row after another. */
#define INPUT_ROWS(rotation)                                                                                           \
    "1:\n"                                                                                                             \
    "add r8, r0, r11\n"                                                                                                \
    "ldr r2, [r0]\n"                                                                                                   \
    "ldr r3, [r0, r11]\n"                                                                                              \
    "ldr r4, [r0, r11, lsl #1]\n"                                                                                      \
    "ldr r5, [r8, r11, lsl #1]\n"                                                                                      \
    "ldr r6, [r0, r11, lsl #2]\n"                                                                                      \
    "ldr r7, [r8, r11, lsl #2]\n"                                                                                      \
    "ldr r8, %[row]\n"                                                                                                 \
    "sxtab16 r2, r12, r2" rotation "\n"                                                                                \
    "sxtab16 r3, r12, r3" rotation "\n"                                                                                \
    "sxtab16 r4, r12, r4" rotation "\n"                                                                                \
    "sxtab16 r5, r12, r5" rotation "\n"                                                                                \
    "sxtab16 r6, lr, r6" rotation "\n"                                                                                 \
    "sxtab16 r7, lr, r7" rotation "\n"                                                                                 \
    "add r0, r8\n" INPUT_1D "ldr r8, %[end]\n"                                                                         \
    "stm r1!, {r2-r7}\n"                                                                                               \
    "cmp r1, r8\n"                                                                                                     \
    "bne 1b\n"

#define INPUT_OPERANDS                                                                                              \
    : "+r"(p), "+r"(to)                                                                                                \
    : "r"(step), "r"(base), "r"(tail), [row] "m"(row_bytes), [end] "m"(end)                                            \
    : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory"

/* `rows` rows of a tile, both lanes 0 and 2 or, odd, 1 and 3; corner is added to the last two pixels */
static inline void input_rows(const uint8_t *from, int32_t row_bytes, int32_t pixel_bytes, uint32_t *middle, int32_t rows,
                              uint32_t corner, int odd)
{
    register const uint8_t *p __asm__("r0") = from;
    register uint32_t *to __asm__("r1") = middle;
    register int32_t step __asm__("r11") = pixel_bytes;
    register uint32_t base __asm__("r12") = 0x00800080U;
    register uint32_t tail __asm__("lr") = corner;
    const uint32_t *end = middle + 6 * rows;
    if (odd) {
        __asm__ volatile(INPUT_ROWS(", ror #8") INPUT_OPERANDS);
    } else {
        __asm__ volatile(INPUT_ROWS("") INPUT_OPERANDS);
    }
}

/* The middle buffer's columns to 36 positions, `position` words apart. */
static inline void input_columns(const uint32_t *middle, uint32_t *v, int32_t position)
{
    register const uint32_t *p __asm__("r0") = middle;
    register uint32_t *to __asm__("r1") = v;
    register int32_t six __asm__("r11") = 24 * position;
    register int32_t one __asm__("r12") = 4 * position;
    register const uint32_t *end __asm__("lr") = middle + 6;
    __asm__ volatile("1:\n"
                     "ldr r3, [r0, #24]\n"
                     "ldr r4, [r0, #48]\n"
                     "ldr r5, [r0, #72]\n"
                     "ldr r6, [r0, #96]\n"
                     "ldr r7, [r0, #120]\n"
                     "ldr r2, [r0], #4\n" INPUT_1D "add r8, r1, r11\n"
                     "cmp r0, lr\n"
                     "str r2, [r1]\n"
                     "str r3, [r1, r11]\n"
                     "str r4, [r1, r11, lsl #1]\n"
                     "str r5, [r8, r11, lsl #1]\n"
                     "str r6, [r1, r11, lsl #2]\n"
                     "str r7, [r8, r11, lsl #2]\n"
                     "add r1, r12\n"
                     "bne 1b\n"
                     : "+r"(p), "+r"(to)
                     : "r"(six), "r"(one), "r"(end)
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
}

#else
static inline void input_1d(uint32_t d[6])
{
    const uint32_t a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], e = d[4] - d[2], f = d[3] - d[1];
    d[0] = e + 4 * (d[0] - d[2]);
    d[5] = d[5] - d[3] - 4 * f;
    d[1] = a + b;
    d[2] = a - b;
    d[3] = e + 2 * f;
    d[4] = e - 2 * f;
}

/* `rows` rows of a tile, both lanes 0 and 2 or, odd, 1 and 3; corner is added to the last two pixels */
static inline void input_rows(const uint8_t *from, int32_t row_bytes, int32_t pixel_bytes, uint32_t *middle, int32_t rows,
                              uint32_t corner, int odd)
{
    for (; rows > 0; rows--, from += row_bytes, middle += 6) {
        for (int32_t i = 0; i < 6; i++) {
            const uint32_t x = intrs_load(from + i * pixel_bytes);
            middle[i] = intrs_sadd16(odd ? intrs_sxtb16_ror8(x) : intrs_sxtb16(x), i < 4 ? 0x00800080U : corner);
        }
        input_1d(middle);
    }
}

/* The middle buffer's columns to 36 positions, `position` words apart. */
static inline void input_columns(const uint32_t *middle, uint32_t *v, int32_t position)
{
    for (int32_t i = 0; i < 6; i++, v += position) {
        uint32_t d[6];
        for (int32_t j = 0; j < 6; j++) d[j] = middle[6 * j + i];
        input_1d(d);
        for (int32_t j = 0; j < 6; j++) v[6 * j * position] = d[j];
    }
}
#endif

/* Four channels at a time of a 6x6 tile; pixels pixel_bytes apart, rows row_bytes. v: the tile's words of the first position. */
static __attribute__((noinline)) void transform_input(const uint8_t *from, int32_t row_bytes, int32_t pixel_bytes, int32_t channels,
                                                      uint32_t *v, uint32_t *middle)
{
    const int32_t position = channels; /* words: (channels / 4) * 4 */
    for (int32_t c = 0; c < channels; c += 4, from += 4, v += 4) {
        input_rows(from, row_bytes, pixel_bytes, middle, 4, 0x00800080U, 0);
        input_rows(from + 4 * row_bytes, row_bytes, pixel_bytes, middle + 24, 2, 0x00804080U, 0);
        input_columns(middle, v, position);
        input_rows(from, row_bytes, pixel_bytes, middle, 4, 0x00800080U, 1);
        input_rows(from + 4 * row_bytes, row_bytes, pixel_bytes, middle + 24, 2, 0x00804080U, 1);
        input_columns(middle, v + 1, position);
        /* 36 * 128: takes the 128 off again, which only position (1, 1) sees */
        v[7 * position] -= 0x12001200U;
        v[7 * position + 1] -= 0x12001200U;
    }
}

/* A tile that hangs over the image's edge: copied with the zero point around it. */
static __attribute__((noinline)) void gather_tile(const struct intrs_window *w, int32_t zero_point, const int8_t *in, int32_t y0,
                                                  int32_t x0, uint8_t *to)
{
    const int32_t c = w->in_c;
    const int32_t left = x0 < 0 ? -x0 : 0;
    const int32_t inside = (x0 + 6 < w->in_w ? 6 : w->in_w - x0) - left;
    for (int32_t y = y0; y < y0 + 6; y++, to += 6 * c) {
        __builtin_memset(to, zero_point, (uint32_t)(6 * c));
        if (y >= 0 && y < w->in_h && inside > 0) {
            __builtin_memcpy(to + left * c, in + (y * w->in_w + x0 + left) * c, (uint32_t)(inside * c));
        }
    }
}

/// filters ///

#if INTRS_ALL_REGISTERS
/*
 * Rows of G: 6 0 0 / 1 1 1 / 1 -1 1 / 1 2 4 / 1 -2 4 / 0 0 6, of r2 r3 r4 to r2 r5 r4 r7 r9 r8, both lanes apart; uses r6 and r10.
 */
#define FILTER_1D                                                                                                      \
    "sadd16 r5, r2, r2\n"                                                                                              \
    "sadd16 r6, r4, r4\n"                                                                                              \
    "sadd16 r7, r2, r4\n"                                                                                              \
    "sadd16 r8, r6, r6\n"                                                                                              \
    "sadd16 r9, r3, r3\n"                                                                                              \
    "sadd16 r10, r2, r8\n"                                                                                             \
    "sadd16 r2, r2, r5\n"                                                                                              \
    "sadd16 r2, r2, r2\n"                                                                                              \
    "sadd16 r5, r7, r3\n"                                                                                              \
    "ssub16 r4, r7, r3\n"                                                                                              \
    "sadd16 r7, r10, r9\n"                                                                                             \
    "ssub16 r9, r10, r9\n"                                                                                             \
    "sadd16 r8, r6, r8\n"

/* Three columns of taps (rows row_bytes apart, columns column_bytes), two channels of each word, to six rows of three. */
#define FILTER_COLUMNS(rotation)                                                                                       \
    "1:\n"                                                                                                             \
    "ldr r3, [r0, r11]\n"                                                                                              \
    "ldr r4, [r0, r11, lsl #1]\n"                                                                                      \
    "ldr r2, [r0]\n"                                                                                                   \
    "add r0, r12\n"                                                                                                    \
    "sxtb16 r3, r3" rotation "\n"                                                                                      \
    "sxtb16 r4, r4" rotation "\n"                                                                                      \
    "sxtb16 r2, r2" rotation "\n" FILTER_1D "cmp r0, lr\n"                                                             \
    "str r5, [r1, #12]\n"                                                                                              \
    "str r4, [r1, #24]\n"                                                                                              \
    "str r7, [r1, #36]\n"                                                                                              \
    "str r9, [r1, #48]\n"                                                                                              \
    "str r8, [r1, #60]\n"                                                                                              \
    "str r2, [r1], #4\n"                                                                                               \
    "bne 1b\n"
#define FILTER_COLUMN_OPERANDS                                                                                         \
    : "+r"(p), "+r"(to)                                                                                                \
    : "r"(row), "r"(column), "r"(end)                                                                                  \
    : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory"

static inline void filter_columns(const int8_t *weights, int32_t channels, uint32_t *middle, int odd)
{
    register const int8_t *p __asm__("r0") = weights;
    register uint32_t *to __asm__("r1") = middle;
    register int32_t row __asm__("r11") = 3 * channels;
    register int32_t column __asm__("r12") = channels;
    register const int8_t *end __asm__("lr") = weights + 3 * channels;
    if (odd) {
        __asm__ volatile(FILTER_COLUMNS(", ror #8") FILTER_COLUMN_OPERANDS);
    } else {
        __asm__ volatile(FILTER_COLUMNS("") FILTER_COLUMN_OPERANDS);
    }
}

/* Six rows of three to 36 positions, `position` words apart. */
static inline void filter_rows(const uint32_t *middle, uint32_t *u, int32_t position)
{
    register const uint32_t *p __asm__("r0") = middle;
    register uint32_t *to __asm__("r1") = u;
    register int32_t one __asm__("r11") = 4 * position;
    register int32_t six __asm__("r12") = 24 * position;
    register const uint32_t *end __asm__("lr") = middle + 18;
    __asm__ volatile("1:\n"
                     "ldm r0!, {r2, r3, r4}\n" FILTER_1D "add r3, r1, r11\n"
                     "cmp r0, lr\n"
                     "str r2, [r1]\n"
                     "str r5, [r1, r11]\n"
                     "str r4, [r1, r11, lsl #1]\n"
                     "str r7, [r3, r11, lsl #1]\n"
                     "str r9, [r1, r11, lsl #2]\n"
                     "str r8, [r3, r11, lsl #2]\n"
                     "add r1, r12\n"
                     "bne 1b\n"
                     : "+r"(p), "+r"(to)
                     : "r"(one), "r"(six), "r"(end)
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
}

#else
static inline void filter_1d(uint32_t a, uint32_t b, uint32_t c, uint32_t to[6])
{
    const uint32_t twice_a = intrs_sadd16(a, a), twice_b = intrs_sadd16(b, b), twice_c = intrs_sadd16(c, c);
    const uint32_t outer = intrs_sadd16(a, c), weighted = intrs_sadd16(a, intrs_sadd16(twice_c, twice_c));
    const uint32_t thrice_a = intrs_sadd16(a, twice_a);
    to[0] = intrs_sadd16(thrice_a, thrice_a);
    to[1] = intrs_sadd16(outer, b);
    to[2] = intrs_ssub16(outer, b);
    to[3] = intrs_sadd16(weighted, twice_b);
    to[4] = intrs_ssub16(weighted, twice_b);
    to[5] = intrs_sadd16(twice_c, intrs_sadd16(twice_c, twice_c));
}

static inline void filter_columns(const int8_t *weights, int32_t channels, uint32_t *middle, int odd)
{
    for (int32_t i = 0; i < 3; i++, weights += channels) {
        uint32_t g[3], to[6];
        for (int32_t j = 0; j < 3; j++) {
            const uint32_t x = intrs_load(weights + 3 * j * channels);
            g[j] = odd ? intrs_sxtb16_ror8(x) : intrs_sxtb16(x);
        }
        filter_1d(g[0], g[1], g[2], to);
        for (int32_t j = 0; j < 6; j++) middle[3 * j + i] = to[j];
    }
}

/* Six rows of three to 36 positions, `position` words apart. */
static inline void filter_rows(const uint32_t *middle, uint32_t *u, int32_t position)
{
    for (int32_t i = 0; i < 6; i++, middle += 3, u += 6 * position) {
        uint32_t to[6];
        filter_1d(middle[0], middle[1], middle[2], to);
        for (int32_t j = 0; j < 6; j++) u[j * position] = to[j];
    }
}
#endif

/* U = G g G^T of a pair of filters, from OHWI int8 (word aligned) to the order of the stream */
static __attribute__((noinline)) void transform_filters(const int8_t *weights, int32_t channels, uint32_t *u)
{
    uint32_t middle[18];
    for (int32_t f = 0; f < 2; f++, weights += 9 * channels) {
        for (int32_t c = 0; c < channels; c += 4) {
            filter_columns(weights + c, channels, middle, 0);
            filter_rows(middle, u + c + 2 * f, channels);
            filter_columns(weights + c, channels, middle, 1);
            filter_rows(middle, u + c + 2 * f + 1, channels);
        }
    }
}

/// products ///

#if INTRS_ALL_REGISTERS
#define STEP                                                                                                           \
    "ldm.w r0!, {r2-r5}\n"                                                                                             \
    "ldm.w r1!, {r6-r9}\n"                                                                                             \
    "smlad r10, r2, r6, r10\n"                                                                                         \
    "smlad r11, r2, r8, r11\n"                                                                                         \
    "smlad r12, r4, r6, r12\n"                                                                                         \
    "smlad lr, r4, r8, lr\n"                                                                                           \
    "smlad r10, r3, r7, r10\n"                                                                                         \
    "smlad r11, r3, r9, r11\n"                                                                                         \
    "smlad r12, r5, r7, r12\n"                                                                                         \
    "smlad lr, r5, r9, lr\n"
#define STEP_BYTES 40U

/*
 * m[position] = {f0 t0, f0 t1, f1 t0, f1 t1}, sums over `channels` channels. Registers as in intrs_conv2d_arm_dsp_direct.h; the first step starts the
 * sums, then a jump skips those of the fifteen others that there are no channels for.
 */
static __attribute__((noinline)) void products(const uint32_t *u, const uint32_t *v, int32_t channels, uint32_t *m)
{
    register const uint32_t *weights __asm__("r0") = u;
    register const uint32_t *tiles __asm__("r1") = v;
    register uint32_t skip __asm__("r2") = (16U - ((uint32_t)channels >> 2)) * STEP_BYTES + 1U;
    uint32_t *to = m;
    const uint32_t *end = m + 4 * 36;
    uint32_t target;
    __asm__ volatile("adr r3, 2f\n"
                     "add r3, r2\n"
                     "str r3, %[target]\n"
                     ".p2align 2\n"
                     "1:\n"
                     "ldm r0!, {r2-r5}\n"
                     "ldm r1!, {r6-r9}\n"
                     "smuad r10, r2, r6\n"
                     "smuad r11, r2, r8\n"
                     "smuad r12, r4, r6\n"
                     "smuad lr, r4, r8\n"
                     "ldr r2, %[target]\n"
                     "smlad r10, r3, r7, r10\n"
                     "smlad r11, r3, r9, r11\n"
                     "smlad r12, r5, r7, r12\n"
                     "smlad lr, r5, r9, lr\n"
                     "bx r2\n"
                     ".p2align 2\n"
                     "2:\n" STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP STEP
                     "ldr r2, %[to]\n"
                     "ldr r3, %[end]\n"
                     "stm r2!, {r10, r11, r12, lr}\n"
                     "cmp r2, r3\n"
                     "str r2, %[to]\n"
                     "bne 1b\n"
                     : "+r"(weights), "+r"(tiles), "+r"(skip), [to] "+m"(to), [target] "=m"(target)
                     : [end] "m"(end)
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
}

#else
/* m[position] = {f0 t0, f0 t1, f1 t0, f1 t1}, sums over `channels` channels. */
static __attribute__((noinline)) void products(const uint32_t *u, const uint32_t *v, int32_t channels, uint32_t *m)
{
    for (int32_t position = 0; position < 36; position++, m += 4) {
        int32_t y[4] = {0, 0, 0, 0};
        for (int32_t c = 0; c < channels; c += 4, u += 4, v += 4) {
            for (int32_t i = 0; i < 4; i++) {
                const uint32_t *f = u + (i & 2), *t = v + 2 * (i & 1);
                y[i] = intrs_smlad(f[1], t[1], intrs_smlad(f[0], t[0], y[i]));
            }
        }
        for (int32_t i = 0; i < 4; i++) m[i] = (uint32_t)y[i];
    }
}
#endif

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
};

static inline int32_t requant64(uint32_t y64, int32_t multiplier, int32_t addend, int32_t shift, int linear)
{
    int32_t h = intrs_smmla((int32_t)y64, multiplier, addend);
    if (linear) {
        h += ((int32_t)y64 >> 31) * 32;
    }
    return intrs_ssat8(h >> shift);
}

/* Row i of a tile. It is 3 * 2^(3, 2, 1, 1) y, and so is column j: k makes it 64 y. */
static inline void output_row(const uint32_t *t, const struct filter *f, int8_t *to, int32_t pixel_bytes, uint32_t k,
                              uint32_t correction2, uint32_t correction3, int linear)
{
    OUTPUT_1D(t[0], t[4], t[8], t[12], t[16], t[20], a, b, c, d);
    to[0] = (int8_t)requant64(a * k, f->multiplier, f->addend, f->shift, linear);
    to[pixel_bytes] = (int8_t)requant64(b * (k << 1), f->multiplier, f->addend, f->shift, linear);
    to += 2 * pixel_bytes;
    to[0] = (int8_t)requant64(c * (k << 2) - correction2, f->multiplier, f->addend, f->shift, linear);
    to[pixel_bytes] = (int8_t)requant64(d * (k << 2) - correction3, f->multiplier, f->addend, f->shift, linear);
}

/* The columns of M, every fourth word, by A^T to four words each: in assembly for the block transfer. */
static inline void output_columns(const uint32_t *m, uint32_t *middle)
{
#if INTRS_ALL_REGISTERS
    const uint32_t *end = m + 24;
    __asm__ volatile("1:\n"
                     "ldr r3, [%[m], #96]\n"
                     "ldr r4, [%[m], #192]\n"
                     "ldr r5, [%[m], #288]\n"
                     "ldr r6, [%[m], #384]\n"
                     "ldr r8, [%[m], #480]\n"
                     "ldr r2, [%[m]], #16\n"
                     "add r9, r3, r4\n"
                     "sub r3, r3, r4\n"
                     "add r4, r5, r6\n"
                     "sub r5, r5, r6\n"
                     "add r2, r2, r4\n"
                     "add r8, r8, r5, lsl #1\n"
                     "sub r2, r2, r9, lsl #2\n"
                     "sub r6, r8, r3\n"
                     "sub r3, r5, r3, lsl #1\n"
                     "sub r4, r4, r9\n"
                     "cmp %[m], %[end]\n"
                     "stm %[to]!, {r2, r3, r4, r6}\n"
                     "bne 1b\n"
                     : [m] "+r"(m), [to] "+r"(middle)
                     : [end] "r"(end)
                     : "r2", "r3", "r4", "r5", "r6", "r8", "r9", "cc", "memory");
#else
    for (int32_t i = 0; i < 6; i++, m += 4, middle += 4) {
        OUTPUT_1D(m[0], m[24], m[48], m[72], m[96], m[120], a, b, c, d);
        middle[0] = a;
        middle[1] = b;
        middle[2] = c;
        middle[3] = d;
    }
#endif
}

/* One tile of one filter. m: every fourth word. */
static inline void output_tile(const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place, int linear)
{
    uint32_t middle[24];
    output_columns(m, middle);
    const int32_t row = place->row_bytes, pixel = place->pixel_bytes;
    output_row(middle, f, to, pixel, INVERSE_OF_9, 0, 0, linear);
    to += row;
    output_row(middle + 1, f, to, pixel, INVERSE_OF_9 << 1, 0, 0, linear);
    to += row;
    for (int32_t i = 0; i < 2; i++, to += row) {
        output_row(middle + 2 + i, f, to, pixel, INVERSE_OF_9 << 2, f->correction[2 * i], f->correction[2 * i + 1], linear);
    }
}

static __attribute__((noinline)) void output_linear(const uint32_t *m, const struct filter *f, int8_t *to,
                                                    const struct place *place)
{
    output_tile(m, f, to, place, 1);
}

static __attribute__((noinline)) void output_relu(const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place)
{
    output_tile(m, f, to, place, 0);
}

/* One of the two; calls by name keep the call graph, and with it the stack bound, static. */
static inline void output(int linear, const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place)
{
    if (linear) {
        output_linear(m, f, to, place);
    } else {
        output_relu(m, f, to, place);
    }
}

/* A tile that hangs over the edge of the output. */
static __attribute__((noinline)) void output_part(int linear, const uint32_t *m, const struct filter *f, int8_t *to,
                                                  const struct place *place, int32_t rows, int32_t columns)
{
    int8_t tile[16];
    static const struct place packed = {4, 1};
    output(linear, m, f, tile, &packed);
    for (int32_t i = 0; i < 4 && i < rows; i++) {
        for (int32_t j = 0; j < 4 && j < columns; j++) {
            to[i * place->row_bytes + j * place->pixel_bytes] = tile[4 * i + j];
        }
    }
}

/* A tile, or what of it exists, plus the other operand of an addition; the arithmetic of intrs_add_arm_dsp. */
static inline __attribute__((always_inline)) void add_tile(const struct intrs_add_arm_dsp *s, const int8_t *tile, const int8_t *other,
                                                           int8_t *to, const struct place *place, int32_t rows,
                                                           int32_t columns, int second)
{
    const int32_t *table = s->table;
    const int32_t multiplier = s->multiplier, addend = s->addend, shift = s->shift;
    const int32_t linear = s->linear;
    const int32_t pixel = place->pixel_bytes, row = place->row_bytes - columns * pixel;
    for (int32_t i = 0; i < rows; i++, tile += 4, to += row, other += row) {
#pragma GCC unroll 4
        for (int32_t j = 0; j < columns; j++, to += pixel, other += pixel) {
            const uint8_t a = second ? (uint8_t)*other : (uint8_t)tile[j];
            const int32_t b = second ? tile[j] : *other;
            const int32_t x = table[a] + b * (1 << 20);
            int32_t h = intrs_smmlar(x, multiplier, addend);
            if (linear) {
                h += x >> 31;
            }
            *to = (int8_t)intrs_ssat8(h >> shift);
        }
    }
}

/* The result goes into an addition, whose operand and sum lie at the same place. */
static __attribute__((noinline)) void output_sum(const struct intrs_conv2d_add_arm_dsp_winograd4 *p, const uint32_t *m, const struct filter *f,
                                                 const int8_t *other, int8_t *to, const struct place *place, int32_t rows,
                                                 int32_t columns)
{
    int8_t tile[16];
    static const struct place packed = {4, 1};
    output(p->conv.linear, m, f, tile, &packed);
    if (p->conv.min > -128 || p->conv.max < 127) {
        intrs_clamp_arm_dsp(tile, 16, p->conv.min, p->conv.max);
    }
    if (rows < 4 || columns < 4) {
        add_tile(&p->add, tile, other, to, place, rows < 4 ? rows : 4, columns < 4 ? columns : 4, p->second);
    } else if (p->second) {
        add_tile(&p->add, tile, other, to, place, 4, 4, 1);
    } else {
        add_tile(&p->add, tile, other, to, place, 4, 4, 0);
    }
}

/// the kernel ///

/* fused: the parameters of which p is a part, where the result goes into an addition to `other`; else NULL */
static void convolve(const struct intrs_conv2d_arm_dsp_winograd4 *p, const struct intrs_conv2d_add_arm_dsp_winograd4 *fused, const int8_t *in,
                     const int8_t *other, int8_t *out, uint8_t *scratch)
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

void intrs_conv2d_arm_dsp_winograd4(const struct intrs_conv2d_arm_dsp_winograd4 *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    convolve(p, 0, in, 0, out, scratch);
    intrs_clamp_arm_dsp(out, p->w.out_h * p->w.out_w * p->w.out_c, p->min, p->max);
}

void intrs_conv2d_add_arm_dsp_winograd4(const struct intrs_conv2d_add_arm_dsp_winograd4 *p, const int8_t *in, const int8_t *other, int8_t *out,
                             uint8_t *scratch)
{
    convolve(&p->conv, p, in, other, out, scratch);
    intrs_clamp_arm_dsp(out, p->add.n, p->add.min, p->add.max);
}
