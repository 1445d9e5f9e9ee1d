/*
 * intrs_conv2d_scalar_winograd4.c - 3x3 convolution, stride 1, by Winograd's F(4x4, 3x3): 36 products where 144 stood.
 *
 * A tile is 4x4 outputs from 6x6 inputs d. With the filter's transform U = G g G^T made beforehand,
 *   V = B^T d B,  M = sum over channels of U V,  64 y = K (A^T M A)
 * Two channels share a word while the input is transformed, by additions and shifts that know nothing of it: a word is the number
 * 2^16 upper + lower, and its halves are those two as long as lower is not negative. Inputs are therefore taken as a + 128, and the lower
 * lanes of d[4..5][4..5] get 16384, which reaches every position of V once and only the four last outputs, where the filter's corrections
 * take it off again.
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
static inline __attribute__((always_inline)) void transform_half(const word *from, int32_t row, int32_t pixel, int shift,
                                                                 word *v, int32_t position)
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
static __attribute__((noinline)) void transform_input(const word *from, int32_t row, int32_t pixel, int32_t words, word *v)
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
static __attribute__((noinline)) void gather_tile(const struct intrs_window *w, int32_t zero_point, const int8_t *in, int32_t y0,
                                                  int32_t x0, int32_t pixel_bytes, uint8_t *to)
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

/* m[position] = [filter][tile], sums over `channels`, a multiple of 4; u: [position][channel][filter], v: [position][four channels][tile][4]. */
static __attribute__((noinline)) void products(const lane *u, const lane *v, int32_t channels, uint32_t *m)
{
#if defined(__riscv)
    /* 40 instructions for the 16 products of a channel: gcc's own order of them takes 75, most of it spills */
#define FOUR(filter, y0, y1, y2, y3)                                                                                   \
    "lh a7, 2 * (" filter ")(%[u])\n"                                                                                  \
    "mul t0, a7, a2\n"                                                                                                 \
    "add " y0 ", " y0 ", t0\n"                                                                                         \
    "mul t0, a7, a3\n"                                                                                                 \
    "add " y1 ", " y1 ", t0\n"                                                                                         \
    "mul t0, a7, a4\n"                                                                                                 \
    "add " y2 ", " y2 ", t0\n"                                                                                         \
    "mul t0, a7, a5\n"                                                                                                 \
    "add " y3 ", " y3 ", t0\n"
#define CHANNEL(i)                                                                                                     \
    "lh a2, 2 * " #i "(%[v])\n"                                                                                        \
    "lh a3, 2 * " #i " + 8(%[v])\n"                                                                                    \
    "lh a4, 2 * " #i " + 16(%[v])\n"                                                                                   \
    "lh a5, 2 * " #i " + 24(%[v])\n" FOUR("4 * " #i, "s1", "s2", "s3", "s4")                                            \
        FOUR("4 * " #i " + 1", "s5", "s6", "s7", "s8") FOUR("4 * " #i " + 2", "s9", "s10", "s11", "t3")                \
            FOUR("4 * " #i " + 3", "t4", "t5", "t6", "a6")
    for (const uint32_t *last = m + 36 * 16; m != last; m += 16) {
        const lane *end = v + 4 * channels;
        __asm__ volatile("li s1, 0\n li s2, 0\n li s3, 0\n li s4, 0\n li s5, 0\n li s6, 0\n li s7, 0\n li s8, 0\n"
                         "li s9, 0\n li s10, 0\n li s11, 0\n li t3, 0\n li t4, 0\n li t5, 0\n li t6, 0\n li a6, 0\n"
                         "1:\n" CHANNEL(0) CHANNEL(1) CHANNEL(2) CHANNEL(3) "addi %[v], %[v], 32\n"
                         "addi %[u], %[u], 32\n"
                         "bne %[v], %[end], 1b\n"
                         "sw s1, 0(%[m])\n sw s2, 4(%[m])\n sw s3, 8(%[m])\n sw s4, 12(%[m])\n"
                         "sw s5, 16(%[m])\n sw s6, 20(%[m])\n sw s7, 24(%[m])\n sw s8, 28(%[m])\n"
                         "sw s9, 32(%[m])\n sw s10, 36(%[m])\n sw s11, 40(%[m])\n sw t3, 44(%[m])\n"
                         "sw t4, 48(%[m])\n sw t5, 52(%[m])\n sw t6, 56(%[m])\n sw a6, 60(%[m])\n"
                         : [u] "+r"(u), [v] "+r"(v)
                         : [end] "r"(end), [m] "r"(m)
                         : "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t0", "t3", "t4", "t5",
                           "t6", "a2", "a3", "a4", "a5", "a6", "a7", "memory");
    }
#elif INTRS_ALL_REGISTERS && INTRS_SCALAR_TILES == 2
    /* 14 instructions for the eight products of a channel */
#define CHANNEL(i)                                                                                                     \
    "ldrsh r10, [%[v], #2 * " #i "]\n"                                                                                 \
    "ldrsh r11, [%[v], #2 * " #i " + 8]\n"                                                                             \
    "ldrsh r12, [%[u]], #2\n"                                                                                          \
    "mla r2, r12, r10, r2\n"                                                                                           \
    "mla r3, r12, r11, r3\n"                                                                                           \
    "ldrsh r12, [%[u]], #2\n"                                                                                          \
    "mla r4, r12, r10, r4\n"                                                                                           \
    "mla r5, r12, r11, r5\n"                                                                                           \
    "ldrsh r12, [%[u]], #2\n"                                                                                          \
    "mla r6, r12, r10, r6\n"                                                                                           \
    "mla r7, r12, r11, r7\n"                                                                                           \
    "ldrsh r12, [%[u]], #2\n"                                                                                          \
    "mla r8, r12, r10, r8\n"                                                                                           \
    "mla r9, r12, r11, r9\n"
    register const lane *filters __asm__("r0") = u;
    register const lane *inputs __asm__("r1") = v;
    struct {
        uint32_t *to, *end;
        int32_t bytes;
    } work = {m, m + 36 * 8, 16 * (channels >> 2)};
    __asm__ volatile("1:\n"
                     "ldr lr, %[bytes]\n"
                     "movs r2, #0\n"
                     "add lr, %[v]\n"
                     "movs r3, #0\n"
                     "movs r4, #0\n"
                     "movs r5, #0\n"
                     "movs r6, #0\n"
                     "movs r7, #0\n"
                     "mov r8, r2\n"
                     "mov r9, r2\n"
                     "2:\n" CHANNEL(0) CHANNEL(1) CHANNEL(2) CHANNEL(3) "add %[v], #16\n"
                     "cmp %[v], lr\n"
                     "bne 2b\n"
                     "ldrd r10, r11, %[to]\n"
                     "stm r10!, {r2-r9}\n"
                     "cmp r10, r11\n"
                     "str r10, %[to]\n"
                     "bne 1b\n"
                     : [u] "+r"(filters), [v] "+r"(inputs), [to] "+m"(work.to)
                     : [bytes] "m"(work.bytes), "m"(work.end)
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#elif INTRS_ALL_REGISTERS && INTRS_SCALAR_TILES == 1
    /* 14 instructions for the four products of a channel whose input is `half` of r6 or r7, and half of one to load those */
#define CHANNEL(input)                                                                                                 \
    input "ldmia r0!, {r2, r3}\n"                                                                                      \
          "sxth r5, r2\n"                                                                                              \
          "asrs r2, r2, #16\n"                                                                                         \
          "muls r5, r4, r5\n"                                                                                          \
          "muls r2, r4, r2\n"                                                                                          \
          "add r8, r5\n"                                                                                               \
          "add r9, r2\n"                                                                                               \
          "sxth r5, r3\n"                                                                                              \
          "asrs r3, r3, #16\n"                                                                                         \
          "muls r5, r4, r5\n"                                                                                          \
          "muls r3, r4, r3\n"                                                                                          \
          "add r10, r5\n"                                                                                              \
          "add r11, r3\n"
    register const lane *filters __asm__("r0") = u;
    register const lane *inputs __asm__("r1") = v;
    register uint32_t *to __asm__("r2") = m;
    struct {
        uint32_t *end;
        int32_t bytes;
    } work = {m + 36 * 4, 8 * (channels >> 2)};
    __asm__ volatile(".syntax unified\n"
                     "mov lr, r2\n"
                     "1:\n"
                     "ldr r2, %[bytes]\n"
                     "movs r3, #0\n"
                     "adds r2, r2, r1\n"
                     "mov r8, r3\n"
                     "mov r9, r3\n"
                     "mov r10, r3\n"
                     "mov r11, r3\n"
                     "mov r12, r2\n"
                     "2:\n"
                     "ldmia r1!, {r6, r7}\n" CHANNEL("sxth r4, r6\n") CHANNEL("asrs r4, r6, #16\n")
                         CHANNEL("sxth r4, r7\n") CHANNEL("asrs r4, r7, #16\n") "cmp r1, r12\n"
                     "bne 2b\n"
                     "mov r2, lr\n"
                     "mov r3, r8\n"
                     "mov r4, r9\n"
                     "mov r5, r10\n"
                     "mov r6, r11\n"
                     "stmia r2!, {r3, r4, r5, r6}\n"
                     "ldr r3, %[end]\n"
                     "mov lr, r2\n"
                     "cmp r2, r3\n"
                     "bne 1b\n"
                     : "+r"(filters), "+r"(inputs), "+r"(to)
                     : [bytes] "m"(work.bytes), [end] "m"(work.end)
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#else
    for (int32_t position = 0; position < 36; position++, m += 4 * TILES) {
        uint32_t y[4 * TILES] = {0};
        for (int32_t c = 0; c < channels; c += 4, v += 4 * TILES) {
            for (int32_t i = 0; i < 4; i++, u += 4) {
                for (int32_t k = 0; k < 4 * TILES; k++) {
                    y[k] += (uint32_t)(u[k / TILES] * v[4 * (k % TILES) + i]);
                }
            }
        }
        for (int32_t k = 0; k < 4 * TILES; k++) {
            m[k] = y[k];
        }
    }
#endif
}

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
                                                             const struct place *place, uint32_t k, uint32_t correction2,
                                                             uint32_t correction3, int linear)
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

static __attribute__((noinline)) void output_relu(const uint32_t *m, const struct filter *f, int8_t *to, const struct place *place)
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
