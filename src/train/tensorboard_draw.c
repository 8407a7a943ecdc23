// A validation picture as TensorBoard shows it: its faces, and beside them what was found.
#include <stdio.h>
#include <stdlib.h>

#include "data/comparison.h"
#include "train/tensorboard.h"

#define DRAW_SCORE 0.5

fm_status fm_tensorboard_draw(fm_tensorboard_picture *out, const fm_dataset *dataset, size_t sample,
                              const fm_detections *found) {
  *out = (fm_tensorboard_picture){0};
  const fm_comparison comparison = {.dataset = dataset,
                                    .sample = sample,
                                    .detections = found->items,
                                    .detection_count = found->count,
                                    .score = DRAW_SCORE,
                                    .scale = 1};
  fm_image sheet;
  FM_TRY(fm_comparison_draw(&sheet, &comparison));
  out->width = sheet.width;
  out->height = sheet.height;
  fm_status status = fm_image_encode_png(&out->png, &sheet);
  fm_image_release(&sheet);
  FM_TRY(status);
  if (asprintf(&out->tag, "prediction/%s", fm_dataset_sample(dataset, sample)->name) < 0) {
    free(out->png.data);
    *out = (fm_tensorboard_picture){0};
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  return FM_OK;
}
