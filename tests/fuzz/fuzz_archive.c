// Damaged zip archives, opened as data sets.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "../image/samples.h"
#include "base/file.h"
#include "data/dataset.h"
#include "fuzz.h"

static char path[] = "/tmp/facemask-fuzz-XXXXXX";

static void run(const uint8_t *data, size_t size) {
  fuzz_require(truncate(path, 0) == 0, "truncate");
  FILE *stream = fopen(path, "wb");
  fuzz_require(stream && fwrite(data, 1, size, stream) == size && fclose(stream) == 0, "writing");
  fm_dataset *dataset;
  if (fm_dataset_open(&dataset, path, NULL) < 0)
    return;
  for (size_t i = 0; i < fm_dataset_count(dataset); i++) {
    fm_image image;
    fm_status status = fm_dataset_image(dataset, i, &image);
    fuzz_require(status == FM_OK ? image.pixels != NULL : image.pixels == NULL,
                 "pixels only from a decoded picture");
    fm_image_release(&image);
  }
  fm_dataset_free(dataset);
}

static void add(zip_t *zip, const char *name, const void *data, size_t size, int method) {
  zip_int64_t index = zip_file_add(zip, name, zip_source_buffer(zip, data, size, 0), 0);
  fuzz_require(index >= 0 && zip_set_file_compression(zip, (zip_uint64_t)index, method, 0) == 0,
               "zip_file_add");
}

static fuzz_input make_seed(int method) {
  static const char xml[] =
      "<annotation><size><width>11</width><height>7</height></size><object><name>a</name><bndbox>"
      "<xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>";
  fuzz_require(unlink(path) == 0, "unlink");
  zip_t *zip = zip_open(path, ZIP_CREATE, NULL);
  fuzz_require(zip != NULL, "zip_open");
  add(zip, "annotations/a.xml", xml, sizeof xml - 1, method);
  add(zip, "annotations/b.xml", xml, sizeof xml - 1, method);
  add(zip, "images/a.png", samples[0].file, samples[0].size, method);
  add(zip, "images/b.png", samples[1].file, samples[1].size, method);
  fuzz_require(zip_close(zip) == 0, "zip_close");
  fm_bytes bytes;
  fuzz_require(fm_file_read(&bytes, path, 1 << 20) == FM_OK, "reading the seed");
  fuzz_input seed = fuzz_copy(bytes.data, bytes.size);
  free(bytes.data);
  return seed;
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"archive", 10000, NULL, run};
  int descriptor = mkstemp(path);
  fuzz_require(descriptor >= 0 && close(descriptor) == 0, "mkstemp");
  fuzz_input seeds[] = {make_seed(ZIP_CM_STORE), make_seed(ZIP_CM_DEFLATE)};
  int status = fuzz_main(&target, seeds, 2, argc, argv);
  unlink(path);
  return status;
}
