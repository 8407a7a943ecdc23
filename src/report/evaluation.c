// The charts and pictures of an evaluation as files.
#include "report/evaluation.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/comparison.h"
#include "image/draw.h"
#include "image/grid.h"
#include "image/resize.h"
#include "report/chart_parts.h"

enum {
  EVALUATION_CROWD = 16,
  EVALUATION_TITLE_BYTES = 512,
  EVALUATION_PATH_BYTES = 32,
  EVALUATION_CELL = 900,
  EVALUATION_MARGIN = 30
};

// Without gnuplot the other pictures still get drawn; the failure is told at the end.
typedef struct evaluation_charts {
  const char *folder;
  fm_atomic_file list; // charts.json
  size_t listed;
  bool lacks_gnuplot;
} evaluation_charts;

static fm_status evaluation_draw_chart(void *user, const fm_chart *chart) {
  evaluation_charts *charts = user;
  const fm_status status = fm_chart_draw(chart, charts->folder);
  if (status < 0 && status != FM_ERR_UNSUPPORTED)
    return status;
  charts->lacks_gnuplot = charts->lacks_gnuplot || status == FM_ERR_UNSUPPORTED;
  if (chart->kind != FM_CHART_LINES)
    return FM_OK;
  fputs(charts->listed++ ? ",\n" : "[", charts->list.stream);
  fm_chart_write_json(chart, charts->list.stream);
  return FM_OK;
}

// The charts as pictures, and those of lines in charts.json too.
static fm_status evaluation_draw_charts(const fm_analysis *analysis, evaluation_charts *charts) {
  char *path = fm_path_join(charts->folder, "charts.json");
  FM_CHECK_ALLOC(path);
  fm_status status = fm_atomic_file_open(&charts->list, path);
  free(path);
  FM_TRY(status);
  status = fm_evaluation_charts(analysis, evaluation_draw_chart, charts);
  if (status < 0) {
    fm_atomic_file_discard(&charts->list);
    return status;
  }
  fputs(charts->listed ? "]\n" : "[]\n", charts->list.stream);
  return fm_atomic_file_commit(&charts->list);
}

static size_t evaluation_errors(const fm_confusion_picture *picture) {
  return picture->confused + picture->missed + picture->background;
}

// How many pictures are worth showing: those with errors, the first ones.
static size_t evaluation_worst_count(const fm_analysis *analysis) {
  size_t count = 0;
  while (count < analysis->confusion.picture_count && count < FM_EVALUATION_WORST &&
         evaluation_errors(&analysis->confusion.pictures[count]) > 0)
    count++;
  return count;
}

static bool evaluation_is_crowded(const fm_confusion_picture *picture) {
  return picture->faces + picture->background > EVALUATION_CROWD;
}

// The boxes of a picture as the comparison takes them. Where there are many, only the errors get a
// text.
typedef struct evaluation_faces {
  fm_detection *detections;
  bool *plain_truths, *plain_detections;
  size_t truth_count, detection_count;
} evaluation_faces;

static void evaluation_faces_release(evaluation_faces *faces) {
  free(faces->detections);
  free(faces->plain_truths);
  free(faces->plain_detections);
}

static fm_status evaluation_faces_collect(evaluation_faces *faces, const fm_analysis *analysis,
                                          const fm_confusion_picture *picture) {
  const fm_eval_boxes *boxes = analysis->boxes;
  const fm_confusion *confusion = &analysis->confusion;
  const bool crowded = evaluation_is_crowded(picture);
  faces->detections = malloc((boxes->result_count + 1) * sizeof *faces->detections);
  faces->plain_truths = malloc((boxes->truth_count + 1) * sizeof *faces->plain_truths);
  faces->plain_detections = malloc((boxes->result_count + 1) * sizeof *faces->plain_detections);
  if (!faces->detections || !faces->plain_truths || !faces->plain_detections)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < boxes->truth_count; i++)
    if (boxes->truths[i].image == picture->image)
      faces->plain_truths[faces->truth_count++] =
          crowded && confusion->truth_fates[i] == FM_CONFUSION_RIGHT;
  for (size_t i = 0; i < boxes->result_count; i++) {
    const fm_coco_result *r = &boxes->results[i];
    if (r->image != picture->image)
      continue;
    faces->plain_detections[faces->detection_count] =
        crowded && confusion->result_fates[i] == FM_CONFUSION_RIGHT;
    faces->detections[faces->detection_count++] = (fm_detection){
        .box = {(float)r->x, (float)r->y, (float)(r->x + r->w), (float)(r->y + r->h)},
        .label = r->category + 1,
        .score = (float)r->score};
  }
  return FM_OK;
}

static fm_status evaluation_compare(const fm_analysis *analysis,
                                    const fm_confusion_picture *picture,
                                    const evaluation_faces *faces, int scale, fm_image *out) {
  const fm_eval_subset *subset = analysis->subset;
  const size_t sample = subset->samples[(size_t)picture->image];
  char truth[EVALUATION_TITLE_BYTES], prediction[EVALUATION_TITLE_BYTES];
  // In a crowd only the errors have a text.
  const char *named = evaluation_is_crowded(picture) ? " (errors named)" : "";
  snprintf(truth, sizeof truth, "%s: %zu face%s, %zu missed%s",
           fm_dataset_sample(subset->dataset, sample)->name, picture->faces,
           picture->faces == 1 ? "" : "s", picture->missed, named);
  snprintf(prediction, sizeof prediction, "prediction: %zu right, %zu confused, %zu false%s",
           picture->right, picture->confused, picture->background, named);
  // The truths of a picture lie in the boxes in the order of its sample's objects.
  const bool same = faces->truth_count == fm_dataset_sample(subset->dataset, sample)->object_count;
  const fm_comparison comparison = {.dataset = subset->dataset,
                                    .sample = sample,
                                    .detections = faces->detections,
                                    .detection_count = faces->detection_count,
                                    .plain_truths = same ? faces->plain_truths : NULL,
                                    .plain_detections = faces->plain_detections,
                                    .score = analysis->confusion_options.score,
                                    .truth = truth,
                                    .prediction = prediction,
                                    .scale = scale};
  return fm_comparison_draw(out, &comparison);
}

// The same comparison small enough for the sheet of all.
static fm_status evaluation_shrink(fm_image *image) {
  if (image->width <= EVALUATION_CELL)
    return FM_OK;
  fm_image small;
  const double scale = (double)EVALUATION_CELL / image->width;
  FM_TRY(fm_image_resize(&small, image, EVALUATION_CELL, (int)(image->height * scale) + 1));
  fm_image_release(image);
  *image = small;
  return FM_OK;
}

// `cell` becomes the small one, for the sheet.
static fm_status evaluation_draw_picture(const fm_analysis *analysis,
                                         const fm_confusion_picture *picture, const char *path,
                                         fm_image *cell) {
  evaluation_faces faces = {0};
  fm_image large = {0};
  fm_status status = evaluation_faces_collect(&faces, analysis, picture);
  if (status >= 0)
    status = evaluation_compare(analysis, picture, &faces, 0, &large);
  if (status >= 0)
    status = fm_image_write_png(&large, path);
  fm_image_release(&large);
  if (status >= 0)
    status = evaluation_compare(analysis, picture, &faces, 1, cell);
  if (status >= 0)
    status = evaluation_shrink(cell);
  evaluation_faces_release(&faces);
  return status;
}

// The pictures of the sheet.
typedef struct evaluation_sheet {
  fm_image images[FM_EVALUATION_WORST];
  char titles[FM_EVALUATION_WORST][EVALUATION_PATH_BYTES];
  size_t count;
} evaluation_sheet;

// worst/01.png and on; what an earlier evaluation left behind the last one goes.
static fm_status evaluation_draw_worst(const fm_analysis *analysis, const char *folder,
                                       evaluation_sheet *sheet) {
  const size_t count = evaluation_worst_count(analysis);
  char *worst = fm_path_join(folder, "worst");
  FM_CHECK_ALLOC(worst);
  fm_status status = fm_folder_make(worst);
  for (size_t i = 0; status >= 0 && i < FM_EVALUATION_WORST; i++) {
    char *name = sheet->titles[i];
    snprintf(name, EVALUATION_PATH_BYTES, "%02zu.png", i + 1);
    char *path = fm_path_join(worst, name);
    if (!path)
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
    else if (i < count)
      status = evaluation_draw_picture(analysis, &analysis->confusion.pictures[i], path,
                                       &sheet->images[sheet->count++]);
    else
      unlink(path);
    free(path);
  }
  free(worst);
  return status;
}

static fm_status evaluation_draw_grid(const fm_analysis *analysis, const evaluation_sheet *sheet,
                                      fm_image *out) {
  const int classes = fm_analysis_class_count(analysis);
  fm_grid_cell cells[FM_EVALUATION_WORST];
  fm_grid_key *keys = calloc((size_t)classes, sizeof *keys);
  FM_CHECK_ALLOC(keys);
  for (size_t i = 0; i < sheet->count; i++)
    cells[i] = (fm_grid_cell){&sheet->images[i], sheet->titles[i]};
  for (int k = 0; k < classes; k++) {
    const char *name = fm_analysis_class_name(analysis, k);
    keys[k] = (fm_grid_key){fm_draw_class_color(name, k + 1), name};
  }
  const fm_grid grid = {.heading = "Most errors first: ground truth beside prediction",
                        .cells = cells,
                        .cell_count = sheet->count,
                        .width = 2 * (EVALUATION_CELL + EVALUATION_MARGIN),
                        .keys = keys,
                        .key_count = (size_t)classes};
  const fm_status status = fm_grid_draw(out, &grid);
  free(keys);
  return status;
}

static fm_status evaluation_draw_sheet(const fm_analysis *analysis, const char *folder) {
  evaluation_sheet *sheet = calloc(1, sizeof *sheet);
  char *path = fm_path_join(folder, "worst.png");
  fm_image image = {0};
  fm_status status = sheet && path ? evaluation_draw_worst(analysis, folder, sheet)
                                   : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0 && sheet->count == 0)
    unlink(path); // of an earlier evaluation
  else if (status >= 0)
    status = evaluation_draw_grid(analysis, sheet, &image);
  if (status >= 0 && image.pixels)
    status = fm_image_write_png(&image, path);
  for (size_t i = 0; sheet && i < sheet->count; i++)
    fm_image_release(&sheet->images[i]);
  fm_image_release(&image);
  free(sheet);
  free(path);
  return status;
}

fm_status fm_evaluation_draw(const fm_analysis *analysis, const char *folder) {
  evaluation_charts charts = {.folder = folder};
  FM_TRY(fm_folder_make(folder));
  FM_TRY(evaluation_draw_charts(analysis, &charts));
  if (!fm_dataset_annotations_only(analysis->subset->dataset))
    FM_TRY(evaluation_draw_sheet(analysis, folder));
  if (charts.lacks_gnuplot)
    return fm_fail(FM_ERR_UNSUPPORTED,
                   "%s: the charts were not drawn, gnuplot is not installed (gnuplot-nox)", folder);
  return FM_OK;
}
