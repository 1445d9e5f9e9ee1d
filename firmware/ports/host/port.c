/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.c - the link over file descriptors: a pipe, a socket or a serial line.
 */
#include "host_port.h"
#include "intrs_port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static struct {
    int in, out, closed;
    uint8_t read[4096], write[4096];
    size_t read_at, read_end, write_end;
} port;

void intrs_port_use(int in, int out)
{
    port.in = in;
    port.out = out;
    port.closed = 0;
    port.read_at = port.read_end = port.write_end = 0;
}

static void flush(void)
{
    size_t at = 0;
    while (at < port.write_end && !port.closed) {
        const ssize_t n = write(port.out, port.write + at, port.write_end - at);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = port.out, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        } else if (errno != EINTR) {
            port.closed = 1;
        }
    }
    port.write_end = 0;
}

int intrs_port_read(int wait)
{
    if (port.read_at < port.read_end) {
        return port.read[port.read_at++];
    }
    flush();
    if (port.closed) {
        return INTRS_PORT_CLOSED;
    }
    struct pollfd p = {.fd = port.in, .events = POLLIN};
    if (poll(&p, 1, wait ? -1 : 0) <= 0) {
        return INTRS_PORT_NONE;
    }
    const ssize_t n = read(port.in, port.read, sizeof port.read);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        return INTRS_PORT_CLOSED;
    }
    if (n < 0) {
        return INTRS_PORT_NONE;
    }
    port.read_end = (size_t)n;
    port.read_at = 1;
    return port.read[0];
}

void intrs_port_write(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (port.write_end == sizeof port.write) {
            flush();
        }
        port.write[port.write_end++] = data[i];
    }
    /* a frame ends with the delimiter: hand it over */
    if (n != 0 && data[n - 1] == 0) {
        flush();
    }
}

int intrs_port_entropy(uint8_t *out, size_t n)
{
    const int source = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (source < 0) {
        return -1;
    }
    const ssize_t got = read(source, out, n);
    const int closed = close(source);
    return got == (ssize_t)n && closed == 0 ? 0 : -1;
}

int intrs_port_image(void)
{
    return 0; /* the file system keeps the program */
}

void intrs_port_alive(void)
{
}

uint32_t intrs_port_patience(void)
{
    return 100000; /* a poll is a system call of about a microsecond */
}
