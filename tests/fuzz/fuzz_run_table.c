// Damaged steps.jsonl, metrics.csv and tables of split files, as a report reads them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/split_table.h"
#include "fuzz.h"
#include "report/run_table.h"

static char path[] = "/tmp/facemask-fuzz-XXXXXX";

static void run(const uint8_t *data, size_t size) {
  FILE *stream = fopen(path, "wb");
  fuzz_require(stream && fwrite(data, 1, size, stream) == size && fclose(stream) == 0, "writing");
  fm_run_table table;
  fm_status status = fm_run_table_read_steps(&table, path);
  fuzz_require(status == FM_OK || table.rows == 0, "steps only from a file that was read");
  fm_run_table_release(&table);
  status = fm_run_table_read_epochs(&table, path);
  fuzz_require(status == FM_OK || table.rows == 0, "epochs only from a file that was read");
  fm_run_table_release(&table);
  fm_split_table split;
  status = fm_split_table_read(&split, path);
  for (size_t fold = 0; status == FM_OK && fold < split.fold_count; fold++)
    for (size_t i = 0; i < split.class_count; i++)
      fuzz_require(fm_split_table_valid(&split, fold, i) <= split.faces[i], "no more than all");
  fm_split_table_release(&split);
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"run_table", 10000, NULL, run};
  static const char steps[] = "{\"step\": 1, \"epoch\": 1, \"loss\": 2.5, \"lr\": 0.01}\n"
                              "{\"step\": 2, \"epoch\": 1, \"loss\": 1e-3, \"seconds\": 3}\n";
  static const char epochs[] = "epoch,step,lr,loss,valid_loss,mAP\n1,40,0.01,2.5,,\n2,80,,1,2,-1\n";
  static const char table[] =
      "{\"train\":[\"a\"],\"table\":[{\"valid\":1,\"faces\":{\"x\":3,\"y\":1}},"
      "{\"valid\":2,\"faces\":{\"x\":2,\"y\":0}}]}";
  int descriptor = mkstemp(path);
  fuzz_require(descriptor >= 0 && close(descriptor) == 0, "mkstemp");
  fuzz_input seeds[] = {fuzz_copy(steps, sizeof steps - 1), fuzz_copy(epochs, sizeof epochs - 1),
                        fuzz_copy(table, sizeof table - 1)};
  int status = fuzz_main(&target, seeds, 3, argc, argv);
  unlink(path);
  return status;
}
