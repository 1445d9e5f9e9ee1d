/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_server.c - one request at a time, computed to its end; in between inferences it listens for abort and status
 * (intrs_server_aside.h). Everything that is computed is a function of the request alone, so repeating a request is
 * always safe; the latest reply is kept for that.
 */
#include "intrs_server_aside.h"
#include "intrs_server_state.h"

/// results ///

/*
 * Results stay where they were computed, in the workspace's votes. Little-endian machines only, as every board here is.
 */
static const uint8_t *result(void)
{
    return (const uint8_t *)workspace.votes;
}

/* Appends length, CRC and as much of the result as the frame takes; the rest is fetched by READ. */
static uint32_t put_result(uint32_t at, uint32_t bytes)
{
    server.result_bytes = bytes;
    at = put32(server.reply, at, bytes);
    at = put32(server.reply, at, intrs_crc32(0, result(), bytes));
    const uint32_t room = INTRS_LINK_FRAME - at;
    return put_bytes(server.reply, at, result(), bytes < room ? bytes : room);
}

/// requests ///

/* A computing request begins with model hash, table hash, CRC of the input; tables do not matter to INFER. */
static int check_input(const uint8_t *body, int tables)
{
    if (server.damage != INTRS_OK) {
        return server.damage;
    }
    if (get32(body) != INTRS_MODEL_HASH || (tables && get32(body + 4) != INTRS_TABLE_HASH)) {
        return INTRS_L_HASH;
    }
    return get32(body + 8) == intrs_crc32(0, server.input, INTRS_IMAGE_BYTES) ? INTRS_OK : INTRS_L_INPUT;
}

static void start(uint32_t every)
{
    server.running = 1;
    server.aborted = 0;
    server.done = 0;
    server.total = 0;
    server.every = every;
    server.result_bytes = 0;
}

static int do_hello(uint32_t *at)
{
    const uint32_t fields[] = {
        INTRS_MODEL_HASH,  INTRS_TABLE_HASH, INTRS_IMAGE_BYTES, INTRS_CHANNELS,
        INTRS_CLASSES,     INTRS_N0,         INTRS_N,           INTRS_BATCH,
        INTRS_ARENA_BYTES, INTRS_LINK_FRAME, server.data_crc,   (uint32_t)server.damage,
    };
    static const char board[] = INTRS_BOARD;
    for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *at = put32(server.reply, *at, fields[i]);
    }
    *at = put_bytes(server.reply, *at, (const uint8_t *)board, sizeof board - 1u);
    return INTRS_OK;
}

static int do_write(const uint8_t *body, uint32_t length)
{
    const uint32_t offset = get32(body), n = length - 4u;
    if (offset > INTRS_IMAGE_BYTES || n > INTRS_IMAGE_BYTES - offset) {
        return INTRS_L_BOUNDS;
    }
    (void)put_bytes(server.input, offset, body + 4, n);
    return INTRS_OK;
}

static int do_infer(const uint8_t *body, uint32_t *at)
{
    int status = check_input(body, 0);
    if (status != INTRS_OK) {
        return status;
    }
    start(0);
    status = intrs_infer(&workspace, (const intrs_input *)server.input, (intrs_output *)workspace.votes);
    if (status == INTRS_OK) {
        *at = put_result(*at, INTRS_CLASSES);
    }
    return status;
}

static int do_votes(const uint8_t *body, uint32_t *at)
{
    int status = check_input(body, 1);
    if (status != INTRS_OK) {
        return status;
    }
    const struct intrs_stream stream = {.seed = get64(body + 16), .image = get32(body + 12)};
    const uint32_t first = get32(body + 24), count = get32(body + 28);
    start(get32(body + 32));
    for (uint32_t c = 0; c < INTRS_CLASSES; c++) {
        workspace.votes[c] = 0;
    }
    status = intrs_votes(&workspace, server.input, &stream, first, count, workspace.votes, on_progress, NULL);
    if (status == INTRS_OK) {
        *at = put_result(*at, INTRS_CLASSES * 4u);
    }
    return status;
}

static int do_predict(const uint8_t *body, uint32_t *at)
{
    int status = check_input(body, 1);
    if (status != INTRS_OK) {
        return status;
    }
    const struct intrs_stream stream = {.seed = get64(body + 16), .image = get32(body + 12)};
    start(get32(body + 24));
    struct intrs_prediction p;
    status = intrs_predict(&workspace, server.input, &stream, on_progress, NULL, &p);
    if (status == INTRS_OK) {
        const uint32_t fields[] = {(uint32_t)p.label, p.top, p.votes[0], p.votes[1], p.samples};
        for (uint32_t i = 0; i < 5; i++) {
            *at = put32(server.reply, *at, fields[i]);
        }
    }
    return status;
}

static int do_certify(const uint8_t *body, uint32_t *at)
{
    int status = check_input(body, 1);
    if (status != INTRS_OK) {
        return status;
    }
    const struct intrs_stream stream = {.seed = get64(body + 16), .image = get32(body + 12)};
    start(get32(body + 28));
    struct intrs_certificate c;
    status = intrs_certify(&workspace, server.input, &stream, get32(body + 24), on_progress, NULL, &c);
    if (status == INTRS_OK) {
        const uint32_t fields[] = {(uint32_t)c.label, c.selected, c.count, c.samples, c.radius_squared, c.stop};
        for (uint32_t i = 0; i < 6; i++) {
            *at = put32(server.reply, *at, fields[i]);
        }
        *at = put_result(*at, INTRS_CLASSES * 4u);
    }
    return status;
}

static int do_read(const uint8_t *body, uint32_t result_sequence, uint32_t *at)
{
    if (get32(body) != result_sequence || server.result_bytes == 0) {
        return INTRS_L_STALE;
    }
    const uint32_t offset = get32(body + 4);
    if (offset > server.result_bytes) {
        return INTRS_L_BOUNDS;
    }
    const uint32_t left = server.result_bytes - offset, room = INTRS_LINK_FRAME - *at;
    *at = put_bytes(server.reply, *at, result() + offset, left < room ? left : room);
    return INTRS_OK;
}

static int do_entropy(uint32_t *at)
{
    uint8_t bytes[8];
    if (intrs_port_entropy(bytes, sizeof bytes) != 0) {
        return INTRS_L_UNSUPPORTED;
    }
    *at = put_bytes(server.reply, *at, bytes, sizeof bytes);
    return INTRS_OK;
}

/// dispatch ///

/* Body length of each request; WRITE has at least this much. */
static const uint8_t body_bytes[] = {
    [INTRS_M_HELLO] = 0,    [INTRS_M_WRITE] = 4, [INTRS_M_INFER] = 12, [INTRS_M_VOTES] = 36, [INTRS_M_PREDICT] = 28,
    [INTRS_M_CERTIFY] = 32, [INTRS_M_READ] = 8,  [INTRS_M_ABORT] = 4,  [INTRS_M_STATUS] = 0, [INTRS_M_ENTROPY] = 0,
};

static int execute(uint32_t type, const uint8_t *body, uint32_t length, uint32_t *at)
{
    static uint32_t result_sequence;
    if (type == 0 || type >= sizeof body_bytes) {
        return INTRS_L_TYPE;
    }
    if (type == INTRS_M_WRITE ? length < 4u : length != body_bytes[type]) {
        return INTRS_L_LENGTH;
    }
    if (type == INTRS_M_INFER || type == INTRS_M_VOTES || type == INTRS_M_CERTIFY || type == INTRS_M_PREDICT) {
        result_sequence = server.reply_sequence;
        server.result_bytes = 0;
    }
    switch (type) {
    case INTRS_M_HELLO:
        return do_hello(at);
    case INTRS_M_WRITE:
        return do_write(body, length);
    case INTRS_M_INFER:
        return do_infer(body, at);
    case INTRS_M_VOTES:
        return do_votes(body, at);
    case INTRS_M_PREDICT:
        return do_predict(body, at);
    case INTRS_M_CERTIFY:
        return do_certify(body, at);
    case INTRS_M_READ:
        return do_read(body, result_sequence, at);
    default:
        return do_entropy(at);
    }
}

static void answer(uint32_t length)
{
    const uint8_t *p = server.received;
    const uint32_t type = p[1], sequence = get32(p + 2);
    if (p[0] != INTRS_LINK_VERSION || type == INTRS_M_ABORT || type == INTRS_M_STATUS) {
        answer_aside(length);
        return;
    }
    const uint32_t key = intrs_crc32(0, p, length);
    if (server.reply_length == 0 || key != server.reply_key || sequence != server.reply_sequence) {
        server.reply_key = key;
        server.reply_sequence = sequence;
        uint32_t at = REPLY_HEADER;
        const int status = execute(type, p + INTRS_LINK_HEADER, length - INTRS_LINK_HEADER, &at);
        server.running = 0;
        server.reply_length = status == INTRS_OK ? at : REPLY_HEADER;
        (void)begin(server.reply, INTRS_M_REPLY | type, sequence, status);
    }
    intrs_frame_send(server.reply, server.reply_length);
}

/* What lies in flash, before anything is computed from it. */
static void check_image(void)
{
    intrs_port_alive();
    server.damage = intrs_check(&server.data_crc);
    intrs_port_alive();
    if (server.damage == INTRS_OK && intrs_port_image() != 0) {
        server.damage = INTRS_L_IMAGE;
    }
}

void intrs_serve(void)
{
    check_image();
    intrs_frame_init(&server.frame, server.received, FRAME_BYTES);
    server.reply_length = 0;
    server.closed = 0;
    while (!server.closed) {
        const int byte = intrs_port_read(1);
        intrs_port_alive();
        if (byte >= 0) {
            const uint32_t length = intrs_frame_feed(&server.frame, (uint8_t)byte);
            if (length != 0 && is_request()) {
                answer(length);
            }
        } else if (byte == INTRS_PORT_CLOSED) {
            return;
        }
    }
}
