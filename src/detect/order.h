// The greatest of many scores, in falling order: torch.topk and torch.sort(stable=True,
// descending=True). Equal scores keep the order of their indices; NaN counts as greater than all,
// as in torch.
#ifndef FM_DETECT_ORDER_H
#define FM_DETECT_ORDER_H

#include <stddef.h>
#include <stdint.h>

// Bytes of scratch that fm_order_top needs for n values and k results.
size_t fm_order_bytes(size_t n, size_t k);
// out (k): the indices of the k greatest of values (n), k <= n < 2^32. scratch is 8-byte aligned.
void fm_order_top(const float *values, size_t n, size_t k, uint32_t *out, void *scratch);

#endif
