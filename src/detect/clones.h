// Marks a hot loop for compilation in several instruction sets; the loader picks the best the
// processor has.
#ifndef FM_DETECT_CLONES_H
#define FM_DETECT_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define FM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FM_CLONES
#endif

#endif
