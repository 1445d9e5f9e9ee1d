/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_target_avx2.h - from here on functions are for AVX2, whatever the command line says; intrs_target_end.h ends
 * it.
 */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
