// Marks a hot loop for compilation in several instruction sets; the loader picks the best the
// processor has. Features, not "arch=": only so can inline helpers of the default set be inlined
// into the clones. OpenMP regions stay outside such functions (their outlined bodies would lose the
// set).
#ifndef FM_BASE_CLONES_H
#define FM_BASE_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define FM_KERNEL __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FM_KERNEL
#endif

#endif
