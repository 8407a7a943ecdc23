// Reads a PyTorch file and writes its tensors as another one; tests/parity/torch_files.py compares
// the two with torch.
//   torch_runner SOURCE.pth COPY.pth
#include <stdio.h>
#include <stdlib.h>

#include "format/torch_archive.h"

static fm_status runner_copy(const char *source, const char *copy) {
  fm_torch_archive *archive;
  FM_TRY(fm_torch_archive_open(&archive, source));
  const size_t count = fm_torch_archive_count(archive);
  fm_st_tensor *tensors = calloc(count + 1, sizeof *tensors);
  FM_CHECK_ALLOC(tensors);
  for (size_t i = 0; i < count; i++)
    tensors[i] = *fm_torch_archive_tensor(archive, i);
  const fm_status status = fm_torch_archive_write(copy, tensors, count);
  free(tensors);
  fm_torch_archive_free(archive);
  return status;
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  if (runner_copy(argv[1], argv[2]) == FM_OK)
    return 0;
  fprintf(stderr, "%s\n", fm_error_message());
  return 1;
}
