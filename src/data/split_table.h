// Faces per fold and class in the train and valid part of a split, and how far each fold is from an
// even share.
#ifndef FM_DATA_SPLIT_TABLE_H
#define FM_DATA_SPLIT_TABLE_H

#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"
#include "data/split.h"

typedef struct fm_split_table {
  size_t fold_count, class_count;
  char **classes; // (class_count)
  size_t *faces;  // (class_count): in all of train
  size_t *train;  // (fold_count, class_count): in a fold's train part
  size_t *images; // (fold_count): pictures in a fold's valid part
  size_t train_images, test_images;
} fm_split_table;

FM_MUST_USE fm_status fm_split_table_make(fm_split_table *out, const fm_split *split,
                                          const fm_dataset *dataset);
// From a file fm_split_write made, without the data. FM_END when the file has no table.
FM_MUST_USE fm_status fm_split_table_read(fm_split_table *out, const char *path);
void fm_split_table_release(fm_split_table *table);
size_t fm_split_table_valid(const fm_split_table *table, size_t fold, size_t class_index);
// Share of the class's faces in the fold's valid part minus 1 / fold_count; 0 for a class without
// faces.
double fm_split_table_deviation(const fm_split_table *table, size_t fold, size_t class_index);

#endif
