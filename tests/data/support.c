// Helpers of the tests in this room.
#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void support_require(int condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "test support: %s failed: %s\n", what, fm_error_message());
    abort();
  }
}

char *support_folder_make(void) {
  const char *root = getenv("TMPDIR");
  char *path = fm_path_join(root ? root : "/tmp", "facemask-test-XXXXXX");
  support_require(path && mkdtemp(path), "mkdtemp");
  return path;
}

static int support_remove_one(const char *path, const struct stat *stat, int type,
                              struct FTW *walk) {
  (void)stat, (void)type, (void)walk;
  return remove(path);
}

void support_folder_remove(char *path) {
  support_require(nftw(path, support_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, "nftw");
  free(path);
}

void support_write(const char *folder, const char *name, const void *data, size_t size) {
  char *path = fm_path_join(folder, name);
  support_require(path != NULL, "joining a path");
  char *parent = strndup(path, (size_t)(fm_path_name(path) - path));
  support_require(parent && fm_folder_make(parent) == FM_OK, "making a folder");
  support_require(fm_file_write(path, data, size) == FM_OK, "writing a file");
  free(parent);
  free(path);
}

void support_write_text(const char *folder, const char *name, const char *text) {
  support_write(folder, name, text, strlen(text));
}

char *support_shared(const char *name) {
  const char *root = getenv("FACEMASK_DATA");
  char *path = fm_path_join(root ? root : SUPPORT_SHARED, name);
  if (path && fm_path_exists(path))
    return path;
  free(path);
  return NULL;
}

char *support_source(const char *name) {
  char *path = fm_path_join(SUPPORT_SOURCE, name);
  support_require(path != NULL, "joining a path");
  return path;
}
