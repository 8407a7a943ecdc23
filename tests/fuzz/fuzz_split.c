// Damaged split files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/split.h"
#include "fuzz.h"

static char path[] = "/tmp/facemask-fuzz-XXXXXX";

static void run(const uint8_t *data, size_t size) {
  FILE *stream = fopen(path, "wb");
  fuzz_require(stream && fwrite(data, 1, size, stream) == size && fclose(stream) == 0, "writing");
  fm_split split;
  fm_status status = fm_split_read(&split, path);
  fuzz_require(status == FM_OK || (split.train.names == NULL && split.fold_count == 0),
               "names only from a file that was read");
  fm_split_release(&split);
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"split", 10000, NULL, run};
  static const char ours[] =
      "{\"seed\":42,\"train\":[\"a\",\"b\",\"c\"],\"test\":[\"d\"],\"folds\":[{\"valid\":[\"a\"]},"
      "{\"valid\":[\"b\",\"c\"]}],\"table\":[]}";
  static const char other[] =
      "{\"train\":[\"a\",\"b\"],\"test\":[],\"valid_folds\":[[\"a\"],[\"b\"]]}";
  int descriptor = mkstemp(path);
  fuzz_require(descriptor >= 0 && close(descriptor) == 0, "mkstemp");
  fuzz_input seeds[] = {fuzz_copy(ours, sizeof ours - 1), fuzz_copy(other, sizeof other - 1)};
  int status = fuzz_main(&target, seeds, 2, argc, argv);
  unlink(path);
  return status;
}
