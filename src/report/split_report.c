// Charts and pages of a split.
#include "report/split_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "image/draw.h"

enum { SPLIT_CHARTS = 3, SPLIT_NAME_BYTES = 24, SPLIT_COLORS = 10 };

// What one chart shows of a fold and a class.
typedef double (*split_value)(const fm_split_table *table, size_t fold, size_t class_index);

static double split_train(const fm_split_table *table, size_t fold, size_t class_index) {
  return (double)table->train[fold * table->class_count + class_index];
}

static double split_valid(const fm_split_table *table, size_t fold, size_t class_index) {
  return (double)fm_split_table_valid(table, fold, class_index);
}

static double split_deviation(const fm_split_table *table, size_t fold, size_t class_index) {
  return 100 * fm_split_table_deviation(table, fold, class_index);
}

static const struct {
  split_value value;
  const char *name, *title, *note, *label;
  int decimals;
} split_charts[SPLIT_CHARTS] = {
    {split_train, "faces_train", "Faces in the train part of each fold", NULL, "faces", 0},
    {split_valid, "faces_valid", "Faces in the valid part of each fold", NULL, "faces", 0},
    {split_deviation, "deviation", "How far the valid parts are from an even share",
     "share of the class's faces minus 1 / folds", "percentage points", 2},
};

// Storage of a chart: folds' names, a series a class, its values.
typedef struct split_storage {
  char (*names)[SPLIT_NAME_BYTES];
  const char **folds;
  fm_chart_series *series;
  double *values;
} split_storage;

static void split_storage_release(split_storage *storage) {
  free(storage->names);
  free(storage->folds);
  free(storage->series);
  free(storage->values);
}

static fm_status split_storage_fill(split_storage *storage, const fm_split_table *table,
                                    split_value value) {
  const size_t folds = table->fold_count, classes = table->class_count;
  storage->names = calloc(folds + 1, sizeof *storage->names);
  storage->folds = calloc(folds + 1, sizeof *storage->folds);
  storage->series = calloc(classes + 1, sizeof *storage->series);
  storage->values = calloc(folds * classes + 1, sizeof *storage->values);
  FM_CHECK_ALLOC(storage->names && storage->folds && storage->series && storage->values);
  for (size_t fold = 0; fold < folds; fold++) {
    snprintf(storage->names[fold], SPLIT_NAME_BYTES, "%zu", fold + 1);
    storage->folds[fold] = storage->names[fold];
  }
  for (size_t i = 0; i < classes; i++) {
    double *row = storage->values + i * folds;
    for (size_t fold = 0; fold < folds; fold++)
      row[fold] = value(table, fold, i);
    storage->series[i] = (fm_chart_series){
        .name = table->classes[i],
        .y = row,
        .count = folds,
        // The colours of boxes on pictures, as long as they tell the classes apart.
        .rgb = classes > SPLIT_COLORS ? 0 : fm_draw_class_color(table->classes[i], (int)i + 1)};
  }
  return FM_OK;
}

static fm_status split_chart(const fm_split_table *table, size_t which, fm_chart_shower show,
                             void *user) {
  split_storage storage = {0};
  fm_status status = split_storage_fill(&storage, table, split_charts[which].value);
  if (status == FM_OK)
    status = show(user, &(fm_chart){.kind = FM_CHART_BARS,
                                    .name = split_charts[which].name,
                                    .title = split_charts[which].title,
                                    .note = split_charts[which].note,
                                    .x.label = "fold",
                                    .y.label = split_charts[which].label,
                                    .categories = storage.folds,
                                    .category_count = table->fold_count,
                                    .series = storage.series,
                                    .series_count = table->class_count,
                                    .decimals = split_charts[which].decimals});
  split_storage_release(&storage);
  return status;
}

// A row a fold and class.
static void split_page_table(fm_page *page, const fm_split_table *table) {
  fm_page_table_start(page,
                      (fm_page_column[]){{"fold", true},
                                         {"images valid", true},
                                         {"class", false},
                                         {"faces train", true},
                                         {"faces valid", true},
                                         {"share valid", true},
                                         {"from an even share", true}},
                      7);
  for (size_t fold = 0; fold < table->fold_count; fold++)
    for (size_t i = 0; i < table->class_count; i++) {
      const double deviation = 100 * fm_split_table_deviation(table, fold, i);
      fm_page_cell(page, "%zu", fold + 1);
      fm_page_cell(page, "%zu", table->images[fold]);
      fm_page_cell(page, "%s", table->classes[i]);
      fm_page_cell(page, "%zu", table->train[fold * table->class_count + i]);
      fm_page_cell(page, "%zu", fm_split_table_valid(table, fold, i));
      fm_page_cell(page, "%.2f %%", deviation + 100 / (double)table->fold_count);
      fm_page_cell(page, "%+.2f", deviation);
    }
  fm_page_table_end(page);
}

fm_status fm_split_report_add(fm_page *page, const fm_split_table *table) {
  fm_page_figures_start(page);
  fm_page_figure(page, "images in train", "%zu", table->train_images);
  fm_page_figure(page, "images in test", "%zu", table->test_images);
  fm_page_figure(page, "folds", "%zu", table->fold_count);
  fm_page_figures_end(page);
  for (size_t which = 0; which < SPLIT_CHARTS; which++)
    FM_TRY(split_chart(table, which, fm_page_show_chart, page));
  split_page_table(page, table);
  return FM_OK;
}

fm_status fm_split_report_page(const fm_split_table *table, const char *folder, const char *data) {
  FM_TRY(fm_folder_make(folder));
  char *path = fm_path_join(folder, "report.html");
  FM_CHECK_ALLOC(path);
  fm_page page;
  fm_status status = fm_page_open(&page, path, "Split", data);
  free(path);
  FM_TRY(status);
  status = fm_split_report_add(&page, table);
  if (status < 0) {
    fm_page_discard(&page);
    return status;
  }
  return fm_page_commit(&page);
}

fm_status fm_split_report_draw(const fm_split_table *table, const char *folder) {
  for (size_t which = 0; which < SPLIT_CHARTS; which++)
    FM_TRY(split_chart(table, which, fm_chart_show_drawn, &folder));
  return FM_OK;
}
