/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - the seal of a bare-metal image: CRC-32 of all its bytes, written behind them after linking (tools/seal.c).
 */
#include "intrs_model.h"
#include "intrs_port.h"

enum { SEALED = 0x4C414553 };

/* volatile: what the compiler sees here is not what is there */
__attribute__((section(".intrs.seal"), used)) static const volatile uint32_t seal[2] = {0, 0}; /* CRC-32, mark */

extern const uint8_t intrs_vectors_start[], intrs_image_end[];

int intrs_port_image(void)
{
    const uint32_t mark = seal[1];
    if (mark == 0) {
        return 0; /* built by other means, without a seal */
    }
    const size_t n = (uintptr_t)intrs_image_end - (uintptr_t)intrs_vectors_start;
    return mark == SEALED && intrs_crc32(0, intrs_vectors_start, n) == seal[0] ? 0 : -1;
}
