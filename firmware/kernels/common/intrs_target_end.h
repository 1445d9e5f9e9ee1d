/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_target_end.h - ends what functions are compiled for since the last intrs_target_avx2.h or "From here on".
 * Included as often as that was begun.
 */
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
