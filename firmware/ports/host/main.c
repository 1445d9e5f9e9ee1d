/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the program `intrs`: serves the link on stdin and stdout, a TCP port or a serial line; certifies a raw image
 * by itself.
 */
#include "host_port.h"
#include "intrs.h"
#include "intrs_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static int usage(void)
{
    (void)fputs("usage: intrs                          serve the link on stdin and stdout\n"
                "       intrs tcp PORT                 serve it on a TCP port of 127.0.0.1 (0: any; printed)\n"
                "       intrs serial DEVICE            serve it on a serial line, 115200 8N1\n"
                "       intrs info                     print the model's numbers\n"
                "       intrs certify FILE SEED INDEX  certify a raw uint8 HWC image\n",
                stderr);
    return 2;
}

static int fail(const char *what)
{
    (void)fprintf(stderr, "intrs: %s: %s\n", what, strerror(errno));
    return 2;
}

static int parse(const char *text, unsigned long long limit, unsigned long long *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && *end == 0 && errno == 0 && *value <= limit ? 0 : -1;
}

static int serve_tcp(const char *text)
{
    unsigned long long number;
    if (parse(text, 65535, &number) != 0) {
        return usage();
    }
    const int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        return fail("tcp");
    }
    (void)printf("%u\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
    for (;;) {
        const int client = accept(listener, NULL, NULL);
        if (client < 0) {
            return fail("tcp");
        }
        (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        intrs_port_use(client, client);
        intrs_serve();
        (void)close(client);
    }
}

static int serve_serial(const char *device)
{
    const int line = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios settings;
    if (line < 0 || tcgetattr(line, &settings) != 0) {
        return fail(device);
    }
    cfmakeraw(&settings);
    (void)cfsetspeed(&settings, B115200);
    if (tcsetattr(line, TCSANOW, &settings) != 0) {
        return fail(device);
    }
    intrs_port_use(line, line);
    intrs_serve();
    return 0;
}

static int certify(const char *file, const char *seed, const char *index)
{
    static struct intrs_workspace workspace;
    static uint8_t image[INTRS_IMAGE_BYTES + 1];
    unsigned long long seed_value, image_value;
    if (parse(seed, UINT64_MAX, &seed_value) != 0 || parse(index, UINT32_MAX, &image_value) != 0) {
        return usage();
    }
    FILE *f = fopen(file, "rb");
    if (f == NULL) {
        return fail(file);
    }
    const size_t n = fread(image, 1, sizeof image, f);
    (void)fclose(f);
    if (n != INTRS_IMAGE_BYTES) {
        (void)fprintf(stderr, "intrs: %s: an image has %u bytes\n", file, (unsigned)INTRS_IMAGE_BYTES);
        return 2;
    }
    const struct intrs_stream stream = {.seed = seed_value, .image = (uint32_t)image_value};
    struct intrs_certificate c;
    if (intrs_check(NULL) != INTRS_OK) {
        (void)fputs("intrs: weights or tables are damaged: build the project again\n", stderr);
        return 1;
    }
    const int status = intrs_certify(&workspace, image, &stream, INTRS_FIXED, NULL, NULL, &c);
    if (status != INTRS_OK) {
        (void)fprintf(stderr, "intrs: certify failed with %d\n", status);
        return 1;
    }
    (void)printf("label %ld\nselected %lu\ncount %lu\nsamples %lu\nradius_squared %lu\n", (long)c.label,
                 (unsigned long)c.selected, (unsigned long)c.count, (unsigned long)c.samples,
                 (unsigned long)c.radius_squared);
    return 0;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 1) {
        intrs_port_use(STDIN_FILENO, STDOUT_FILENO);
        intrs_serve();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "info") == 0) {
        (void)printf(
            "board %s\nmodel 0x%08lx\ntables 0x%08lx\nimage_bytes %lu\nclasses %lu\nn0 %lu\nn %lu\narena_bytes %lu\n",
            INTRS_BOARD, (unsigned long)INTRS_MODEL_HASH, (unsigned long)INTRS_TABLE_HASH,
            (unsigned long)INTRS_IMAGE_BYTES, (unsigned long)INTRS_CLASSES, (unsigned long)INTRS_N0,
            (unsigned long)INTRS_N, (unsigned long)INTRS_ARENA_BYTES);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "tcp") == 0) {
        return serve_tcp(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "serial") == 0) {
        return serve_serial(argv[2]);
    }
    return argc == 5 && strcmp(argv[1], "certify") == 0 ? certify(argv[2], argv[3], argv[4]) : usage();
}
