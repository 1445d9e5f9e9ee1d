/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.c - seal IMAGE OUT: writes to OUT the eight bytes that ports/bare/image.c expects behind the image: the CRC-32
 * of the file but for its last eight bytes, and the mark. Built for the machine that builds, with model/intrs_crc32.c.
 */
#include "intrs_model.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static uint8_t buffer[4096 + 8];
    if (argc != 3) {
        (void)fputs("usage: seal IMAGE OUT\n", stderr);
        return 2;
    }
    FILE *image = fopen(argv[1], "rb");
    if (image == NULL) {
        perror(argv[1]);
        return 2;
    }
    uint32_t crc = 0;
    size_t held = 0, total = 0;
    for (;;) {
        const size_t n = fread(buffer + held, 1, sizeof buffer - held, image);
        if (n == 0) {
            break;
        }
        held += n;
        total += n;
        if (held > 8) { /* the last eight bytes seen may be the seal's place */
            crc = intrs_crc32(crc, buffer, held - 8);
            for (size_t i = 0; i < 8; i++) {
                buffer[i] = buffer[held - 8 + i];
            }
            held = 8;
        }
    }
    const int failed = ferror(image);
    if (fclose(image) != 0 || failed != 0 || total < 8) {
        (void)fprintf(stderr, "%s: cannot be read, or is no image\n", argv[1]);
        return 2;
    }
    const uint32_t words[2] = {crc, 0x4C414553u};
    uint8_t out[8];
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(words[i / 4u] >> (8u * (i % 4u)));
    }
    FILE *file = fopen(argv[2], "wb");
    if (file == NULL) {
        perror(argv[2]);
        return 2;
    }
    const int short_of = fwrite(out, 1, sizeof out, file) != sizeof out;
    if (fclose(file) != 0 || short_of) {
        perror(argv[2]);
        return 2;
    }
    return 0;
}
