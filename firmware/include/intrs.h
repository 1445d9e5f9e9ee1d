/*
 * intrs.h - the public interface of an IntRS-Edge firmware.
 *
 * One generated model is linked into one image. Everything is integers; nothing allocates; the caller owns every buffer.
 *
 * Threads and interrupts. The library has no variables: all that it writes is the caller's, and it waits for nothing. So any function may
 * run in any thread, task or interrupt handler, also at once, as long as no two of them share a workspace, a certification or a result.
 * (On x86 with AVX2 the sampler fills one table of its own, once, and other threads wait for that.) Every call ends after a number of
 * inferences that is known before; the smallest is one. docs/embedding.md shows how to use it from tasks, interrupts and in slices.
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

/* Everything the library writes to besides its results. Make it static or put it where it suits; never share one between threads. */
struct intrs_workspace {
#ifdef INTRS_ARENA_BY_CALLER
    uint8_t *arena; /* INTRS_ARENA_BYTES at a multiple of 16: the caller sets it before any call; INTRS_E_ARGUMENT without */
#else
    INTRS_ALIGN(16) uint8_t arena[INTRS_ARENA_BYTES];
#endif
    uint32_t votes[INTRS_CLASSES];
};

/// inference ///

/* What the model's own input and output are made of. */
#ifdef INTRS_UINT8_INPUT
typedef uint8_t intrs_input;
#else
typedef int8_t intrs_input;
#endif
#ifdef INTRS_UINT8_OUTPUT
typedef uint8_t intrs_output;
#else
typedef int8_t intrs_output;
#endif

/* One noiseless inference. input: [INTRS_INPUT_BYTES], NHWC, as the model quantises it; output: [INTRS_CLASSES]. */
int intrs_infer(struct intrs_workspace *ws, const intrs_input *input, intrs_output *output);

/// votes ///

/*
 * Adds to votes[INTRS_CLASSES] the top classes of samples first .. first+count-1 of a stream. Ranges may be run anywhere, in any
 * order; the votes add up. image: uint8 [INTRS_IMAGE_BYTES], HWC. Ties go to the lowest class.
 */
int intrs_votes(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t first,
                uint32_t count, uint32_t *votes, intrs_progress progress, void *context);

/// prediction (Cohen et al. 2019, PREDICT; integer binomial table) ///

int intrs_predict(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream,
                  intrs_progress progress, void *context, struct intrs_prediction *out);

/// certification ///

/*
 * Selects a class on samples 0..INTRS_N0-1 and counts it on the samples after those, up to INTRS_N of them; with INTRS_N0 0 it is
 * the leader of the samples that are counted, at each checkpoint. ws->votes holds the votes of the counting phase afterwards.
 * INTRS_E_ARGUMENT when the mode's tables were not generated.
 */
int intrs_certify(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode,
                  intrs_progress progress, void *context, struct intrs_certificate *out);

/// certification in steps ///

/*
 * A certification under way: all of its state, and no pointer. It may be copied, kept in a memory that survives sleep or reset, and gone
 * on with by the same firmware; the workspace is free between steps. Fill it with intrs_certify_begin() alone.
 */
struct intrs_certification {
    uint32_t model, tables; /* whose it is */
    uint32_t image_crc;     /* of the pixels */
    uint32_t seed[2];       /* the stream: low and high word */
    uint32_t image;
    uint32_t mode;
    uint32_t done;  /* samples so far, of both phases: INTRS_N0 + INTRS_N at most */
    int32_t status; /* INTRS_MORE, or INTRS_OK when it is decided */
    struct intrs_certificate result;
    uint32_t votes[INTRS_CLASSES]; /* of the phase at hand */
    uint32_t crc; /* of all before */
};

/* Begins what intrs_certify() does at once: same samples, same checkpoints, same result. INTRS_OK; nothing is counted yet. */
int intrs_certify_begin(struct intrs_certification *c, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode);

/*
 * Runs at most `samples` more, less where it is decided before: INTRS_MORE while it goes on, INTRS_OK when it is decided (then, and
 * with 0, it does nothing). Multiples of INTRS_BATCH waste nothing. INTRS_E_ARGUMENT when the image is not the one it was begun with;
 * INTRS_E_DAMAGED when *c is no longer what was left here, or another firmware's: begin again. A step that never returned (reset,
 * power) left *c as it was, unless it was cut in the last few microseconds, which the CRC tells; keep a copy where that matters.
 */
int intrs_certify_step(struct intrs_workspace *ws, struct intrs_certification *c, const uint8_t *image, uint32_t samples);

/* The certificate, when it is decided: INTRS_OK; else INTRS_MORE, or INTRS_E_DAMAGED, and *out is left alone. */
int intrs_certify_end(const struct intrs_certification *c, struct intrs_certificate *out);

/*
 * The certificate of the samples that were counted so far, whenever the caller has no time or power for more (its stop is
 * INTRS_STOP_CALLER then), at the same alpha: what stays proved however the samples up to the next checkpoint vote (intrs_proved), so it
 * is worth most right at one. INTRS_OK; or INTRS_E_DAMAGED or INTRS_E_ARGUMENT, and *out is left alone. *c may be gone on with.
 */
int intrs_certify_now(const struct intrs_certification *c, struct intrs_certificate *out);

/// what counts prove: the tables alone, for whoever counts elsewhere ///

/*
 * floor(R^2) in lattice steps squared for `count` votes of INTRS_N, `other` being the most votes of any other class; 0 when nothing
 * can be certified.
 */
uint32_t intrs_radius_squared(uint32_t count, uint32_t other);

/* The next checkpoint of a mode after `samples` of the counting phase, 0 to begin with; 0 when there is none. */
uint32_t intrs_next_look(uint32_t mode, uint32_t samples);

/*
 * What `count` votes among the first `samples` of the counting phase prove, at a checkpoint of the mode, `other` being the most votes
 * of any other class: INTRS_OK when it ends there, with *radius_squared (0: abstain) and *stop as in struct intrs_certificate;
 * INTRS_MORE when it goes on.
 */
int intrs_judge(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other, uint32_t *radius_squared, uint32_t *stop);

/*
 * The squared radius that `count` votes among any first `samples` of the counting phase prove, for a caller who stops there: what the
 * next checkpoint will prove even if all samples up to it vote for the strongest other class; 0 for nothing, and for votes that cannot be.
 */
uint32_t intrs_proved(uint32_t mode, uint32_t samples, uint32_t count, uint32_t other);

/* Whether PREDICT answers when the two leading classes have these votes, top >= second, of INTRS_N. */
int intrs_decides(uint32_t top, uint32_t second);

/// the image ///

/*
 * Reads all weights and tables: INTRS_OK when they are, bit for bit, what was generated; else INTRS_E_DAMAGED, and no answer of this
 * image means anything. Once at start is enough: some 20 cycles a byte. *crc (may be NULL): the CRC-32 of what was found.
 */
int intrs_check(uint32_t *crc);

#ifdef __cplusplus
}
#endif
#endif
