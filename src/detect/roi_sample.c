// Which proposals the second stage sees, and on which pyramid level each is pooled.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detect/box.h"
#include "detect/match.h"
#include "detect/roi_heads.h"
#include "detect/sample.h"

enum { ROI_STREAM_SAMPLE = 0x726f69, ROI_CANONICAL_LEVEL = 4 };
#define ROI_CANONICAL_SIDE 224.0f
#define ROI_LEVEL_EPS 1e-6f

static fm_status roi_batch_make(fm_roi_batch *batch, size_t pictures, size_t rows) {
  void *memory;
  // A size_t more than needed keeps the count of cells simple; the boxes come first.
  FM_TRY(fm_scratch_get(&batch->memory, rows + pictures + 1,
                        2 * sizeof(fm_box) + sizeof(size_t) + sizeof(int32_t), &memory));
  batch->pictures = pictures;
  batch->boxes = memory;
  batch->truth = batch->boxes + rows;
  batch->starts = (size_t *)(batch->truth + rows);
  batch->labels = (int32_t *)(batch->starts + pictures + 1);
  batch->starts[0] = 0;
  batch->count = rows;
  return FM_OK;
}

fm_status fm_roi_heads_take(const fm_proposals *proposals, fm_roi_batch *out) {
  size_t rows = 0;
  for (size_t i = 0; i < proposals->pictures; i++)
    rows += proposals->counts[i];
  FM_TRY(roi_batch_make(out, proposals->pictures, rows));
  for (size_t i = 0; i < proposals->pictures; i++) {
    size_t count = proposals->counts[i];
    memcpy(out->boxes + out->starts[i], proposals->boxes + i * proposals->capacity,
           count * sizeof *out->boxes);
    out->starts[i + 1] = out->starts[i] + count;
  }
  return FM_OK;
}

// One picture's candidates while they are matched and sampled.
typedef struct roi_sample_part {
  float *columns;             // (5, capacity)
  float *scratch;             // (capacity + truth)
  int32_t *matches;           // (capacity)
  uint32_t *chosen, *indices; // (capacity)
  size_t count;               // chosen
} roi_sample_part;

static void roi_add_truth(fm_proposals *proposals, size_t picture, const fm_input *input) {
  fm_box *boxes = proposals->boxes + picture * proposals->capacity;
  size_t count = proposals->counts[picture];
  FM_ASSERT(count + input->box_count <= proposals->capacity);
  for (size_t i = 0; i < input->box_count; i++)
    boxes[count + i] = input->boxes[i];
  proposals->counts[picture] = count + input->box_count;
}

static fm_box_columns roi_columns(const fm_box *boxes, size_t count, float *memory) {
  float *x1 = memory, *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count, *area = y2 + count;
  for (size_t i = 0; i < count; i++) {
    x1[i] = boxes[i].x1;
    y1[i] = boxes[i].y1;
    x2[i] = boxes[i].x2;
    y2[i] = boxes[i].y2;
    area[i] = fm_box_area(boxes[i]);
  }
  return (fm_box_columns){x1, y1, x2, y2, area, count};
}

static int roi_index_order(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void roi_sample_picture(const fm_proposals *proposals, size_t picture, const fm_input *input,
                               const fm_model_config *config, fm_random random,
                               roi_sample_part *part) {
  const fm_box *boxes = proposals->boxes + picture * proposals->capacity;
  size_t count = proposals->counts[picture];
  fm_box_columns columns = roi_columns(boxes, count, part->columns);
  const fm_match_options match = {config->box_fg_iou_thresh, config->box_bg_iou_thresh, false};
  fm_match(&match, input->boxes, input->box_count, &columns, part->matches, part->scratch);
  const fm_sample_options options = {config->box_batch_size_per_image,
                                     config->box_positive_fraction};
  fm_sample_counts counts =
      fm_sample(&options, part->matches, count, &random, part->chosen, part->indices);
  part->count = counts.positive + counts.negative;
  // torchvision keeps the proposals' order.
  qsort(part->chosen, part->count, sizeof *part->chosen, roi_index_order);
}

static void roi_batch_fill(fm_roi_batch *batch, size_t picture, const fm_proposals *proposals,
                           const fm_input *input, const roi_sample_part *part) {
  const fm_box *boxes = proposals->boxes + picture * proposals->capacity;
  for (size_t i = 0; i < part->count; i++) {
    size_t row = batch->starts[picture] + i;
    int32_t match = part->matches[part->chosen[i]];
    batch->boxes[row] = boxes[part->chosen[i]];
    batch->labels[row] = match >= 0 ? input->labels[match] : 0;
    batch->truth[row] = match >= 0 ? input->boxes[match] : (fm_box){0};
  }
}

static fm_status roi_sample_memory(fm_roi_heads *heads, const fm_proposals *proposals,
                                   const fm_input *inputs, roi_sample_part **out) {
  size_t pictures = proposals->pictures, capacity = proposals->capacity, truth = 0;
  for (size_t i = 0; i < pictures; i++)
    truth = inputs[i].box_count > truth ? inputs[i].box_count : truth;
  void *memory;
  size_t cells = 9 * capacity + truth;
  FM_TRY(fm_scratch_get(&heads->work, pictures, sizeof(roi_sample_part) + 4 * cells, &memory));
  roi_sample_part *parts = memory;
  float *next = (float *)(parts + pictures);
  for (size_t i = 0; i < pictures; i++, next += cells) {
    parts[i] = (roi_sample_part){.columns = next, .scratch = next + 5 * capacity};
    parts[i].matches = (int32_t *)(parts[i].scratch + capacity + truth);
    parts[i].chosen = (uint32_t *)(parts[i].matches + capacity);
    parts[i].indices = parts[i].chosen + capacity;
  }
  *out = parts;
  return FM_OK;
}

fm_status fm_roi_heads_sample(fm_roi_heads *heads, fm_proposals *proposals, const fm_input *inputs,
                              const fm_model_config *config, const fm_batch_part *part,
                              fm_roi_batch *out) {
  roi_sample_part *parts;
  size_t pictures = proposals->pictures, rows = 0;
  FM_TRY(roi_sample_memory(heads, proposals, inputs, &parts));
#pragma omp parallel for schedule(dynamic, 1)
  for (size_t i = 0; i < pictures; i++) {
    roi_add_truth(proposals, i, &inputs[i]);
    roi_sample_picture(proposals, i, &inputs[i], config,
                       fm_random_make(part->seed, ROI_STREAM_SAMPLE, part->first + i), &parts[i]);
  }
  for (size_t i = 0; i < pictures; i++)
    rows += parts[i].count;
  FM_TRY(roi_batch_make(out, pictures, rows));
  out->divisor = part->regions ? part->regions : rows;
  for (size_t i = 0; i < pictures; i++) {
    out->starts[i + 1] = out->starts[i] + parts[i].count;
    roi_batch_fill(out, i, proposals, &inputs[i], &parts[i]);
  }
  return FM_OK;
}

fm_status fm_roi_heads_rematch(fm_roi_heads *heads, fm_roi_batch *batch, const fm_input *inputs,
                               float threshold) {
  for (size_t picture = 0; picture < batch->pictures; picture++) {
    const fm_input *input = &inputs[picture];
    size_t first = batch->starts[picture], count = batch->starts[picture + 1] - first;
    void *memory;
    FM_TRY(fm_scratch_get(&heads->work, 7 * count + input->box_count, sizeof(float), &memory));
    float *scratch = (float *)memory + 5 * count;
    int32_t *matches = (int32_t *)(scratch + count + input->box_count);
    fm_box_columns columns = roi_columns(batch->boxes + first, count, memory);
    const fm_match_options match = {threshold, threshold, false};
    fm_match(&match, input->boxes, input->box_count, &columns, matches, scratch);
    for (size_t i = 0; i < count; i++) {
      batch->labels[first + i] = matches[i] >= 0 ? input->labels[matches[i]] : 0;
      batch->truth[first + i] = matches[i] >= 0 ? input->boxes[matches[i]] : (fm_box){0};
    }
  }
  return FM_OK;
}

// torchvision's LevelMapper in float; equation 1 of the feature pyramid paper.
static int roi_level(fm_box box, int lowest, int highest) {
  float side = sqrtf(fm_box_area(box));
  float level = floorf(ROI_CANONICAL_LEVEL + log2f(side / ROI_CANONICAL_SIDE) + ROI_LEVEL_EPS);
  if (!(level > (float)lowest)) // also an empty box's -infinity
    return 0;
  return level < (float)highest ? (int)level - lowest : highest - lowest;
}

void fm_roi_heads_rois(const fm_roi_batch *batch, const fm_model *model, size_t rows, float *rois) {
  int lowest = fm_model_stride_log2(model, 0);
  int highest = fm_model_stride_log2(model, model->roi_level_count - 1);
  for (size_t picture = 0; picture < batch->pictures; picture++) {
    for (size_t row = batch->starts[picture]; row < batch->starts[picture + 1]; row++) {
      fm_box box = batch->boxes[row];
      int level = roi_level(box, lowest, highest);
      const float values[FM_ROI_COLUMNS] = {(float)picture,
                                            box.x1,
                                            box.y1,
                                            box.x2,
                                            box.y2,
                                            (float)level,
                                            1.0f / (float)model->strides[level]};
      memcpy(rois + row * FM_ROI_COLUMNS, values, sizeof values);
    }
  }
  for (size_t row = batch->count; row < rows; row++) {
    memset(rois + row * FM_ROI_COLUMNS, 0, FM_ROI_COLUMNS * sizeof(float));
    rois[row * FM_ROI_COLUMNS + 5] = -1;
  }
}

void fm_roi_batch_release(fm_roi_batch *batch) {
  fm_scratch_release(&batch->memory);
  *batch = (fm_roi_batch){0};
}
