/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_add_arm_mve.c - intrs_conv2d_arm_mve and the addition of its result to another tensor.
 */
#include "intrs_asm.h"
#include "intrs_arm_mve_fused.h"

#define FUNCTION intrs_conv2d_add_arm_mve
#define STRUCT struct intrs_conv2d_add_arm_mve
#define CONV intrs_conv2d_arm_mve
#define CONV_STRUCT struct intrs_conv2d_arm_mve
#define ADD intrs_add_arm_mve
#define ADD_STRUCT struct intrs_add_arm_mve

#include "intrs_blocks.h"
