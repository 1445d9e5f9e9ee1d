/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_noise_blocks_arm_dsp_asm.h - the usual case in assembly, line by line what the other branch of
 * intrs_noise_blocks_arm_dsp.c says: all fourteen registers are in use, and no compiler was seen to allocate them
 * without spills. Seven instructions a word, eleven a pair of look-ups, the signs of two coordinates at once.
 */
#ifndef INTRS_NOISE_BLOCKS_ARM_DSP_ASM_H
#define INTRS_NOISE_BLOCKS_ARM_DSP_ASM_H

/* clang-format off */
/* the next word of the generator; the new state has s2 in another register */
#define NEXT(out, s2, new_s2)                                                                                          \
    "add " out ", %[s0], %[s3], ror #21\n\t"                                                                           \
    "add " out ", %[s0], " out ", ror #25\n\t"                                                                         \
    "eor " s2 ", " s2 ", %[s0]\n\t"                                                                                    \
    "eor %[s3], %[s1], %[s3], ror #21\n\t"                                                                             \
    "eor " new_s2 ", " s2 ", %[s1], lsl #9\n\t"                                                                        \
    "eor %[s1], %[s1], " s2 "\n\t"                                                                                     \
    "eor %[s0], %[s0], %[s3]\n\t"

#if INTRS_GUIDE_BITS == 8
#define GUIDE(k) "ldrb " k ", [%[guide], " k "]\n\t"
#else
#define GUIDE(k) "ldrh " k ", [%[guide], " k ", lsl #1]\n\t"
#endif

/* k and limit of the guide's entry for a bin */
#define LOOK_UP(k, limit)                                                                                              \
    GUIDE(k) "ldrh " limit ", [%[hi], " k ", lsl #1]\n\t"

/* the search beyond it: to `found` with the first limit above the cell, on when one equals the cell */
#define SEARCH(k, limit, adapt, cell, found)                                                                           \
    "beq 2f\n"                                                                                                         \
    "1: add " k ", #1\n\t"                                                                                             \
    "ldrh " limit ", [%[hi], " k ", lsl #1]\n\t" adapt "cmp " limit ", " cell "\n\t"                                   \
    "bhi " found "b\n\t"                                                                                               \
    "bne 1b\n"                                                                                                         \
    "2:\n\t"

/* a threshold splits the cell: 32 more bits, then while (hi[k] == cell && lo[k] < low) k++ */
#define REFINE(k, cell, low, x, s2)                                                                                    \
    "str %[guide], %[spare0]\n\t"                                                                                      \
    "movw %[guide], #:lower16:%c[lo]\n\t"                                                                              \
    "movt %[guide], #:upper16:%c[lo]\n\t" NEXT(low, s2, x)                                                     \
    "mov " s2 ", " x "\n"                                                                                              \
    "1: ldr " x ", [%[guide], " k ", lsl #2]\n\t"                                                                      \
    "cmp " x ", " low "\n\t"                                                                                           \
    "bhs 2f\n\t"                                                                                                       \
    "add " k ", #1\n\t"                                                                                                \
    "ldrh " x ", [%[hi], " k ", lsl #1]\n\t"                                                                           \
    "cmp " x ", " cell "\n\t"                                                                                          \
    "beq 1b\n"                                                                                                         \
    "2: ldr %[guide], %[spare0]\n\t"

/* pixels + k or - k, by sign; x is overwritten, k is the result */
#define NOISY(pixels, k, x)                                                                                            \
    "sadd16 " x ", " pixels ", " k "\n\t"                                                                              \
    "ssub16 " pixels ", " pixels ", " k "\n\t"                                                                         \
    "sadd16 %[signs], %[signs], %[signs]\n\t"                                                                          \
    "sel " k ", " x ", " pixels "\n\t"

#define MAP(multiply, half)                                                                                            \
    multiply " %[e], " half ", %[a], %[c]\n\t"                                                                         \
             "ssat %[e], #8, %[e]" SHIFTED("asr") "\n\t"                                                               \
             "strb %[e], [%[input]], #1\n\t"

/* clang-format on */

static INLINE void block(struct intrs_rng *r, const struct tables *t, const uint8_t **pixel, int8_t **to,
                         uint32_t signs)
{
    const uint8_t *image = *pixel, *stop = image + 32;
    int8_t *input = *to;
    uint32_t a, b, c, d, e, spare0, spare1, spare2;
    const uint32_t more = LANES(INTRS_MAP_ADD);
    const struct {
        int32_t mul, add;
    } map = {INTRS_MAP_MUL, INTRS_MAP_ADD};
    /* clang-format off */
    __asm__ volatile(
        "10:\n\t"
        /* word of coordinates 0 and 1: k in b and d */
        NEXT("%[a]", "%[s2]", "%[e]")
        "ubfx %[b], %[a], #8, #8\n\t"
        LOOK_UP("%[b]", "%[c]")
        "uxth %[d], %[a]\n\t"
        "cmp %[c], %[d]\n\t"
        "bls 20f\n"
        "11: lsr %[d], %[a], #24\n\t"
        LOOK_UP("%[d]", "%[c]")
        "cmp %[c], %[a], lsr #16\n\t"
        "bls 21f\n"
        /* word of coordinates 2 and 3: k in e. no register is left for the first cell, so both sides are shifted */
        "12:\n\t"
        NEXT("%[a]", "%[e]", "%[s2]")
        "ubfx %[e], %[a], #8, #8\n\t"
        LOOK_UP("%[e]", "%[c]")
        "lsl %[c], #16\n\t"
        "cmp %[c], %[a], lsl #16\n\t"
        "bls 22f\n"
        "13: pkhbt %[b], %[b], %[e], lsl #16\n\t"
        "lsr %[e], %[a], #24\n\t"
        LOOK_UP("%[e]", "%[c]")
        "cmp %[c], %[a], lsr #16\n\t"
        "bls 23f\n"
        "14: pkhbt %[d], %[d], %[e], lsl #16\n\t"
        /* coordinates 0 and 2 in b, 1 and 3 in d */
        "ldr %[a], [%[image]], #4\n\t"
#if NARROW
        "ldr %[e], %[more]\n\t"
        "uxtab16 %[c], %[e], %[a]\n\t"
        "uxtab16 %[a], %[e], %[a], ror #8\n\t"
        NOISY("%[c]", "%[b]", "%[e]")
        NOISY("%[a]", "%[d]", "%[e]")
        "ssat16 %[b], %[width], %[b]\n\t"
        "ssat16 %[d], %[width], %[d]\n\t"
        "mov %[e], #0x00FF00FF\n\t"
        "and %[b], %[e], %[b]" SHIFTED("lsr") "\n\t"
        "and %[d], %[e], %[d]" SHIFTED("lsr") "\n\t"
        "orr %[b], %[b], %[d], lsl #8\n\t"
        "str %[b], [%[input]], #4\n\t"
#else
        "uxtb16 %[c], %[a]\n\t"
        "uxtb16 %[a], %[a], ror #8\n\t"
        NOISY("%[c]", "%[b]", "%[e]")
        NOISY("%[a]", "%[d]", "%[e]")
        "ldrd %[a], %[c], %[map]\n\t"
        MAP("smlabb", "%[b]")
        MAP("smlabb", "%[d]")
        MAP("smlatb", "%[b]")
        MAP("smlatb", "%[d]")
#endif
        "ldr %[a], %[stop]\n\t"
        "cmp %[a], %[image]\n\t"
        "bne 10b\n\t"
        "b 30f\n"
        /* searches */
        "20:\n\t"
        SEARCH("%[b]", "%[c]", "", "%[d]", "11")
        REFINE("%[b]", "%[d]", "%[s2]", "%[c]", "%[e]")
        "b 11b\n"
        "21:\n\t"
        SEARCH("%[d]", "%[c]", "", "%[a], lsr #16", "12")
        "lsr %[a], #16\n\t"
        REFINE("%[d]", "%[a]", "%[s2]", "%[c]", "%[e]")
        "b 12b\n"
        "22:\n\t"
        SEARCH("%[e]", "%[c]", "lsl %[c], #16\n\t", "%[a], lsl #16", "13")
        "str %[image], %[spare1]\n\t"
        "str %[input], %[spare2]\n\t"
        "uxth %[image], %[a]\n\t"
        REFINE("%[e]", "%[image]", "%[input]", "%[c]", "%[s2]")
        "ldr %[image], %[spare1]\n\t"
        "ldr %[input], %[spare2]\n\t"
        "b 13b\n"
        "23:\n\t"
        SEARCH("%[e]", "%[c]", "", "%[a], lsr #16", "14")
        "lsr %[a], #16\n\t"
        "str %[image], %[spare1]\n\t"
        REFINE("%[e]", "%[a]", "%[image]", "%[c]", "%[s2]")
        "ldr %[image], %[spare1]\n\t"
        "b 14b\n"
        "30:"
        : [s0] "+r"(r->s[0]), [s1] "+r"(r->s[1]), [s2] "+r"(r->s[2]), [s3] "+r"(r->s[3]), [image] "+r"(image),
          [input] "+r"(input), [signs] "+r"(signs), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d),
          [e] "=&r"(e),
          [spare0] "=&m"(spare0), [spare1] "=&m"(spare1), [spare2] "=&m"(spare2)
        : [guide] "r"(t->guide), [hi] "r"(t->hi), [stop] "m"(stop), [more] "m"(more), [map] "m"(map),
          [lo] "i"(intrs_noise_lo), [width] "I"(NARROW ? 8 + INTRS_MAP_SHIFT : 1)
        : "cc", "memory");
    /* clang-format on */
    *pixel = image;
    *to = input;
}

#endif
