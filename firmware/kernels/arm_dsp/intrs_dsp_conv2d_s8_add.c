/*
 * intrs_dsp_conv2d_s8_add.c - intrs_dsp_conv2d_s8 and the addition of its result to another tensor.
 */
#include "intrs_asm.h"
#include "intrs_dsp_fused.h"

#define FUNCTION intrs_dsp_conv2d_s8_add
#define STRUCT struct intrs_dsp_conv2d_add
#define CONV intrs_dsp_conv2d_s8
#define CONV_STRUCT struct intrs_dsp_conv2d
#define ADD intrs_dsp_add
#define ADD_STRUCT struct intrs_dsp_add

#include "intrs_blocks.h"
