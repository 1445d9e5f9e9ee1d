/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_add_arm_dsp_w8.c - intrs_conv2d_arm_dsp_w8 and the addition of its result to another tensor.
 */
#include "intrs_asm.h"
#include "intrs_arm_dsp_fused.h"

#define FUNCTION intrs_conv2d_add_arm_dsp_w8
#define STRUCT struct intrs_conv2d_add_arm_dsp
#define CONV intrs_conv2d_arm_dsp_w8
#define CONV_STRUCT struct intrs_conv2d_arm_dsp
#define ADD intrs_add_arm_dsp
#define ADD_STRUCT struct intrs_add_arm_dsp

#include "intrs_blocks.h"
