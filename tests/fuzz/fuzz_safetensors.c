// Damaged safetensors files: what opens can be read to its last byte.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/safetensors.h"
#include "fuzz.h"

static char path[] = "/tmp/facemask-fuzz-XXXXXX";

// Makes the header's length fit, so that more of the mutated headers are parsed.
static void repair(uint8_t *data, size_t size) {
  size_t length = 0;
  for (size_t i = 8; i < size; ++i)
    if (data[i] == '}')
      length = i + 1 - 8;
  if (size < 8 || length == 0)
    return;
  for (size_t i = 0; i < 8; ++i)
    data[i] = (uint8_t)((uint64_t)length >> 8 * i);
}

static void run(const uint8_t *data, size_t size) {
  FILE *stream = fopen(path, "wb");
  fuzz_require(stream && fwrite(data, 1, size, stream) == size && fclose(stream) == 0, "writing");
  fm_safetensors *file;
  if (fm_safetensors_open(&file, path) < 0) {
    fuzz_require(file == NULL, "no file after a failure");
    return;
  }
  size_t bytes = 0;
  for (size_t i = 0; i < fm_safetensors_count(file); ++i) {
    const fm_st_tensor *tensor = fm_safetensors_tensor(file, i);
    fuzz_require(fm_safetensors_find(file, tensor->name) == tensor, "tensors are found by name");
    float *values = malloc((tensor->bytes + 1) * sizeof *values);
    fuzz_require(values && fm_st_tensor_to_f32(tensor, values) == FM_OK, "conversion");
    free(values);
    bytes += tensor->bytes;
  }
  fuzz_require(bytes < size, "tensors do not hold more than the file");
  fm_safetensors_free(file);
}

static fuzz_input seed(void) {
  static const float values[6] = {1, 2, 3, 4, 5, 6};
  const fm_st_tensor tensors[] = {
      {.name = "a.weight",
       .dtype = FM_ST_F32,
       .rank = 2,
       .dims = {3, 2},
       .data = values,
       .bytes = 24},
      {.name = "b", .dtype = FM_ST_F16, .rank = 1, .dims = {4}, .data = values, .bytes = 8},
      {.name = "c", .dtype = FM_ST_I64, .rank = 0, .data = values, .bytes = 8}};
  const fm_st_metadata note = {"config", "x: 1"};
  fuzz_require(fm_safetensors_write(path, tensors, 3, &note, 1) == FM_OK, "writing the seed");
  uint8_t data[4096];
  FILE *stream = fopen(path, "rb");
  const size_t size = stream ? fread(data, 1, sizeof data, stream) : 0;
  fuzz_require(size > 0 && size < sizeof data && fclose(stream) == 0, "reading the seed");
  return fuzz_copy(data, size);
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"safetensors", 10000, repair, run};
  const int descriptor = mkstemp(path);
  fuzz_require(descriptor >= 0 && close(descriptor) == 0, "mkstemp");
  fuzz_input seeds[] = {seed()};
  const int status = fuzz_main(&target, seeds, 1, argc, argv);
  unlink(path);
  return status;
}
