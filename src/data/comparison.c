// Two panels of one picture.
#include "data/comparison.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "image/panels.h"

enum { COMPARISON_TEXT_BYTES = 96, COMPARISON_NAME_BYTES = 64, COMPARISON_NAME_LETTERS = 24 };

// The faces of a panel and their texts.
typedef struct comparison_list {
  fm_draw_face *faces;
  char (*texts)[COMPARISON_TEXT_BYTES];
  size_t count;
} comparison_list;

static void comparison_release(comparison_list *list) {
  free(list->faces);
  free(list->texts);
}

static fm_status comparison_allocate(comparison_list *list, size_t room) {
  list->faces = calloc(room + 1, sizeof *list->faces);
  list->texts = calloc(room + 1, sizeof *list->texts);
  return list->faces && list->texts ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
}

static void comparison_add(comparison_list *list, const char *name, int label, const fm_box *box) {
  list->faces[list->count] = (fm_draw_face){
      .box = *box, .text = list->texts[list->count], .rgb = fm_draw_class_color(name, label)};
  list->count++;
}

static fm_status comparison_truth(comparison_list *list, const fm_comparison *comparison) {
  const fm_sample *sample = fm_dataset_sample(comparison->dataset, comparison->sample);
  FM_TRY(comparison_allocate(list, sample->object_count));
  for (size_t i = 0; i < sample->object_count; i++) {
    const fm_object *object = &sample->objects[i];
    const char *name = fm_dataset_class_name(comparison->dataset, object->label);
    if (!comparison->plain_truths || !comparison->plain_truths[i])
      fm_utf8_middle(list->texts[list->count], COMPARISON_NAME_BYTES, name,
                     COMPARISON_NAME_LETTERS);
    comparison_add(list, name, object->label, &object->box);
  }
  return FM_OK;
}

static fm_status comparison_prediction(comparison_list *list, const fm_comparison *comparison) {
  FM_TRY(comparison_allocate(list, comparison->detection_count));
  for (size_t i = 0; i < comparison->detection_count; i++) {
    const fm_detection *found = &comparison->detections[i];
    if ((double)found->score < comparison->score)
      continue;
    const char *name = fm_dataset_class_name(comparison->dataset, found->label);
    char short_name[COMPARISON_NAME_BYTES];
    fm_utf8_middle(short_name, sizeof short_name, name, COMPARISON_NAME_LETTERS);
    if (!comparison->plain_detections || !comparison->plain_detections[i])
      snprintf(list->texts[list->count], COMPARISON_TEXT_BYTES, "%s %.2f", short_name,
               (double)found->score);
    comparison_add(list, name, found->label, &found->box);
  }
  return FM_OK;
}

static fm_status comparison_panels(fm_image *out, const fm_comparison *comparison,
                                   const comparison_list *truth,
                                   const comparison_list *prediction) {
  char titles[2][COMPARISON_TEXT_BYTES];
  snprintf(titles[0], COMPARISON_TEXT_BYTES, "Ground truth: %zu", truth->count);
  snprintf(titles[1], COMPARISON_TEXT_BYTES, "Prediction: %zu (score %.2g and more)",
           prediction->count, comparison->score);
  fm_image image;
  FM_TRY(fm_dataset_image(comparison->dataset, comparison->sample, &image));
  const fm_panel panels[] = {
      {&image, truth->faces, truth->count, comparison->truth ? comparison->truth : titles[0]},
      {&image, prediction->faces, prediction->count,
       comparison->prediction ? comparison->prediction : titles[1]},
  };
  const int scale = comparison->scale > 0 ? comparison->scale : fm_draw_scale(&image);
  const fm_status status = fm_panels_draw(out, panels, 2, scale);
  fm_image_release(&image);
  return status;
}

fm_status fm_comparison_draw(fm_image *out, const fm_comparison *comparison) {
  *out = (fm_image){0};
  comparison_list truth = {0}, prediction = {0};
  fm_status status = comparison_truth(&truth, comparison);
  if (status >= 0)
    status = comparison_prediction(&prediction, comparison);
  if (status >= 0)
    status = comparison_panels(out, comparison, &truth, &prediction);
  comparison_release(&truth);
  comparison_release(&prediction);
  return status;
}
