/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_conv2d_add_scalar_winograd4.c - intrs_conv2d_scalar_winograd4 and the addition of its result to another tensor.
 */
#include "intrs_asm.h"
#include "intrs_scalar.h"

#define FUNCTION intrs_conv2d_add_scalar_winograd4
#define STRUCT struct intrs_conv2d_add_scalar_winograd4
#define CONV intrs_conv2d_scalar_winograd4
#define CONV_STRUCT struct intrs_conv2d_scalar_winograd4
#define ADD intrs_add_scalar
#define ADD_STRUCT struct intrs_add_scalar

#include "intrs_blocks.h"
