/* intrs_target_end.h - ends what functions since the last "From here on" are compiled for. Included as often as that was begun. */
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
