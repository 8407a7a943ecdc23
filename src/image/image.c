// Pictures in memory, and the choice of the codec by content. The codecs themselves are in
// codec_png.c and codec_jpeg.c.
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "image/codec.h"
#include "image/orientation.h"

enum { IMAGE_FILE_BYTES_MAX = 512 * 1024 * 1024 };

fm_status fm_codec_check_size(unsigned long width, unsigned long height, const char *name) {
  if (width == 0 || height == 0 || width > FM_IMAGE_SIDE_MAX || height > FM_IMAGE_SIDE_MAX ||
      width * height > FM_IMAGE_PIXELS_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: a picture of %lu x %lu pixels is outside the limits", name,
                   width, height);
  return FM_OK;
}

fm_status fm_image_new(fm_image *out, int width, int height) {
  *out = (fm_image){0};
  if (width <= 0 || height <= 0 || width > FM_IMAGE_SIDE_MAX || height > FM_IMAGE_SIDE_MAX ||
      (size_t)width * (size_t)height > FM_IMAGE_PIXELS_MAX)
    return fm_fail(FM_ERR_SHAPE, "a picture of %d x %d pixels is outside the limits", width,
                   height);
  uint8_t *pixels = calloc((size_t)width * (size_t)height, 3);
  FM_CHECK_ALLOC(pixels);
  *out = (fm_image){.width = width, .height = height, .pixels = pixels};
  return FM_OK;
}

void fm_image_release(fm_image *image) {
  free(image->pixels);
  *image = (fm_image){0};
}

static fm_status image_decode(fm_image *out, int *orientation, const fm_codec_input *input) {
  static const uint8_t png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  static const uint8_t jpeg_signature[3] = {0xff, 0xd8, 0xff};
  *out = (fm_image){0};
  if (input->size >= sizeof png_signature &&
      memcmp(input->data, png_signature, sizeof png_signature) == 0)
    return fm_png_decode(out, orientation, input);
  if (input->size >= sizeof jpeg_signature &&
      memcmp(input->data, jpeg_signature, sizeof jpeg_signature) == 0)
    return fm_jpeg_decode(out, orientation, input);
  return fm_fail(FM_ERR_FORMAT, "%s: neither PNG nor JPEG; convert it to one of them", input->name);
}

// Whether a picture that has to be turned by a quarter has this size only as it is stored.
static bool image_stays(const fm_image *stored, int orientation, int width, int height) {
  return fm_orientation_swaps(orientation) && width != height && stored->width == width &&
         stored->height == height;
}

fm_status fm_image_decode(fm_image *out, const void *data, size_t size, const char *name) {
  return fm_image_decode_sized(out, 0, 0, data, size, name);
}

fm_status fm_image_decode_sized(fm_image *out, int width, int height, const void *data, size_t size,
                                const char *name) {
  int orientation;
  FM_TRY(image_decode(out, &orientation, &(fm_codec_input){data, size, name, false}));
  if (image_stays(out, orientation, width, height))
    return FM_OK;
  const fm_status status = fm_image_turn_upright(out, orientation);
  if (status < 0)
    fm_image_release(out);
  return status;
}

fm_status fm_image_decode_size(int *width, int *height, const void *data, size_t size,
                               const char *name) {
  fm_image image;
  int orientation;
  FM_TRY(image_decode(&image, &orientation, &(fm_codec_input){data, size, name, true}));
  const bool swaps =
      fm_orientation_swaps(orientation) && !image_stays(&image, orientation, *width, *height);
  *width = swaps ? image.height : image.width;
  *height = swaps ? image.width : image.height;
  return FM_OK;
}

fm_status fm_image_read(fm_image *out, const char *path) {
  *out = (fm_image){0};
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, IMAGE_FILE_BYTES_MAX));
  fm_status status = fm_image_decode(out, bytes.data, bytes.size, path);
  free(bytes.data);
  return status;
}

// JPEG with a quality from 1, PNG with 0.
static fm_status image_encode(fm_bytes *out, const fm_image *image, int quality) {
  static const char name[] = "a picture in memory";
  *out = (fm_bytes){0};
  char *data = NULL;
  FILE *stream = open_memstream(&data, &out->size);
  FM_CHECK_ALLOC(stream);
  fm_status status = quality > 0 ? fm_jpeg_encode(image, quality, stream, name)
                                 : fm_png_encode(image, stream, name);
  if (fclose(stream) != 0 && status >= 0)
    status = fm_fail(FM_ERR_MEMORY, "out of memory encoding a picture");
  if (status < 0)
    free(data);
  else
    out->data = (uint8_t *)data;
  return status;
}

fm_status fm_image_encode_png(fm_bytes *out, const fm_image *image) {
  return image_encode(out, image, 0);
}

fm_status fm_image_encode_jpeg(fm_bytes *out, const fm_image *image, int quality) {
  FM_ASSERT(quality >= 1 && quality <= 100);
  return image_encode(out, image, quality);
}

fm_status fm_image_write_png(const fm_image *image, const char *path) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  fm_status status = fm_png_encode(image, file.stream, path);
  if (status < 0) {
    fm_atomic_file_discard(&file);
    return status;
  }
  return fm_atomic_file_commit(&file);
}

fm_status fm_image_write_jpeg(const fm_image *image, const char *path, int quality) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  fm_status status = fm_jpeg_encode(image, quality, file.stream, path);
  if (status < 0) {
    fm_atomic_file_discard(&file);
    return status;
  }
  return fm_atomic_file_commit(&file);
}
