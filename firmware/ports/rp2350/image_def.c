/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_def.c - the smallest IMAGE_DEF of an Arm program (RP2350 datasheet, 5.9.5.1); the boot ROM looks for it in the
 * first 4 KiB of flash.
 */
#include <stdint.h>

__attribute__((section(".intrs.image_def"), used)) static const uint32_t image_def[5] = {
    0xFFFFDED3u, /* block begins */
    0x10210142u, /* image type: executable, secure, Arm, RP2350 */
    0x000001FFu, /* last item, one word of items */
    0x00000000u, /* no further block */
    0xAB123579u, /* block ends */
};
