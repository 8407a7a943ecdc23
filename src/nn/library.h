// What the engine stands on, for people and for choosing a precision.
#ifndef FM_NN_LIBRARY_H
#define FM_NN_LIBRARY_H

#include <stdbool.h>

const char *fm_nn_library(void); // "oneDNN 2.6.3, avx512_core_bf16"; static
bool fm_nn_has_bf16(void);       // whether bf16 arithmetic is in the processor and allowed
bool fm_nn_knows_bf16(void);     // whether it can be computed with at all
// Whether the processor adds products of whole numbers in 32 bits; others add pairs in 16.
bool fm_nn_has_vnni(void);
// That in vectors of 512 bits, as our own loops use them.
bool fm_nn_has_wide_vnni(void);
// Whether its widest vectors have 8 lanes of fp32, with fused sums (AVX2).
bool fm_nn_has_8_lanes(void);
// Whether detection in whole numbers is faster here than in fp32.
bool fm_nn_prefers_int8(void);
// Whether products in bf16 are faster here than in fp32: measured once, in some milliseconds.
// Processors differ: with AMX or AMD's units bf16 is twice as fast or more, while Intel's 512-bit
// bf16 product alone reaches half of what fp32 does.
bool fm_nn_prefers_bf16(void);
// Numbers below 1e-38 become 0 on this thread and those OpenMP starts for it. Gradients of a loss
// that is already tiny fall there, and each such number costs the processor a hundred times the
// usual.
void fm_nn_flush_denormals(void);

#endif
