// What the test cases of the ops over RoIs share.
#ifndef FM_NN_OP_ROI_CASES_H
#define FM_NN_OP_ROI_CASES_H

#include "nn/op.h"

// torchvision's RoIAlign in double, 2 x 2 samples a bin: x has the levels, then the RoIs; y (r, c,
// size, size).
void fm_roi_case_expect(const fm_shape *shape, const double *const *x, int levels, int size,
                        double *y);
// Values of the levels and nine RoIs on two of them; seven on one.
void fm_roi_case_fill_two(int input, fm_shape shape, float *values);
void fm_roi_case_fill_one(int input, fm_shape shape, float *values);

#endif
