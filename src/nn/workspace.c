// Memory that plans share: one mapping that grows to the largest demand. Growing loses the content
// and may move the base.
#include "nn/workspace.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "nn/profile.h"

struct fm_workspace {
  uint8_t *base;
  size_t bytes;
};

fm_status fm_workspace_new(fm_workspace **out) {
  *out = calloc(1, sizeof **out);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

void fm_workspace_free(fm_workspace *workspace) {
  if (!workspace)
    return;
  if (workspace->base)
    munmap(workspace->base, workspace->bytes);
  free(workspace);
}

size_t fm_workspace_bytes(const fm_workspace *workspace) {
  return workspace->bytes;
}

fm_status fm_workspace_reserve(fm_workspace *workspace, size_t bytes, uint8_t **base) {
  if (bytes > workspace->bytes) {
    if (workspace->base)
      munmap(workspace->base, workspace->bytes);
    fm_profile_moved();
    *workspace = (fm_workspace){0};
    const size_t page = (size_t)2 << 20;
    const size_t rounded = (bytes + page - 1) / page * page;
    void *mapped = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
      return fm_fail(FM_ERR_MEMORY, "out of memory: %zu MiB for the network's activations",
                     rounded >> 20);
    madvise(mapped, rounded, MADV_HUGEPAGE); // a hint; without huge pages it is only slower
    *workspace = (fm_workspace){mapped, rounded};
  }
  *base = workspace->base;
  return FM_OK;
}
