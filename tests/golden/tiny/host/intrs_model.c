/* Written by intrs-edge generate. The model as calls of kernels; weights are data. */
#include "intrs_kernels.h"
#include "intrs_model.h"

const struct intrs_input_map intrs_input_map = {
    .mul = { 1 },
    .add = { -128 },
    .shift = 0,
};

/// portable ///

static const _Alignas(4) int8_t k0[18] = {
    7,3,0,-4,-4,-9,-8,-9,-6,6,3,8,0,2,9,4,3,1};

static const int32_t k1[2] = {
    5,-7};

static const int32_t k2[2] = {
    1724724160,1724724160};

static const int8_t k3[2] = {
    -9,-9};

static const _Alignas(4) int8_t k4[18] = {
    1,8,-4,6,3,-9,-2,7,1,-9,5,4,7,-6,-8,7,-9,1};

static const int32_t k5[2] = {
    0,0};

static const int32_t k6[2] = {
    1374389504,2061584256};

static const int8_t k7[2] = {
    -5,-5};

static const int32_t k8[1] = {
    1533916908};

static const int8_t k9[1] = {
    -19};

static const _Alignas(4) int8_t k10[24] = {
    -8,-4,0,-1,-2,-9,-9,-7,-9,3,0,3,-5,2,5,-2,-1,9,6,9,-2,4,9,3};

static const int32_t k11[3] = {
    1,2,3};

static const int32_t k12[3] = {
    1924145251,1924145251,1924145251};

static const int8_t k13[3] = {
    -6,-6,-6};

static const struct intrs_conv2d portable_op0_0 = {.w = {.in_h = 4, .in_w = 4, .in_c = 1, .out_h = 4, .out_w = 4, .out_c = 2, .filter_h = 3, .filter_w = 3, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .pad_top = 1, .pad_left = 1}, .groups = 1, .in_zero_point = -128, .weights = k0, .bias = k1, .q = {.multiplier = k2, .shift = k3, .zero_point = 0, .min = 0, .max = 127}};
static const struct intrs_depthwise2d portable_op1_1 = {.w = {.in_h = 4, .in_w = 4, .in_c = 2, .out_h = 4, .out_w = 4, .out_c = 2, .filter_h = 3, .filter_w = 3, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .pad_top = 1, .pad_left = 1}, .multiplier = 1, .in_zero_point = 0, .weights = k4, .bias = k5, .q = {.multiplier = k6, .shift = k7, .zero_point = 0, .min = -128, .max = 127}};
static const struct intrs_add portable_op2_2 = {.n = 32, .zero_point = {0, 0}, .multiplier = {1073741824, 1073741824}, .shift = {0, 0}, .left_shift = 20, .q = {.multiplier = k8, .shift = k9, .zero_point = 3, .min = -128, .max = 127}, .broadcast = 0};
static const struct intrs_pool2d portable_op3_3 = {.w = {.in_h = 4, .in_w = 4, .in_c = 2, .out_h = 2, .out_w = 2, .out_c = 2, .filter_h = 2, .filter_w = 2, .stride_h = 2, .stride_w = 2, .dilation_h = 1, .dilation_w = 1, .pad_top = 0, .pad_left = 0}, .min = -128, .max = 127};
static const struct intrs_fully_connected portable_op4_4 = {.rows = 1, .in_n = 8, .out_n = 3, .in_zero_point = 3, .weights = k10, .bias = k11, .q = {.multiplier = k12, .shift = k13, .zero_point = 0, .min = -128, .max = 127}};

static void run_portable(uint8_t *arena)
{
    intrs_conv2d(&portable_op0_0, (const int8_t *)(arena + 32), (int8_t *)(arena + 0));
    intrs_depthwise2d(&portable_op1_1, (const int8_t *)(arena + 0), (int8_t *)(arena + 32));
    intrs_add(&portable_op2_2, (const int8_t *)(arena + 0), (const int8_t *)(arena + 32), (int8_t *)(arena + 0));
    intrs_max_pool2d(&portable_op3_3, (const int8_t *)(arena + 0), (int8_t *)(arena + 32));
    intrs_fully_connected(&portable_op4_4, (const int8_t *)(arena + 32), (int8_t *)(arena + 0));
}

/// what intrs_check() reads ///

const struct intrs_block intrs_model_blocks[] = {
    {&intrs_input_map, sizeof intrs_input_map, 0x0fdd29aau},
    {k0, sizeof k0, 0x8b039e27u},
    {k1, sizeof k1, 0xd612ae32u},
    {k2, sizeof k2, 0xb7ee70b7u},
    {k3, sizeof k3, 0x39fd023au},
    {k4, sizeof k4, 0x230dc503u},
    {k5, sizeof k5, 0x6522df69u},
    {k6, sizeof k6, 0xa9c560f7u},
    {k7, sizeof k7, 0x9cfe011du},
    {k8, sizeof k8, 0x50d43ea8u},
    {k9, sizeof k9, 0x0cb97148u},
    {k10, sizeof k10, 0xaa806990u},
    {k11, sizeof k11, 0xb0e02293u},
    {k12, sizeof k12, 0xb1370991u},
    {k13, sizeof k13, 0xf4293d21u},
    {0, 0, 0},
};

void intrs_model_run(uint8_t *arena)
{
    run_portable(arena);
}
