// Two growing lists and the conversion of corners to x, y, w, h.
#include "eval/boxes.h"

#include <stdlib.h>

// Room for `more` items behind `count`.
static fm_status boxes_grow(void **items, size_t *room, size_t count, size_t more,
                            size_t item_bytes) {
  if (count + more <= *room)
    return FM_OK;
  const size_t wanted = (count + more) * 2;
  void *grown = realloc(*items, wanted * item_bytes);
  FM_CHECK_ALLOC(grown);
  *items = grown;
  *room = wanted;
  return FM_OK;
}

fm_status fm_eval_boxes_add_truth(fm_eval_boxes *boxes, const fm_coco_truth *truth) {
  FM_TRY(boxes_grow((void **)&boxes->truths, &boxes->truth_room, boxes->truth_count, 1,
                    sizeof *boxes->truths));
  boxes->truths[boxes->truth_count++] = *truth;
  return FM_OK;
}

fm_status fm_eval_boxes_add_sample(fm_eval_boxes *boxes, int64_t image, const fm_sample *sample) {
  for (size_t i = 0; i < sample->object_count; ++i) {
    const fm_object *object = &sample->objects[i];
    const double width = (double)object->box.x2 - (double)object->box.x1;
    const double height = (double)object->box.y2 - (double)object->box.y1;
    const fm_coco_truth truth = {.image = image,
                                 .category = object->label - 1,
                                 .x = (double)object->box.x1,
                                 .y = (double)object->box.y1,
                                 .w = width,
                                 .h = height,
                                 .area = width * height};
    FM_TRY(fm_eval_boxes_add_truth(boxes, &truth));
  }
  return FM_OK;
}

fm_status fm_eval_boxes_add_result(fm_eval_boxes *boxes, const fm_coco_result *result) {
  FM_TRY(boxes_grow((void **)&boxes->results, &boxes->result_room, boxes->result_count, 1,
                    sizeof *boxes->results));
  boxes->results[boxes->result_count++] = *result;
  return FM_OK;
}

fm_status fm_eval_boxes_add_detections(fm_eval_boxes *boxes, int64_t image,
                                       const fm_detection *items, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const fm_box *box = &items[i].box;
    const fm_coco_result result = {.image = image,
                                   .category = items[i].label - 1,
                                   .x = (double)box->x1,
                                   .y = (double)box->y1,
                                   .w = (double)box->x2 - (double)box->x1,
                                   .h = (double)box->y2 - (double)box->y1,
                                   .score = (double)items[i].score};
    FM_TRY(fm_eval_boxes_add_result(boxes, &result));
  }
  return FM_OK;
}

fm_status fm_eval_boxes_measure(const fm_eval_boxes *boxes, int class_count, fm_coco_measure *out) {
  return fm_coco_evaluate(out, boxes->truths, boxes->truth_count, boxes->results,
                          boxes->result_count, class_count);
}

void fm_eval_boxes_release(fm_eval_boxes *boxes) {
  free(boxes->truths);
  free(boxes->results);
  *boxes = (fm_eval_boxes){0};
}
