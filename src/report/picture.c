// Shrinking pictures for pages.
#include "report/picture.h"

#include <stdlib.h>

#include "image/image.h"
#include "image/resize.h"

enum { PICTURE_WIDTH = 1400, PICTURE_QUALITY = 85, PICTURE_BYTES_MAX = 256 << 20 };

static fm_status picture_shrink(fm_image *image) {
  if (image->width <= PICTURE_WIDTH)
    return FM_OK;
  const int height = (int)((double)image->height * PICTURE_WIDTH / image->width + 0.5);
  fm_image small;
  FM_TRY(fm_image_resize(&small, image, PICTURE_WIDTH, height > 0 ? height : 1));
  fm_image_release(image);
  *image = small;
  return FM_OK;
}

fm_status fm_picture_add(fm_page *page, const fm_bytes *picture, const char *name,
                         const char *caption) {
  fm_image image;
  fm_bytes jpeg = {0};
  FM_TRY(fm_image_decode(&image, picture->data, picture->size, name));
  fm_status status = picture_shrink(&image);
  if (status >= 0)
    status = fm_image_encode_jpeg(&jpeg, &image, PICTURE_QUALITY);
  fm_image_release(&image);
  FM_TRY(status);
  fm_page_picture(page, &jpeg, caption);
  free(jpeg.data);
  return FM_OK;
}

fm_status fm_picture_add_file(fm_page *page, const char *path, const char *caption) {
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, PICTURE_BYTES_MAX));
  const fm_status status = fm_picture_add(page, &bytes, path, caption);
  free(bytes.data);
  return status;
}
