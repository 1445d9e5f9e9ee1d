/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_certify.c - a certification in steps: samples, looks at the votes, and what they prove.
 */
#include "intrs.h"
#include "intrs_model.h"
#include "intrs_noise.h"

/// selecting and counting ///

/* a certification whose votes lie in a workspace */
struct run {
    uint32_t mode;
    uint32_t done;  /* samples of both phases */
    int32_t status; /* INTRS_MORE until it is decided */
    struct intrs_certificate result;
};

static const struct intrs_certificate nothing = {INTRS_ABSTAIN, 0, 0, 0, 0, INTRS_STOP_FULL};

static void clear(uint32_t *votes)
{
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        votes[c] = 0;
    }
}

static uint32_t leader(const uint32_t *votes)
{
    uint32_t top = 0;
    for (uint32_t c = 1; c < INTRS_CLASSES; c++) {
        if (votes[c] > votes[top]) {
            top = c;
        }
    }
    return top;
}

static uint32_t most_of_others(const uint32_t *votes, uint32_t selected)
{
    uint32_t most = 0;
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        if (c != selected && votes[c] > most) {
            most = votes[c];
        }
    }
    return most;
}

/* where the votes are looked at next, in samples of both phases */
static uint32_t next_stop(const struct run *r)
{
    /* done < INTRS_N0, of which compilers warn when that is 0 */
    return r->done + 1 <= INTRS_N0 ? INTRS_N0 : INTRS_N0 + intrs_next_look(r->mode, r->done - INTRS_N0);
}

static void look(struct intrs_workspace *ws, struct run *r)
{
    struct intrs_certificate *c = &r->result;
    if (INTRS_N0 > 0 && r->done == INTRS_N0) {
        c->selected = leader(ws->votes);
        clear(ws->votes);
        return;
    }
    c->samples = r->done - INTRS_N0;
    if (INTRS_N0 == 0) {
        c->selected = leader(ws->votes);
    }
    c->count = ws->votes[c->selected];
    r->status = intrs_judge(r->mode, c->samples, c->count, most_of_others(ws->votes, c->selected), &c->radius_squared,
                            &c->stop);
    if (r->status == INTRS_OK && c->radius_squared > 0) {
        c->label = (int32_t)c->selected;
    }
}

/* at most `samples` more, less where it is decided before; an error leaves votes that mean nothing */
static int advance(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, struct run *r,
                   uint32_t samples, intrs_progress progress, void *context)
{
    while (samples > 0 && r->status == INTRS_MORE) {
        const uint32_t stop = next_stop(r);
        const uint32_t part = stop - r->done < samples ? stop - r->done : samples;
        const struct intrs_phase phase = {progress, context, r->done, INTRS_N0 + INTRS_N};
        const int status = intrs_votes_phase(ws, image, stream, r->done, part, ws->votes, &phase);
        if (status != INTRS_OK) {
            return status;
        }
        r->done += part;
        samples -= part;
        if (r->done == stop) {
            look(ws, r);
        }
    }
    return r->status;
}

/// at once ///

int intrs_certify(struct intrs_workspace *ws, const uint8_t *image, const struct intrs_stream *stream, uint32_t mode,
                  intrs_progress progress, void *context, struct intrs_certificate *out)
{
    if (!ws || !out || intrs_next_look(mode, 0) == 0) {
        return INTRS_E_ARGUMENT;
    }
    struct run r = {mode, 0, INTRS_MORE, nothing};
    clear(ws->votes);
    const int status = advance(ws, image, stream, &r, INTRS_N0 + INTRS_N, progress, context);
    if (status == INTRS_OK) {
        *out = r.result;
    }
    return status;
}

/// in steps ///

_Static_assert(sizeof(struct intrs_certification) == 4 * (INTRS_CLASSES + 16), "a gap would not be under the CRC");

static uint32_t seal_of(const struct intrs_certification *c)
{
    return intrs_crc32(0, c, offsetof(struct intrs_certification, crc));
}

static int check(const struct intrs_certification *c)
{
    if (!c) {
        return INTRS_E_ARGUMENT;
    }
    const int whole = c->model == INTRS_MODEL_HASH && c->tables == INTRS_TABLE_HASH && c->crc == seal_of(c);
    return whole ? INTRS_OK : INTRS_E_DAMAGED;
}

int intrs_certify_begin(struct intrs_certification *c, const uint8_t *image, const struct intrs_stream *stream,
                        uint32_t mode)
{
    if (!INTRS_PIXELS) {
        return INTRS_E_PIXELS;
    }
    if (!c || !image || !stream || intrs_next_look(mode, 0) == 0) {
        return INTRS_E_ARGUMENT;
    }
    c->model = INTRS_MODEL_HASH;
    c->tables = INTRS_TABLE_HASH;
    c->image_crc = intrs_crc32(0, image, INTRS_IMAGE_BYTES);
    c->seed[0] = (uint32_t)stream->seed;
    c->seed[1] = (uint32_t)(stream->seed >> 32);
    c->image = stream->image;
    c->mode = mode;
    c->done = 0;
    c->status = INTRS_MORE;
    c->result = nothing;
    clear(c->votes);
    c->crc = seal_of(c);
    return INTRS_OK;
}

int intrs_certify_step(struct intrs_workspace *ws, struct intrs_certification *c, const uint8_t *image,
                       uint32_t samples)
{
    const int sound = check(c);
    if (sound != INTRS_OK) {
        return sound;
    }
    if (!ws || !image || intrs_crc32(0, image, INTRS_IMAGE_BYTES) != c->image_crc) {
        return INTRS_E_ARGUMENT;
    }

    /* all work is done in the workspace, so a step that is cut short leaves *c as it was */
    const struct intrs_stream stream = {(uint64_t)c->seed[1] << 32 | c->seed[0], c->image};
    struct run r = {c->mode, c->done, c->status, c->result};
    for (uint32_t i = 0; i < INTRS_CLASSES; i++) {
        ws->votes[i] = c->votes[i];
    }
    const int status = advance(ws, image, &stream, &r, samples, NULL, NULL);
    if (status < 0) {
        return status;
    }

    c->done = r.done;
    c->status = r.status;
    c->result = r.result;
    for (uint32_t i = 0; i < INTRS_CLASSES; i++) {
        c->votes[i] = ws->votes[i];
    }
    c->crc = seal_of(c);
    return status;
}

int intrs_certify_end(const struct intrs_certification *c, struct intrs_certificate *out)
{
    const int sound = check(c);
    if (sound != INTRS_OK) {
        return sound;
    }
    if (!out) {
        return INTRS_E_ARGUMENT;
    }
    if (c->status == INTRS_OK) {
        *out = c->result;
    }
    return c->status;
}

int intrs_certify_now(const struct intrs_certification *c, struct intrs_certificate *out)
{
    const int sound = check(c);
    if (sound != INTRS_OK) {
        return sound;
    }
    if (!out) {
        return INTRS_E_ARGUMENT;
    }
    struct intrs_certificate found = c->result;
    if (c->status == INTRS_MORE) {
        found = nothing;
        found.stop = INTRS_STOP_CALLER;
        if (c->done > INTRS_N0) { /* none is counted while the class is being selected */
            found.samples = c->done - INTRS_N0;
            found.selected = INTRS_N0 > 0 ? c->result.selected : leader(c->votes);
            found.count = c->votes[found.selected];
            found.radius_squared =
                intrs_proved(c->mode, found.samples, found.count, most_of_others(c->votes, found.selected));
            if (found.radius_squared > 0) {
                found.label = (int32_t)found.selected;
            }
        }
    }
    *out = found;
    return INTRS_OK;
}
