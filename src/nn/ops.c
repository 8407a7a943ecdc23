// The table of ops, from op.def.
#include "nn/op.h"

#define FM_OP(noun) extern const fm_op fm_op_##noun;
#include "nn/op.def"
#undef FM_OP

const fm_op *const fm_ops[] = {
#define FM_OP(noun) &fm_op_##noun,
#include "nn/op.def"
#undef FM_OP
};

const int fm_op_count = (int)(sizeof fm_ops / sizeof *fm_ops);
