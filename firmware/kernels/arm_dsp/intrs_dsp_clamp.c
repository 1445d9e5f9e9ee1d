/*
 * intrs_dsp_clamp.c - the fused activation, for the rare one that int8 saturation does not already give.
 */
#include "intrs_dsp.h"

void intrs_dsp_clamp(int8_t *data, int32_t n, int32_t min, int32_t max)
{
    if (min <= -128 && max >= 127) {
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        int32_t x = data[i];
        x = x < min ? min : x;
        data[i] = (int8_t)(x > max ? max : x);
    }
}
