/*
 * intrs_mve_conv2d_add.c - intrs_mve_conv2d and the addition of its result to another tensor.
 */
#include "intrs_asm.h"
#include "intrs_mve_fused.h"

#define FUNCTION intrs_mve_conv2d_add
#define STRUCT struct intrs_mve_conv2d_add
#define CONV intrs_mve_conv2d
#define CONV_STRUCT struct intrs_mve_conv2d
#define ADD intrs_mve_add
#define ADD_STRUCT struct intrs_mve_add

#include "intrs_blocks.h"
