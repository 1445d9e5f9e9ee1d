/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_scalar_winograd4_products.h - sums over channels of U V, four filters at a time. A part of
 * intrs_conv2d_scalar_winograd4.c, which says what a word and a lane are.
 */
#ifndef INTRS_CONV2D_SCALAR_WINOGRAD4_PRODUCTS_H
#define INTRS_CONV2D_SCALAR_WINOGRAD4_PRODUCTS_H

/*
 * m[position] = [filter][tile], sums over `channels`, a multiple of 4; u: [position][channel][filter], v:
 * [position][four channels][tile][4].
 */
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
    "lh a5, 2 * " #i " + 24(%[v])\n" FOUR("4 * " #i, "s1", "s2", "s3", "s4")                                           \
        FOUR("4 * " #i " + 1", "s5", "s6", "s7", "s8") FOUR("4 * " #i " + 2", "s9", "s10", "s11", "t3")                \
            FOUR("4 * " #i " + 3", "t4", "t5", "t6", "a6")
    for (const uint32_t *last = m + 36 * 16; m != last; m += 16) {
        const lane *end = v + 4 * channels;
        /* clang-format off */
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
        /* clang-format on */
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
    /* clang-format off */
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
    /* clang-format on */
#elif INTRS_ALL_REGISTERS && INTRS_SCALAR_TILES == 1
    /*
     * 14 instructions for the four products of a channel whose input is `half` of r6 or r7, and half of one to load
     * those
     */
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
    /* clang-format off */
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
    /* clang-format on */
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

#endif
