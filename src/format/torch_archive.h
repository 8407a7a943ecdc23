// PyTorch's files (.pth, .pt): the tensors of a state_dict by name, read without running anything
// (torch_pickle.h). The zip layout (PyTorch 1.6 and later: NAME/data.pkl and NAME/data/KEY) and the
// layout before (pickles, then the numbers).
#ifndef FM_FORMAT_TORCH_ARCHIVE_H
#define FM_FORMAT_TORCH_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "format/safetensors.h"

typedef struct fm_torch_archive fm_torch_archive;

// Whether the file begins as one of the two layouts does; false also for a file that cannot be
// read.
bool fm_torch_archive_is(const char *path);
// Every tensor in the dicts of the file, in their order; a dict in a dict gives names with dots
// ("model.conv1.weight"), numbers as keys are written in digits, lists and other values are passed
// over. FM_ERR_UNSUPPORTED names what the file asks for beside tensors and plain containers,
// FM_ERR_FORMAT says what is broken.
FM_MUST_USE fm_status fm_torch_archive_open(fm_torch_archive **out, const char *path);
void fm_torch_archive_free(fm_torch_archive *archive);
size_t fm_torch_archive_count(const fm_torch_archive *archive);
const fm_st_tensor *fm_torch_archive_tensor(const fm_torch_archive *archive,
                                            size_t index); // row-major

// Writes a state_dict as torch.save does, so that torch.load reads it also with weights_only. The
// tensors' data are little-endian and row-major. Atomic; same input, same bytes.
FM_MUST_USE fm_status fm_torch_archive_write(const char *path, const fm_st_tensor *tensors,
                                             size_t count);

#endif
