/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The wire: framing, message numbers, the server. docs/protocol.md is the specification.
 *
 * A frame is COBS(payload, CRC-32 of payload, little-endian) 0x00. Bounded buffers, no allocation; every function takes
 * any bytes.
 */
#ifndef INTRS_LINK_H
#define INTRS_LINK_H

#include <stddef.h>
#include <stdint.h>

#define INTRS_LINK_VERSION 2u /**< of the protocol */
#define INTRS_LINK_HEADER 6u  /**< bytes: version, type, sequence number */
#define INTRS_LINK_CRC 4u     /**< bytes behind a payload */

/** Types of messages. */
enum intrs_message {
    INTRS_M_HELLO = 1,       /**< who is there */
    INTRS_M_WRITE = 2,       /**< a part of the input */
    INTRS_M_INFER = 3,       /**< intrs_infer() */
    INTRS_M_VOTES = 4,       /**< intrs_votes() */
    INTRS_M_PREDICT = 5,     /**< intrs_predict() */
    INTRS_M_CERTIFY = 6,     /**< intrs_certify() */
    INTRS_M_READ = 7,        /**< a part of a result */
    INTRS_M_ABORT = 8,       /**< stop what is computed */
    INTRS_M_STATUS = 9,      /**< what the device does */
    INTRS_M_ENTROPY = 10,    /**< random bytes of the device */
    INTRS_M_PROGRESS = 0x7F, /**< device to host only */
    INTRS_M_REPLY = 0x80,    /**< added to the request's type */
};

/** A reply's status byte: 0, an enum intrs_status of intrs.h, or one of these. */
enum intrs_link_status {
    INTRS_L_VERSION = -32,     /**< not this version of the protocol */
    INTRS_L_TYPE = -33,        /**< no such request */
    INTRS_L_LENGTH = -34,      /**< the body has the wrong length for its type */
    INTRS_L_BUSY = -35,        /**< another request is being computed */
    INTRS_L_BOUNDS = -36,      /**< offset or length outside the buffer */
    INTRS_L_INPUT = -37,       /**< the input buffer does not hold what the request's CRC names: write it again */
    INTRS_L_STALE = -38,       /**< the result asked for is not the latest */
    INTRS_L_HASH = -39,        /**< the request names another model or other tables */
    INTRS_L_UNSUPPORTED = -40, /**< this board cannot do that */
    INTRS_L_IMAGE = -41,       /**< the image in flash is damaged */
};

/// frames ///

/** Takes a frame's bytes one by one, decoding in place. */
struct intrs_frame {
    uint8_t *buffer;  /**< [size]: the payload and its CRC */
    uint32_t size;    /**< of buffer */
    uint32_t length;  /**< bytes in it */
    uint8_t run;      /**< bytes left in the current COBS run */
    uint8_t zero;     /**< the run ends with a zero that is still to be written */
    uint8_t bad;      /**< too long: ignore until the next delimiter */
    uint8_t any;      /**< bytes since the last delimiter */
    uint32_t dropped; /**< frames that were not whole */
};

/**
 * Readies a frame to be fed.
 *
 * @param f       the frame
 * @param buffer  [size], kept by the caller
 * @param size    the longest payload and its CRC
 */
void intrs_frame_init(struct intrs_frame *f, uint8_t *buffer, uint32_t size);

/**
 * Feeds one byte, any.
 *
 * @param f     the frame
 * @param byte  the next one from the wire
 * @return the payload's length when that byte completed a sound frame, else 0
 */
uint32_t intrs_frame_feed(struct intrs_frame *f, uint8_t byte);

/**
 * Sends one frame.
 *
 * @param payload  [length], with room for the CRC behind it
 * @param length   bytes of the payload
 */
void intrs_frame_send(uint8_t *payload, uint32_t length);

/// server ///

/** Serves requests until the port closes. Never returns on bare metal. */
void intrs_serve(void);

#endif
