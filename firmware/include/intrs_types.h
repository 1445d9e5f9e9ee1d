/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What does not depend on a model: status codes, streams, results. Shared by all models of an image.
 *
 * Units. A pixel is an integer 0..255; one lattice step is 1/255 of full scale. A radius is returned squared, in
 * lattice steps squared, rounded down, so that "every integer image within an l2 distance r, r*r <= radius_squared,
 * gets the same answer" is exactly what was proved (docs/certificate.md, theorem 1).
 */
#ifndef INTRS_TYPES_H
#define INTRS_TYPES_H

#include <stdint.h>

/** Of the runtime. What was generated for another format does not compile with it. */
#define INTRS_RUNTIME_FORMAT 4

/** Alignment of a variable or member, in bytes. */
#ifdef __cplusplus
#define INTRS_ALIGN(n) alignas(n)
#else
#define INTRS_ALIGN(n) _Alignas(n)
#endif

/** What a call returns: an error is negative, and results are not to be read then. */
enum intrs_status {
    INTRS_OK = 0,          /**< done */
    INTRS_E_ARGUMENT = -1, /**< a null pointer, or a value outside its documented range */
    INTRS_E_RANGE = -2,    /**< a sample range that passes UINT32_MAX */
    INTRS_E_ABORTED = -3,  /**< the progress callback asked to stop */
    INTRS_E_PIXELS = -4,   /**< generated without knowing what a pixel means to the model: intrs_infer() alone works */
    INTRS_E_DAMAGED = -5,  /**< weights or tables are not what was generated; a certification is not what was left */
    INTRS_MORE = 1,        /**< not decided yet */
};

/** The label of no class: too little is proved. */
#define INTRS_ABSTAIN (-1)

/// streams ///

/** Which noise: the noise of Monte-Carlo sample i is a function of (seed, image, i) alone. */
struct intrs_stream {
    uint64_t seed;  /**< unknown to whoever chooses the image until it is fixed; of a random number generator */
    uint32_t image; /**< the image's number, another one for every image under the same seed */
};

/**
 * Called between inferences. May be NULL wherever it is taken.
 *
 * @param context  what the caller gave
 * @param done     samples so far
 * @param total    samples asked for at most
 * @return 0 to go on; anything else stops, and the call returns INTRS_E_ABORTED
 */
typedef int (*intrs_progress)(void *context, uint32_t done, uint32_t total);

/// results ///

/** What intrs_predict() finds. */
struct intrs_prediction {
    int32_t label;     /**< a class, or INTRS_ABSTAIN */
    uint32_t top;      /**< the class with most votes */
    uint32_t votes[2]; /**< votes of the top two classes */
    uint32_t samples;  /**< how many were drawn: INTRS_N */
};

/** When a certification ends. */
enum intrs_mode {
    INTRS_FIXED = 0,     /**< all INTRS_N samples */
    INTRS_TARGET = 1,    /**< stop once radius >= the generated target radius is proved or hopeless */
    INTRS_PRECISION = 2, /**< stop once the radius is known to the generated precision */
};

/** Why a certification ended. */
enum intrs_stop {
    INTRS_STOP_FULL = 0,   /**< used every sample */
    INTRS_STOP_ACCEPT = 1, /**< stopped early: proved */
    INTRS_STOP_REJECT = 2, /**< stopped early: not going to be proved */
    INTRS_STOP_CALLER = 3, /**< the caller wanted no more samples: what was proved by then */
};

/**
 * What a certification proves: every integer image within the radius gets the same class, but for a probability of
 * alpha.
 */
struct intrs_certificate {
    int32_t label; /**< a class, or INTRS_ABSTAIN */
    /** the class chosen on samples 0 .. INTRS_N0-1; with INTRS_N0 0 the leader of those counted */
    uint32_t selected;
    uint32_t count;          /**< its votes among the samples after those */
    uint32_t samples;        /**< how many those were */
    uint32_t radius_squared; /**< lattice steps squared, rounded down; 0 with INTRS_ABSTAIN */
    uint32_t stop;           /**< enum intrs_stop */
};

#endif
