// A validation picture as TensorBoard shows it: its faces, and beside them what was found.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/panels.h"
#include "train/tensorboard.h"

enum { DRAW_TEXT_BYTES = 96 };
#define DRAW_SCORE 0.5f

// The faces of a panel and their texts.
typedef struct draw_list {
  fm_draw_face *faces;
  char (*texts)[DRAW_TEXT_BYTES];
  size_t count;
} draw_list;

static void draw_release(draw_list *list) {
  free(list->faces);
  free(list->texts);
}

static fm_status draw_allocate(draw_list *list, size_t room) {
  list->faces = calloc(room + 1, sizeof *list->faces);
  list->texts = calloc(room + 1, sizeof *list->texts);
  return list->faces && list->texts ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
}

// A negative score is not written.
static void draw_add(draw_list *list, const fm_dataset *dataset, const fm_box *box, int label,
                     double score) {
  const char *name = fm_dataset_class_name(dataset, label);
  char *text = list->texts[list->count];
  if (score < 0)
    snprintf(text, DRAW_TEXT_BYTES, "%.80s", name);
  else
    snprintf(text, DRAW_TEXT_BYTES, "%.80s %.2f", name, score);
  list->faces[list->count++] =
      (fm_draw_face){.box = *box, .text = text, .rgb = fm_draw_class_color(name, label)};
}

static fm_status draw_lists(draw_list *truth, draw_list *prediction, const fm_dataset *dataset,
                            const fm_sample *sample, const fm_detections *found) {
  FM_TRY(draw_allocate(truth, sample->object_count));
  FM_TRY(draw_allocate(prediction, found->count));
  for (size_t i = 0; i < sample->object_count; i++)
    draw_add(truth, dataset, &sample->objects[i].box, sample->objects[i].label, -1);
  for (size_t i = 0; i < found->count && found->items[i].score >= DRAW_SCORE; i++)
    draw_add(prediction, dataset, &found->items[i].box, found->items[i].label,
             (double)found->items[i].score);
  return FM_OK;
}

static fm_status draw_panels(fm_image *out, const fm_image *image, const draw_list *truth,
                             const draw_list *prediction) {
  char titles[2][DRAW_TEXT_BYTES];
  snprintf(titles[0], DRAW_TEXT_BYTES, "Ground truth: %zu", truth->count);
  snprintf(titles[1], DRAW_TEXT_BYTES, "Prediction: %zu (score 0.5 and more)", prediction->count);
  const fm_panel panels[] = {
      {image, truth->faces, truth->count, titles[0]},
      {image, prediction->faces, prediction->count, titles[1]},
  };
  return fm_panels_draw(out, panels, 2, 1);
}

static fm_status draw_encode(fm_tensorboard_picture *out, const fm_image *sheet, const char *name) {
  if (asprintf(&out->tag, "prediction/%s", name) < 0) {
    out->tag = NULL;
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  out->width = sheet->width;
  out->height = sheet->height;
  const fm_status status = fm_image_encode_png(&out->png, sheet);
  if (status < 0) {
    free(out->tag);
    out->tag = NULL;
  }
  return status;
}

fm_status fm_tensorboard_draw(fm_tensorboard_picture *out, const fm_dataset *dataset, size_t sample,
                              const fm_detections *found) {
  *out = (fm_tensorboard_picture){0};
  fm_image image = {0}, sheet = {0};
  draw_list truth = {0}, prediction = {0};
  const fm_sample *item = fm_dataset_sample(dataset, sample);
  fm_status status = draw_lists(&truth, &prediction, dataset, item, found);
  if (status >= 0)
    status = fm_dataset_image(dataset, sample, &image);
  if (status >= 0)
    status = draw_panels(&sheet, &image, &truth, &prediction);
  if (status >= 0)
    status = draw_encode(out, &sheet, item->name);
  draw_release(&truth);
  draw_release(&prediction);
  fm_image_release(&image);
  fm_image_release(&sheet);
  return status;
}
