/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_arm_mve.c - direct convolution: VMLADAVA sums sixteen products into one register, four filters times two
 * pixels at a time.
 *
 * The sums must be even registers, and there are eight of those: r0 .. r14. Per 16 taps, two loads of the window, four
 * of weights and eight VMLADAVA: 14 instructions for 128 multiply-accumulates.
 *
 * A strip holds the input rows under one output row, column by column: strip[x][row][channel]. The window of a pixel is
 * then one run of bytes, and each input byte is copied filter_h times instead of filter_h * filter_w times.
 */
#include "intrs_asm.h"
#include "intrs_arm_mve.h"
#include "intrs_arm_mve_inline.h"

/* n bytes of each column, both addresses advance by their own steps; the columns are the inner loop, they are many */
static inline void copy_columns(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step, int32_t n,
                                int32_t columns)
{
    for (; n >= 16; n -= 16, to += 16, from += 16) {
        int8_t *t = to;
        const int8_t *f = from;
        for (int32_t i = columns; i > 0; i--, t += to_step, f += from_step) {
            vst1q_s8(t, vld1q_s8(f));
        }
    }
    if (n > 0) {
        const mve_pred16_t rest = vctp8q((uint32_t)n);
        for (; columns > 0; columns--, to += to_step, from += from_step) {
            vstrbq_p_s8(to, vldrbq_z_s8(from, rest), rest);
        }
    }
}

static inline void fill_columns(int8_t *to, int32_t to_step, int32_t value, int32_t n, int32_t columns)
{
    const int8x16_t x = vdupq_n_s8((int8_t)value);
    for (; n > 0; n -= 16, to += 16) {
        const mve_pred16_t rest = vctp8q((uint32_t)n);
        int8_t *t = to;
        for (int32_t i = columns; i > 0; i--, t += to_step) {
            vstrbq_p_s8(t, x, rest);
        }
    }
}

static void fill_strip(const struct intrs_conv2d_arm_mve *p, const int8_t *in, int32_t oy, int32_t columns,
                       int8_t *strip)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c;
    const int32_t step = w->filter_h * c;
    const int32_t left = w->pad_left < columns ? w->pad_left : columns;
    /* columns that the image reaches */
    const int32_t end = w->pad_left + w->in_w < columns ? w->pad_left + w->in_w : columns;
    const int32_t inside = end > left ? end - left : 0;

    for (int32_t fy = 0; fy < w->filter_h; fy++, strip += c) {
        const int32_t y = oy * w->stride_h - w->pad_top + fy * w->dilation_h;
        if (y < 0 || y >= w->in_h) {
            fill_columns(strip, step, p->in_zero_point, c, columns);
            continue;
        }
        fill_columns(strip, step, p->in_zero_point, c, left);
        copy_columns(strip + left * step, step, in + y * w->in_w * c, c, c, inside);
        fill_columns(strip + (left + inside) * step, step, p->in_zero_point, c, columns - left - inside);
    }
}

#if INTRS_ALL_REGISTERS
#define LOAD_WINDOW                                                                                                    \
    "vldrb.8 q0, [r3], #16\n"                                                                                          \
    "vldrb.8 q1, [r5], #16\n"
#define STEP                                                                                                           \
    LOAD_WINDOW                                                                                                        \
    "vldrb.8 q2, [r1], #16\n"                                                                                          \
    "vldrb.8 q3, [r1], #16\n"                                                                                          \
    "vmladava.s8 r0, q2, q0\n"                                                                                         \
    "vmladava.s8 r8, q2, q1\n"                                                                                         \
    "vldrb.8 q2, [r1], #16\n"                                                                                          \
    "vmladava.s8 r2, q3, q0\n"                                                                                         \
    "vmladava.s8 r10, q3, q1\n"                                                                                        \
    "vldrb.8 q3, [r1], #16\n"                                                                                          \
    "vmladava.s8 r4, q2, q0\n"                                                                                         \
    "vmladava.s8 r12, q2, q1\n"                                                                                        \
    "vmladava.s8 r6, q3, q0\n"                                                                                         \
    "vmladava.s8 lr, q3, q1\n"
#define STEP_BYTES 56

/* Four filters for two pixels, `steps` times 16 taps: the first step starts the sums, the others run by eight. */
#define FIRST_STEP                                                                                                     \
    LOAD_WINDOW                                                                                                        \
    "vldrb.8 q2, [r1], #16\n"                                                                                          \
    "vldrb.8 q3, [r1], #16\n"                                                                                          \
    "vmladav.s8 r0, q2, q0\n"                                                                                          \
    "vmladav.s8 r8, q2, q1\n"                                                                                          \
    "vldrb.8 q2, [r1], #16\n"                                                                                          \
    "vmladav.s8 r2, q3, q0\n"                                                                                          \
    "vmladav.s8 r10, q3, q1\n"                                                                                         \
    "vldrb.8 q3, [r1], #16\n"                                                                                          \
    "vmladav.s8 r4, q2, q0\n"                                                                                          \
    "vmladav.s8 r12, q2, q1\n"                                                                                         \
    "vmladav.s8 r6, q3, q0\n"                                                                                          \
    "vmladav.s8 lr, q3, q1\n"

/* Sums to q0 (pixel 0) and q1, bias added. */
#define GATHER_SUMS                                                                                                    \
    "vmov q0[2], q0[0], r0, r4\n"                                                                                      \
    "vmov q0[3], q0[1], r2, r6\n"                                                                                      \
    "vmov q1[2], q1[0], r8, r12\n"                                                                                     \
    "vmov q1[3], q1[1], r10, lr\n"                                                                                     \
    "vadd.i32 q0, q0, q4\n"                                                                                            \
    "vadd.i32 q1, q1, q4\n"
#define HIGH_MUL                                                                                                       \
    "vqrdmulh.s32 q0, q0, q5\n"                                                                                        \
    "vqrdmulh.s32 q1, q1, q5\n"
/* Halves of negative values round down. With a shift of 0 there are no halves. */
#define AWAY_FROM_ZERO                                                                                                 \
    "vshr.s32 q2, q0, #31\n"                                                                                           \
    "vshr.s32 q3, q1, #31\n"                                                                                           \
    "vadd.i32 q0, q0, q2\n"                                                                                            \
    "vadd.i32 q1, q1, q3\n"
#define AWAY_FROM_ZERO_IF_SHIFTED                                                                                      \
    "vand q2, q0, q6\n"                                                                                                \
    "vand q3, q1, q6\n"                                                                                                \
    "vshr.s32 q2, q2, #31\n"                                                                                           \
    "vshr.s32 q3, q3, #31\n"                                                                                           \
    "vadd.i32 q0, q0, q2\n"                                                                                            \
    "vadd.i32 q1, q1, q3\n"
#define SHIFT_UP                                                                                                       \
    "vldrw.32 q2, [r1, #48]\n"                                                                                         \
    "vshl.s32 q0, q0, q2\n"                                                                                            \
    "vshl.s32 q1, q1, q2\n"

/* Some groups of four filters for pixels of one row, on the stack, read in pairs by LDRD. */
struct work {
    const int8_t *weights;   /* of the next group */
    int8_t *to;              /* its first pair of outputs */
    const int8_t *window[2]; /* of the first pair of pixels */
    uint32_t skip;           /* bytes of the first round's steps; then where they begin */
    int32_t rounds;          /* of eight steps */
    int32_t window_add;      /* from the end of a window to the next pair's */
    int32_t zero_point;
    int32_t to_add;
    const int8_t *to_end; /* behind a group's last pair */
    int32_t constants;    /* offset in the group */
    int32_t group_bytes;
    const int8_t *weights_end;
};

/* q4 to q7 stay over a group: bias, multiplier, shift, offsets */
#define GROUPS(scale)                                                                                                  \
    __asm__ volatile("adr.w r9, 1f\n"                                                                                  \
                     "ldr r11, %[start]\n"                                                                             \
                     "add r9, r11\n"                                                                                   \
                     "orr r9, #1\n" /* a Thumb address */                                                              \
                     "str r9, %[start]\n"                                                                              \
                     "2:\n"                                                                                            \
                     "ldr r1, %[weights]\n"                                                                            \
                     "ldr r0, %[constants]\n"                                                                          \
                     "ldr r3, %[window0]\n"                                                                            \
                     "ldr r5, %[window1]\n"                                                                            \
                     "ldr r7, %[to]\n"                                                                                 \
                     "add r0, r1\n"                                                                                    \
                     "vldrw.32 q4, [r0]\n"                                                                             \
                     "vldrw.32 q5, [r0, #16]\n"                                                                        \
                     "vldrw.32 q6, [r0, #32]\n"                                                                        \
                     "0:\n"                                                                                            \
                     "ldrd r9, r11, %[start]\n" FIRST_STEP "bx r9\n"                                                   \
                     "1:\n" STEP STEP STEP STEP STEP STEP STEP STEP "subs r11, #1\n"                                   \
                     "bne 1b\n" GATHER_SUMS scale "ldrd r0, r2, %[next]\n"                                             \
                     "vrshl.s32 q0, q0, q6\n"                                                                          \
                     "vrshl.s32 q1, q1, q6\n"                                                                          \
                     "ldrd r4, r6, %[outputs]\n"                                                                       \
                     "vqmovnb.s32 q0, q0\n" /* half-words: a filter's two pixels side by side */                       \
                     "vqmovnt.s32 q0, q1\n"                                                                            \
                     "ldr r1, %[weights]\n"                                                                            \
                     "vqadd.s16 q0, q0, r2\n"                                                                          \
                     "add r3, r0\n"                                                                                    \
                     "add r5, r0\n"                                                                                    \
                     "vqmovnb.s16 q0, q0\n"                                                                            \
                     "vstrb.16 q0, [r7, q7]\n"                                                                         \
                     "add r7, r4\n"                                                                                    \
                     "cmp r7, r6\n"                                                                                    \
                     "bne 0b\n"                                                                                        \
                     "ldrd r0, r2, %[group]\n"                                                                         \
                     "ldr r7, %[to]\n"                                                                                 \
                     "add r1, r0\n"                                                                                    \
                     "add r6, #4\n"                                                                                    \
                     "add r7, #4\n"                                                                                    \
                     "str r1, %[weights]\n"                                                                            \
                     "str r6, %[to_end]\n"                                                                             \
                     "str r7, %[to]\n"                                                                                 \
                     "cmp r1, r2\n"                                                                                    \
                     "bne 2b\n"                                                                                        \
                     : [weights] "+m"(at.weights), [to] "+m"(at.to), [to_end] "+m"(at.to_end), [start] "+m"(at.skip)   \
                     : [window0] "m"(at.window[0]), [window1] "m"(at.window[1]), [next] "m"(at.window_add),            \
                       [outputs] "m"(at.to_add), [constants] "m"(at.constants), [group] "m"(at.group_bytes), "m"(at),  \
                       "w"(where)                                                                                      \
                     : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "q0",    \
                       "q1", "q2", "q3", "q4", "q5", "q6", "cc", "memory")

/* offsets: where a group's outputs go, by filter and then by pixel */
static __attribute__((noinline)) void groups(const struct work *work, int32_t kind, uint16x8_t offsets)
{
    struct work at = *work;
    register uint16x8_t where __asm__("q7") = offsets;
    if (kind == 0) {
        GROUPS(HIGH_MUL);
    } else if (kind == 1) {
        GROUPS(HIGH_MUL AWAY_FROM_ZERO);
    } else {
        GROUPS(SHIFT_UP HIGH_MUL AWAY_FROM_ZERO_IF_SHIFTED);
    }
}

/* All filters for `pixels` pixels, pairs or a single one, whose windows lie `step` bytes apart. */
static void convolve(const struct intrs_conv2d_arm_mve *p, const int8_t *windows, int32_t step, int32_t pixels,
                     int8_t *out)
{
    static const uint16_t filter[8] = {0, 0, 1, 1, 2, 2, 3, 3}, pixel[8] = {0, 1, 0, 1, 0, 1, 0, 1};
    const struct intrs_window *w = &p->w;
    const int32_t steps = (w->filter_h * w->filter_w * w->in_c + 15) >> 4;
    const int32_t rounds = steps > 1 ? (steps + 6) >> 3 : 1; /* the first step apart */
    const int32_t out_c = w->out_c, whole = out_c & ~3;
    const int32_t second = pixels > 1; /* a missing second pixel is the first one again */
    const uint16x8_t filters = vldrhq_u16(filter), seconds = vldrhq_u16(pixel);
    const uint16_t apart = (uint16_t)(second * out_c);
    struct work work = {
        .weights = p->stream,
        .to = out,
        .to_end = out + (pixels + (pixels & 1)) * out_c,
        .window = {windows, windows + second * step},
        .skip = (uint32_t)(8 * rounds + 1 - steps) * STEP_BYTES,
        .rounds = rounds,
        .window_add = 2 * step - 16 * steps,
        .zero_point = p->out_zero_point,
        .to_add = 2 * out_c,
        .constants = 64 * steps,
        .group_bytes = 64 * (steps + 1),
    };

    if (whole > 0) {
        work.weights_end = work.weights + (whole >> 2) * work.group_bytes;
        groups(&work, p->kind, vmlaq_n_u16(filters, seconds, apart));
    }
    if (whole < out_c) {
        /* filters that fill the last group repeat the last one, and are stored over it */
        const uint16x8_t few = vminq_u16(filters, vdupq_n_u16((uint16_t)(out_c - whole - 1)));
        work.weights += (whole >> 2) * work.group_bytes;
        work.weights_end = work.weights + work.group_bytes;
        work.to += whole;
        work.to_end += whole;
        groups(&work, p->kind, vmlaq_n_u16(few, seconds, apart));
    }
}

#else
/* Four sums to outputs without their zero point; kinds as in intrs_arm_mve.h. */
static inline int32x4_t requant(int32x4_t x, int32_t kind, const int32_t *constants)
{
    const int32x4_t shift = vldrwq_s32(constants + 8);
    if (kind == 2) {
        x = vshlq_s32(x, vldrwq_s32(constants + 12));
    }
    x = vqrdmulhq_s32(x, vldrwq_s32(constants + 4));
    if (kind == 1) {
        x = vaddq_s32(x, vshrq_n_s32(x, 31));
    } else if (kind == 2) {
        x = vaddq_s32(x, vshrq_n_s32(vandq_s32(x, shift), 31));
    }
    return vrshlq_s32(x, shift);
}

/* All filters for `pixels` pixels, whose windows lie `step` bytes apart. */
static void convolve(const struct intrs_conv2d_arm_mve *p, const int8_t *windows, int32_t step, int32_t pixels,
                     int8_t *out)
{
    const struct intrs_window *w = &p->w;
    const int32_t steps = (w->filter_h * w->filter_w * w->in_c + 15) >> 4;
    const int8_t *group = p->stream;
    for (int32_t f = 0; f < w->out_c; f += 4, group += 64 * (steps + 1)) {
        const int32_t *constants = (const int32_t *)(const void *)(group + 64 * steps);
        for (int32_t i = 0; i < pixels; i++) {
            int32_t sum[4] = {constants[0], constants[1], constants[2], constants[3]};
            for (int32_t k = 0; k < steps; k++) {
                const int8x16_t x = vldrbq_s8(windows + i * step + 16 * k);
                for (int32_t j = 0; j < 4; j++) {
                    sum[j] = vmladavaq_s8(sum[j], vldrbq_s8(group + 64 * k + 16 * j), x);
                }
            }
            vstrwq_s32(sum, requant(vldrwq_s32(sum), p->kind, constants));
            for (int32_t j = 0; j < 4 && f + j < w->out_c; j++) {
                /* as the vectors saturate: to 16 bits, the zero point added, to eight */
                const int32_t x = sum[j] < -32768 ? -32768 : sum[j] > 32767 ? 32767 : sum[j];
                const int32_t y = x + p->out_zero_point;
                out[i * w->out_c + f + j] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
            }
        }
    }
}
#endif

void intrs_conv2d_arm_mve(const struct intrs_conv2d_arm_mve *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t columns = (w->out_w - 1) * w->stride_w + w->filter_w;
    const int32_t paired = w->out_w & ~1, step = w->stride_w * w->filter_h * w->in_c;
    int8_t *strip = (int8_t *)scratch, *image = out;

    for (int32_t oy = 0; oy < w->out_h; oy++, out += w->out_w * w->out_c) {
        fill_strip(p, in, oy, columns, strip);
        if (paired > 0) {
            convolve(p, strip, step, paired, out);
        }
        if (paired < w->out_w) {
            convolve(p, strip + paired * step, step, 1, out + paired * w->out_c);
        }
    }
    intrs_clamp_arm_mve(image, w->out_h * w->out_w * w->out_c, p->min, p->max);
}
