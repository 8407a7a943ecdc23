// A contact sheet: pictures of a data set with their boxes, in a grid with a legend.
#ifndef FM_REPORT_CONTACT_SHEET_H
#define FM_REPORT_CONTACT_SHEET_H

#include <stddef.h>

#include "data/dataset.h"
#include "image/image.h"

typedef struct fm_contact_sheet fm_contact_sheet;

// The classes come from the data set, which is lent.
FM_MUST_USE fm_status fm_contact_sheet_new(fm_contact_sheet **out, const fm_dataset *dataset);
void fm_contact_sheet_free(fm_contact_sheet *sheet);
// Adds a picture in a size that fits, with its boxes.
FM_MUST_USE fm_status fm_contact_sheet_add(fm_contact_sheet *sheet, const char *title,
                                           const fm_image *image, const fm_object *objects,
                                           size_t object_count);
FM_MUST_USE fm_status fm_contact_sheet_write(const fm_contact_sheet *sheet, const char *heading,
                                             const char *path);

// One picture as a file of its own: enlarged when it is small, with boxes and whole class names.
FM_MUST_USE fm_status fm_contact_sheet_write_one(const fm_dataset *dataset, const char *path,
                                                 const fm_image *image, const fm_object *objects,
                                                 size_t object_count);

#endif
