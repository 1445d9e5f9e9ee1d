/*
 * intrs_dsp_conv2d_f4_add.c - intrs_dsp_conv2d_f4 and the addition of its result to another tensor.
 */
#include "intrs_dsp_fused.h"

#define FUNCTION intrs_dsp_conv2d_f4_add
#define STRUCT struct intrs_dsp_conv2d_f4_add
#define CONV intrs_dsp_conv2d_f4
#define CONV_STRUCT struct intrs_dsp_conv2d_f4
#define ADD intrs_dsp_add
#define ADD_STRUCT struct intrs_dsp_add

#include "intrs_blocks.h"
