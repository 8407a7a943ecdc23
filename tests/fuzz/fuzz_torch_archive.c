// Damaged PyTorch files: as they are, and as the pickle of a sound zip. What opens can be read to
// its last byte.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "base/archive.h"
#include "base/file.h"
#include "format/torch_archive.h"
#include "fuzz.h"

static char path[] = "/tmp/facemask-fuzz-XXXXXX";
static const float values[6] = {1, 2, 3, 4, 5, 6};

static void open_file(void) {
  fm_torch_archive *archive;
  if (fm_torch_archive_open(&archive, path) < 0) {
    fuzz_require(archive == NULL, "no archive after a failure");
    return;
  }
  fuzz_require(fm_torch_archive_count(archive) > 0, "something was opened");
  for (size_t i = 0; i < fm_torch_archive_count(archive); i++) {
    const fm_st_tensor *tensor = fm_torch_archive_tensor(archive, i);
    size_t elements = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
      elements *= (size_t)tensor->dims[axis];
    fuzz_require(tensor->bytes == elements * fm_st_dtype_bytes(tensor->dtype),
                 "as many bytes as the shape says");
    float *numbers = malloc((elements + 1) * sizeof *numbers);
    fuzz_require(numbers && fm_st_tensor_to_f32(tensor, numbers) == FM_OK, "conversion");
    free(numbers);
  }
  fm_torch_archive_free(archive);
}

static void add(zip_t *zip, const char *name, const void *data, size_t size) {
  const zip_int64_t index = zip_file_add(zip, name, zip_source_buffer(zip, data, size, 0), 0);
  fuzz_require(index >= 0 &&
                   zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) == 0,
               "zip_file_add");
}

// By libzip itself: fm_archive_write waits for the disk.
static void write_zip(const uint8_t *pickle, size_t size) {
  zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  fuzz_require(zip != NULL, "zip_open");
  add(zip, "archive/data.pkl", pickle, size);
  add(zip, "archive/data/0", values, 24);
  add(zip, "archive/data/1", values, 8);
  add(zip, "archive/data/2", values, 8);
  fuzz_require(zip_close(zip) == 0, "zip_close");
}

static void run(const uint8_t *data, size_t size) {
  FILE *stream = fopen(path, "wb");
  fuzz_require(stream && fwrite(data, 1, size, stream) == size && fclose(stream) == 0, "writing");
  open_file();
  write_zip(data, size);
  open_file();
}

static fuzz_input read_seed(void) {
  fm_bytes bytes;
  fuzz_require(fm_file_read(&bytes, path, 1 << 20) == FM_OK, "reading the seed");
  const fuzz_input seed = fuzz_copy(bytes.data, bytes.size);
  free(bytes.data);
  return seed;
}

static fuzz_input whole_seed(void) {
  const fm_st_tensor tensors[] = {
      {.name = "a.w", .dtype = FM_ST_F32, .rank = 2, .dims = {3, 2}, .data = values, .bytes = 24},
      {.name = "b", .dtype = FM_ST_F16, .rank = 1, .dims = {4}, .data = values, .bytes = 8},
      {.name = "c", .dtype = FM_ST_I64, .data = values, .bytes = 8}};
  fuzz_require(fm_torch_archive_write(path, tensors, 3) == FM_OK, "writing the seed");
  return read_seed();
}

// The pickle of that file alone.
static fuzz_input pickle_seed(void) {
  free(whole_seed().data);
  fm_archive *zip;
  fm_bytes pickle;
  fuzz_require(fm_archive_open(&zip, path) == FM_OK, "opening the seed");
  fuzz_require(fm_archive_read(zip, 0, 1 << 20, &pickle) == FM_OK, "reading the seed");
  const fuzz_input seed = fuzz_copy(pickle.data, pickle.size);
  free(pickle.data);
  fm_archive_free(zip);
  return seed;
}

// A tensor of the layout before the zip.
static fuzz_input old_seed(void) {
  static const char file[] =
      "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
      "\x80\2M\xe9\3."
      "\x80\2}q\0(X\x10\0\0\0protocol_versionq\1M\xe9\3X\x0d\0\0\0little_endianq\2\x88u."
      "\x80\2"
      "ccollections\nOrderedDict\nq\0)Rq\1X\1\0\0\0wq\2ctorch._utils\n_rebuild_tensor_v2\n"
      "q\3((X\7\0\0\0storageq\4ctorch\nFloatStorage\nq\5X\1\0\0\0000q\6X\3\0\0\0cpuq\7K\6Ntq\x08Q"
      "K\0K\3K\2\x86q\x09K\2K\1\x86q\x0a\x89h\0)Rq\x0btq\x0cRq\x0ds."
      "\x80\2]q\0X\1\0\0\0000q\1a."
      "\6\0\0\0\0\0\0\0"
      "123412341234123412341234";
  FILE *stream = fopen(path, "wb");
  fuzz_require(stream && fwrite(file, 1, sizeof file - 1, stream) == sizeof file - 1 &&
                   fclose(stream) == 0,
               "writing");
  fm_torch_archive *archive;
  fuzz_require(fm_torch_archive_open(&archive, path) == FM_OK, fm_error_message());
  fm_torch_archive_free(archive);
  return read_seed();
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"torch_archive", 2000, NULL, run};
  const int descriptor = mkstemp(path);
  fuzz_require(descriptor >= 0 && close(descriptor) == 0, "mkstemp");
  fuzz_input seeds[] = {whole_seed(), pickle_seed(), old_seed()};
  const int status = fuzz_main(&target, seeds, 3, argc, argv);
  unlink(path);
  return status;
}
