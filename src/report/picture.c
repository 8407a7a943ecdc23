// Shrinking pictures for pages.
#include "report/picture.h"

#include <stdlib.h>

#include "image/image.h"
#include "image/resize.h"

enum { PICTURE_WIDTH = 1400, PICTURE_QUALITY = 85, PICTURE_BYTES_MAX = 256 << 20 };

fm_status fm_picture_add_image(fm_page *page, const fm_image *image, const char *caption) {
  fm_image small = {0};
  fm_bytes jpeg = {0};
  const bool wide = image->width > PICTURE_WIDTH;
  if (wide) {
    const int height = (int)((double)image->height * PICTURE_WIDTH / image->width + 0.5);
    FM_TRY(fm_image_resize(&small, image, PICTURE_WIDTH, height > 0 ? height : 1));
  }
  const fm_status status = fm_image_encode_jpeg(&jpeg, wide ? &small : image, PICTURE_QUALITY);
  fm_image_release(&small);
  FM_TRY(status);
  fm_page_picture(page, &jpeg, caption);
  free(jpeg.data);
  return FM_OK;
}

fm_status fm_picture_add(fm_page *page, const fm_bytes *picture, const char *name,
                         const char *caption) {
  fm_image image;
  FM_TRY(fm_image_decode(&image, picture->data, picture->size, name));
  const fm_status status = fm_picture_add_image(page, &image, caption);
  fm_image_release(&image);
  return status;
}

fm_status fm_picture_add_file(fm_page *page, const char *path, const char *caption) {
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, PICTURE_BYTES_MAX));
  const fm_status status = fm_picture_add(page, &bytes, path, caption);
  free(bytes.data);
  return status;
}
