// Pictures for pages: no larger than a page needs them.
#ifndef FM_REPORT_PICTURE_H
#define FM_REPORT_PICTURE_H

#include "base/file.h"
#include "base/status.h"
#include "image/image.h"
#include "report/page.h"

// Puts a photograph on the page as JPEG, not wider than a page. `name` is for messages, the caption
// may be NULL.
FM_MUST_USE fm_status fm_picture_add(fm_page *page, const fm_bytes *picture, const char *name,
                                     const char *caption);
FM_MUST_USE fm_status fm_picture_add_image(fm_page *page, const fm_image *image,
                                           const char *caption);
FM_MUST_USE fm_status fm_picture_add_file(fm_page *page, const char *path, const char *caption);

#endif
