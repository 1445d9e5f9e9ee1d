/*
 * intrs_mve_conv2d.c - direct convolution: VMLADAVA sums sixteen products into one register, four filters times two pixels at a time.
 *
 * The sums must be even registers, and there are eight of those: r0 .. r14. Per 16 taps, two loads of the window, four of weights and eight
 * VMLADAVA: 14 instructions for 128 multiply-accumulates.
 *
 * A strip holds the input rows under one output row, column by column: strip[x][row][channel]. The window of a pixel is then one run of
 * bytes, and each input byte is copied filter_h times instead of filter_h * filter_w times.
 */
#include "intrs_mve.h"
#include "intrs_mve_inline.h"

/* n bytes of each column, both addresses advance by their own steps; the columns are the inner loop, they are many */
static inline void copy_columns(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step, int32_t n, int32_t columns)
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

static void fill_strip(const struct intrs_mve_conv2d *p, const int8_t *in, int32_t oy, int32_t columns, int8_t *strip)
{
    const struct intrs_window *w = &p->w;
    const int32_t c = w->in_c;
    const int32_t step = w->filter_h * c;
    const int32_t left = w->pad_left < columns ? w->pad_left : columns;
    const int32_t end = w->pad_left + w->in_w < columns ? w->pad_left + w->in_w : columns; /* columns that the image reaches */
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

/* Sums to q0 (pixel 0) and q1, bias added; q2 multiplier, q3 shift. */
#define GATHER_SUMS                                                                                                    \
    "vmov q0[2], q0[0], r0, r4\n"                                                                                      \
    "vmov q0[3], q0[1], r2, r6\n"                                                                                      \
    "vmov q1[2], q1[0], r8, r12\n"                                                                                     \
    "vmov q1[3], q1[1], r10, lr\n"                                                                                     \
    "vldrw.32 q4, [r1]\n"                                                                                              \
    "vldrw.32 q2, [r1, #16]\n"                                                                                         \
    "vldrw.32 q3, [r1, #32]\n"                                                                                         \
    "vadd.i32 q0, q0, q4\n"                                                                                            \
    "vadd.i32 q1, q1, q4\n"

/* Halves of negative values round down; q4 is a scratch register. With a shift of 0 there are no halves. */
#define AWAY_FROM_ZERO(q)                                                                                              \
    "vshr.s32 q4, " q ", #31\n"                                                                                        \
    "vadd.i32 " q ", " q ", q4\n"
#define AWAY_FROM_ZERO_IF_SHIFTED(q)                                                                                   \
    "vand q4, " q ", q3\n"                                                                                             \
    "vshr.s32 q4, q4, #31\n"                                                                                           \
    "vadd.i32 " q ", " q ", q4\n"
#define HIGH_MUL                                                                                                       \
    "vqrdmulh.s32 q0, q0, q2\n"                                                                                        \
    "vqrdmulh.s32 q1, q1, q2\n"

/* q0 and q1 to bytes of 32-bit lanes: byte 0 of pixel 0, byte 2 of pixel 1 */
#define NARROW                                                                                                         \
    "vrshl.s32 q0, q0, q3\n"                                                                                           \
    "vrshl.s32 q1, q1, q3\n"                                                                                           \
    "vqmovnb.s32 q0, q0\n"                                                                                             \
    "vqmovnt.s32 q0, q1\n"                                                                                             \
    "vqadd.s16 q0, q0, q5\n"                                                                                           \
    "vqmovnb.s16 q0, q0\n"

/* What the blocks read and write on the stack. */
struct cursor {
    const int8_t *window[2];
    uint32_t skip;  /* bytes of the first round's steps, + 1: a Thumb address */
    int32_t rounds; /* of eight steps */
    int8_t *to[2];
    int32_t kind;
    const int8_t *end; /* of the stream */
};

/* Groups of four filters for two pixels, up to at->end. */
static inline __attribute__((always_inline)) const int8_t *blocks(const int8_t *stream, int16x8_t zero_point, struct cursor *at)
{
    register const int8_t *w __asm__("r1") = stream;
    register int16x8_t zero __asm__("q5") = zero_point;
    __asm__ volatile("0:\n"
                     "ldr r3, %[window0]\n"
                     "ldr r5, %[window1]\n"
                     "ldr r9, %[skip]\n"
                     "ldr r11, %[rounds]\n" FIRST_STEP "add r9, pc\n"
                     "bx r9\n"
                     "1:\n" STEP STEP STEP STEP STEP STEP STEP STEP "subs r11, #1\n"
                     "bne 1b\n" GATHER_SUMS "ldr r4, %[kind]\n"
                     "ldr r3, %[to0]\n"
                     "ldr r5, %[to1]\n"
                     "ldr r6, %[end]\n"
                     "cbz r4, 3f\n"
                     "cmp r4, #1\n"
                     "beq 2f\n"
                     "vldrw.32 q4, [r1, #48]\n"
                     "vshl.s32 q0, q0, q4\n"
                     "vshl.s32 q1, q1, q4\n" HIGH_MUL AWAY_FROM_ZERO_IF_SHIFTED("q0") AWAY_FROM_ZERO_IF_SHIFTED("q1") NARROW
                     "b 4f\n"
                     "2:\n" HIGH_MUL AWAY_FROM_ZERO("q0") AWAY_FROM_ZERO("q1") NARROW "b 4f\n"
                     "3:\n" HIGH_MUL NARROW "4:\n"
                     "vstrb.32 q0, [r3], #4\n"
                     "vshr.u32 q0, q0, #16\n"
                     "vstrb.32 q0, [r5], #4\n"
                     "add r1, #64\n"
                     "str r3, %[to0]\n"
                     "cmp r1, r6\n"
                     "str r5, %[to1]\n"
                     "bne 0b\n"
                     : "+r"(w), [to0] "+m"(at->to[0]), [to1] "+m"(at->to[1])
                     : [window0] "m"(at->window[0]), [window1] "m"(at->window[1]), [skip] "m"(at->skip),
                       [rounds] "m"(at->rounds), [kind] "m"(at->kind), [end] "m"(at->end), "w"(zero)
                     : "r0", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "q0", "q1", "q2", "q3", "q4",
                       "cc", "memory");
    return w;
}

void intrs_mve_conv2d(const struct intrs_mve_conv2d *p, const int8_t *in, int8_t *out, uint8_t *scratch)
{
    const struct intrs_window *w = &p->w;
    const int32_t more = ((w->filter_h * w->filter_w * w->in_c + 15) >> 4) - 1; /* steps after the first */
    const int32_t rounds = more > 0 ? (more + 7) >> 3 : 1;
    const uint32_t skip = (uint32_t)(8 * rounds - more) * STEP_BYTES + 1U; /* of the first round; + 1: a Thumb address */
    const int32_t columns = (w->out_w - 1) * w->stride_w + w->filter_w;
    const int32_t pixel_step = w->stride_w * w->filter_h * w->in_c;
    const int32_t out_c = w->out_c;
    int8_t *strip = (int8_t *)scratch;
    const int32_t group_bytes = 64 * (more + 2);
    const int16x8_t zero_point = vdupq_n_s16((int16_t)p->out_zero_point);
    struct cursor at = {{0, 0}, skip, rounds, {0, 0}, p->kind, 0};

    for (int32_t oy = 0; oy < w->out_h; oy++) {
        int8_t *row = out + oy * w->out_w * out_c;
        fill_strip(p, in, oy, columns, strip);
        for (int32_t ox = 0; ox < w->out_w; ox += 2) {
            const int pair = ox + 1 < w->out_w;
            const int8_t *stream = p->stream;
            /* a missing second pixel is the first one again */
            at.window[0] = strip + ox * pixel_step;
            at.window[1] = pair ? at.window[0] + pixel_step : at.window[0];
            at.to[0] = row + ox * out_c;
            at.to[1] = pair ? at.to[0] + out_c : at.to[0];
            at.end = stream + (out_c >> 2) * group_bytes;
            if (out_c >= 4) {
                stream = blocks(stream, zero_point, &at);
            }
            if ((out_c & 3) != 0) {
                /* the filters of the last group that do not exist are not to be seen */
                int8_t *to0 = at.to[0], *to1 = at.to[1];
                int8_t last[2][4];
                at.to[0] = last[0];
                at.to[1] = last[1];
                at.end = stream + group_bytes;
                (void)blocks(stream, zero_point, &at);
                for (int32_t i = 0; i < (out_c & 3); i++) {
                    to0[i] = last[0][i];
                    to1[i] = last[1][i];
                }
            }
        }
    }
    intrs_mve_clamp(out, w->out_h * w->out_w * out_c, p->min, p->max);
}
