/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The public interface of an IntRS-Edge firmware.
 *
 * One generated model is linked into one image. Everything is integers; nothing allocates; the caller owns every
 * buffer.
 *
 * Threads and interrupts. The library has no variables: all that it writes is the caller's, and it waits for nothing.
 * So any function may run in any thread, task or interrupt handler, also at once, as long as no two of them share a
 * workspace, a certification or a result. (On x86 with AVX2 the sampler fills one table of its own, once, and other
 * threads wait for that.) Every call ends after a number of inferences that is known before; the smallest is one.
 * docs/embedding.md shows how to use it from tasks, interrupts and in slices.
 *
 * Sizes of the model on this target, from the generated intrs_config.h: INTRS_HEIGHT, INTRS_WIDTH and INTRS_CHANNELS of
 * an image of INTRS_IMAGE_BYTES; INTRS_CLASSES; INTRS_ARENA_BYTES of working memory; INTRS_BATCH images that run at
 * once (1 on microcontrollers); INTRS_N0 samples that select a class and INTRS_N that count it.
 */
#ifndef INTRS_H
#define INTRS_H

#include <stddef.h>
#include <stdint.h>

#include "intrs_config.h" /* generated: sizes of this model on this target */
#include "intrs_place.h"
#include "intrs_types.h"

#if INTRS_CONFIG_FORMAT != INTRS_RUNTIME_FORMAT
#error "intrs_config.h was generated for a runtime of another format: take both from one generated project"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// caller-owned memory ///

/**
 * Everything the library writes to besides its results. Make it static or put it where it suits; never share one
 * between threads.
 */
struct intrs_workspace {
#ifdef INTRS_ARENA_BY_CALLER
    /** INTRS_ARENA_BYTES at a multiple of 16: the caller sets it before any call; INTRS_E_ARGUMENT without */
    uint8_t *arena;
#else
    INTRS_ALIGN(16) uint8_t arena[INTRS_ARENA_BYTES]; /**< activations and scratch of an inference */
#endif
    uint32_t votes[INTRS_CLASSES]; /**< of the last prediction, or of a certification's counting phase */
};

/// inference ///

/** A byte of the model's own input. */
#ifdef INTRS_UINT8_INPUT
typedef uint8_t intrs_input;
#else
typedef int8_t intrs_input;
#endif

/** A byte of the model's own output. */
#ifdef INTRS_UINT8_OUTPUT
typedef uint8_t intrs_output;
#else
typedef int8_t intrs_output;
#endif

/**
 * One noiseless inference.
 *
 * @param ws      working memory
 * @param input   [INTRS_INPUT_BYTES], NHWC, as the model quantises it
 * @param output  [INTRS_CLASSES]
 * @return INTRS_OK or INTRS_E_ARGUMENT
 */
int intrs_infer(struct intrs_workspace *ws, const intrs_input *input, intrs_output *output);

/// votes ///

/**
 * Adds to votes the top classes of `count` samples of a stream, from `first` on. Ranges may be run anywhere, in any
 * order; the votes add up. Ties go to the lowest class.
 *
 * @param ws        working memory
 * @param image     uint8 [INTRS_IMAGE_BYTES], HWC
 * @param stream    which noise
 * @param first     number of the first sample
 * @param count     how many samples
 * @param votes     [INTRS_CLASSES]: is added to, also by a range that an error cuts short
 * @param progress  called after every batch, or NULL
 * @param context   for progress
 * @return INTRS_OK, INTRS_E_ARGUMENT, INTRS_E_RANGE, INTRS_E_PIXELS or INTRS_E_ABORTED
 */
int intrs_votes(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                uint32_t count, uint32_t *votes, intrs_progress progress, void *context);

/// prediction ///

/**
 * The class of an image, without a radius: PREDICT (Cohen et al. 2019) with an integer table of the binomial test.
 *
 * @param ws        working memory; ws->votes holds the votes afterwards
 * @param image     uint8 [INTRS_IMAGE_BYTES], HWC
 * @param stream    which noise
 * @param progress  called after every batch, or NULL
 * @param context   for progress
 * @param out       the prediction, with INTRS_OK alone
 * @return INTRS_OK, INTRS_E_ARGUMENT, INTRS_E_PIXELS or INTRS_E_ABORTED
 */
int intrs_predict(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                  intrs_progress progress, void *context, struct intrs_prediction *out);

/// certification ///

/**
 * Selects a class on samples 0..INTRS_N0-1 and counts it on the samples after those, up to INTRS_N of them; with
 * INTRS_N0 0 it is the leader of the samples that are counted, at each checkpoint.
 *
 * @param ws        working memory; ws->votes holds the votes of the counting phase afterwards
 * @param image     uint8 [INTRS_IMAGE_BYTES], HWC
 * @param stream    which noise
 * @param mode      enum intrs_mode: when it ends
 * @param progress  called after every batch, or NULL
 * @param context   for progress
 * @param out       the certificate, with INTRS_OK alone
 * @return INTRS_OK, INTRS_E_ARGUMENT (also when the mode's tables were not generated), INTRS_E_PIXELS or
 *     INTRS_E_ABORTED
 */
int intrs_certify(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode,
                  intrs_progress progress, void *context, struct intrs_certificate *out);

/// certification in steps ///

/**
 * A certification under way: all of its state, and no pointer. It may be copied, kept in a memory that survives sleep
 * or reset, and gone on with by the same firmware; the workspace is free between steps. Fill it with
 * intrs_certify_begin() alone.
 */
struct intrs_certification {
    uint32_t model;                  /**< whose it is: the model's hash */
    uint32_t tables;                 /**< and that of its tables */
    uint32_t image_crc;              /**< of the pixels */
    uint32_t seed[2];                /**< the stream: low and high word */
    uint32_t image;                  /**< the stream's number of the image */
    uint32_t mode;                   /**< enum intrs_mode */
    uint32_t done;                   /**< samples so far, of both phases: INTRS_N0 + INTRS_N at most */
    int32_t status;                  /**< INTRS_MORE, or INTRS_OK when it is decided */
    struct intrs_certificate result; /**< when it is decided */
    uint32_t votes[INTRS_CLASSES];   /**< of the phase at hand */
    uint32_t crc;                    /**< of all before */
};

/**
 * Begins what intrs_certify() does at once: same samples, same checkpoints, same result. Nothing is counted yet.
 *
 * @param c       the certification, to be filled
 * @param image   uint8 [INTRS_IMAGE_BYTES], HWC
 * @param stream  which noise
 * @param mode    enum intrs_mode: when it ends
 * @return INTRS_OK, INTRS_E_ARGUMENT or INTRS_E_PIXELS
 */
int intrs_certify_begin(struct intrs_certification *c, const uint8_t *image, const struct intrs_stream *stream,
                        uint32_t mode);

/**
 * Goes on with a certification. A step that never returned (reset, power) left *c as it was, unless it was cut in the
 * last few microseconds, which the CRC tells; keep a copy where that matters.
 *
 * @param ws       working memory; nothing of it is needed between steps
 * @param c        the certification
 * @param image    the image that it was begun with
 * @param samples  how many more at most, less where it is decided before; multiples of INTRS_BATCH waste nothing
 * @return INTRS_MORE while it goes on; INTRS_OK when it is decided (then, and with 0 samples, it does nothing);
 *     INTRS_E_ARGUMENT when the image is another one; INTRS_E_DAMAGED when *c is no longer what was left
 *     here, or another firmware's: begin again
 */
int intrs_certify_step(struct intrs_workspace *ws, struct intrs_certification *c, const uint8_t *image,
                       uint32_t samples);

/**
 * The certificate, when it is decided.
 *
 * @param c    the certification
 * @param out  the certificate, with INTRS_OK alone
 * @return INTRS_OK; INTRS_MORE when it is not decided; INTRS_E_DAMAGED or INTRS_E_ARGUMENT
 */
int intrs_certify_end(const struct intrs_certification *c, struct intrs_certificate *out);

/**
 * The certificate of the samples that were counted so far, whenever the caller has no time or power for more (its stop
 * is INTRS_STOP_CALLER then), at the same alpha: what stays proved however the samples up to the next checkpoint vote
 * (intrs_proved()), so it is worth most right at one.
 *
 * @param c    the certification; it may be gone on with
 * @param out  the certificate, with INTRS_OK alone
 * @return INTRS_OK, INTRS_E_DAMAGED or INTRS_E_ARGUMENT
 */
int intrs_certify_now(const struct intrs_certification *c, struct intrs_certificate *out);

/// what counts prove: the tables alone, for whoever counts elsewhere ///

/**
 * What the votes of all samples prove.
 *
 * @param count  votes of a class, of INTRS_N
 * @param other  the most votes of any other class
 * @return floor(R^2) in lattice steps squared; 0 when nothing can be certified
 */
uint32_t intrs_radius_squared(uint32_t count, uint32_t other);

/**
 * Where a mode looks at the votes next.
 *
 * @param mode     enum intrs_mode
 * @param samples  samples of the counting phase so far, 0 to begin with
 * @return the samples at its next checkpoint; 0 when there is none, or no such mode
 */
uint32_t intrs_next_look(uint32_t mode, uint32_t samples);

/**
 * What the votes at a checkpoint prove.
 *
 * @param mode            enum intrs_mode
 * @param samples         samples of the counting phase: a checkpoint of the mode
 * @param count           votes of the class among them
 * @param other           the most votes of any other class
 * @param radius_squared  as in struct intrs_certificate (0: abstain), when it ends there
 * @param stop            as in struct intrs_certificate, when it ends there
 * @return INTRS_OK when it ends there; INTRS_MORE when it goes on; INTRS_E_ARGUMENT for what is no checkpoint, or votes
 *     that cannot be
 */
int intrs_judge(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other, uint32_t *radius_squared,
                uint32_t *stop);

/**
 * What the votes prove between checkpoints, for a caller who stops there: what the next checkpoint will prove even if
 * all samples up to it vote for the strongest other class.
 *
 * @param mode     enum intrs_mode
 * @param samples  any samples of the counting phase
 * @param count    votes of the class among them
 * @param other    the most votes of any other class
 * @return the squared radius; 0 for nothing, and for votes that cannot be
 */
uint32_t intrs_proved(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other);

/**
 * Whether PREDICT answers.
 *
 * @param top     votes of the leading class, of INTRS_N
 * @param second  votes of the one behind it, at most as many
 * @return 1 when it answers, 0 when it abstains
 */
int intrs_decides(uint32_t top, uint32_t second);

/// the image ///

/**
 * Reads all weights and tables. Once at start is enough: some 20 cycles a byte.
 *
 * @param crc  the CRC-32 of what was found; may be NULL
 * @return INTRS_OK when they are, bit for bit, what was generated; else INTRS_E_DAMAGED, and no answer of this image
 *     means anything
 */
int intrs_check(uint32_t *crc);

#ifdef __cplusplus
}
#endif
#endif
