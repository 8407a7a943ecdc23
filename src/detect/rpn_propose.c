// From the trunk's outputs to proposals: the best of each level, decoded, clipped and thinned.
#include <math.h>
#include <string.h>

#include "detect/box.h"
#include "detect/nms.h"
#include "detect/order.h"
#include "detect/rpn.h"

#define RPN_MIN_SIDE 1e-3f

// One picture's part of the candidates of all levels, each level's at its own start.
typedef struct propose_row {
  fm_box *boxes;
  float *scores;
  int32_t *levels;
  uint32_t *keep;
} propose_row;

typedef struct propose_job {
  const fm_rpn_outputs_view *view;
  size_t top[FM_ANCHOR_LEVELS_MAX],
      starts[FM_ANCHOR_LEVELS_MAX]; // candidates of a level, and where
  size_t width;                     // of a picture's row
  size_t post;
  float score_thresh;
  double nms_thresh;
  propose_row rows; // of picture 0
  size_t *found;    // (pictures, levels)
  char *work;       // a part for each (picture, level), and again for each picture
  size_t work_bytes;
} propose_job;

static propose_row propose_row_at(const propose_job *job, size_t picture) {
  size_t at = picture * job->width;
  return (propose_row){job->rows.boxes + at, job->rows.scores + at, job->rows.levels + at,
                       job->rows.keep + at};
}

// torch.sigmoid in float.
static float propose_sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

static void propose_level(const propose_job *job, size_t picture, int level, void *work) {
  const fm_rpn_outputs_view *view = job->view;
  const fm_anchor_level *place = &view->anchors->levels[level];
  const float *objectness = view->levels[level].objectness + picture * place->count;
  const float *deltas = view->levels[level].deltas + picture * place->count * 4;
  const fm_input *input = &view->inputs[picture];
  propose_row row = propose_row_at(job, picture);
  size_t top = job->top[level], at = job->starts[level], found = 0;
  uint32_t *order = row.keep + at;
  fm_order_top(objectness, place->count, top, order, work);
  for (size_t i = 0; i < top; i++) {
    size_t index = order[i];
    fm_box anchor = fm_anchors_box(view->anchors, place->first + index);
    fm_box box = fm_box_decode(&fm_box_coder_rpn, anchor, deltas + 4 * index);
    box = fm_box_clip(box, input->width, input->height);
    float score = propose_sigmoid(objectness[index]);
    if (!fm_box_is_large(box, RPN_MIN_SIDE) || !(score >= job->score_thresh))
      continue;
    row.boxes[at + found] = box;
    row.scores[at + found++] = score;
  }
  job->found[picture * (size_t)view->anchors->level_count + (size_t)level] = found;
}

// Brings the levels' candidates together and keeps the best that do not overlap.
static void propose_thin(const propose_job *job, size_t picture, void *work, fm_proposals *out) {
  int level_count = job->view->anchors->level_count;
  propose_row row = propose_row_at(job, picture);
  size_t count = 0;
  for (int level = 0; level < level_count; level++) {
    size_t found = job->found[picture * (size_t)level_count + (size_t)level];
    memmove(row.boxes + count, row.boxes + job->starts[level], found * sizeof *row.boxes);
    memmove(row.scores + count, row.scores + job->starts[level], found * sizeof *row.scores);
    for (size_t i = 0; i < found; i++)
      row.levels[count + i] = level;
    count += found;
  }
  fm_nms_input nms = {.boxes = row.boxes,
                      .scores = row.scores,
                      .groups = row.levels,
                      .group_count = level_count,
                      .count = count,
                      .threshold = job->nms_thresh,
                      .limit = job->post};
  size_t kept = fm_nms(&nms, row.keep, work);
  fm_box *boxes = out->boxes + picture * out->capacity;
  for (size_t i = 0; i < kept; i++)
    boxes[i] = row.boxes[row.keep[i]];
  out->counts[picture] = kept;
}

static void propose_run(const propose_job *job, fm_proposals *out) {
  int levels = job->view->anchors->level_count, pictures = (int)job->view->pictures;
#pragma omp parallel
  {
#pragma omp for schedule(dynamic, 1)
    for (int part = 0; part < pictures * levels; part++)
      propose_level(job, (size_t)(part / levels), part % levels,
                    job->work + (size_t)part * job->work_bytes);
#pragma omp for schedule(dynamic, 1)
    for (int picture = 0; picture < pictures; picture++)
      propose_thin(job, (size_t)picture, job->work + (size_t)(picture * levels) * job->work_bytes,
                   out);
  }
}

static fm_status propose_memory(fm_rpn *rpn, propose_job *job, fm_proposals *out) {
  size_t pictures = job->view->pictures, cells = pictures * job->width;
  size_t levels = (size_t)job->view->anchors->level_count;
  void *memory;
  FM_TRY(fm_scratch_get(&rpn->candidates, cells, sizeof(fm_box) + 12, &memory));
  job->rows.boxes = memory;
  job->rows.scores = (float *)(job->rows.boxes + cells);
  job->rows.levels = (int32_t *)(job->rows.scores + cells);
  job->rows.keep = (uint32_t *)(job->rows.levels + cells);
  FM_TRY(fm_scratch_get(&rpn->slots, pictures * levels, sizeof *job->found, &memory));
  job->found = memory;
  FM_TRY(fm_scratch_get(&rpn->work, pictures * levels, job->work_bytes, &memory));
  job->work = memory;
  out->pictures = pictures;
  FM_TRY(fm_scratch_get(&out->box_memory, pictures * out->capacity, sizeof *out->boxes, &memory));
  out->boxes = memory;
  FM_TRY(fm_scratch_get(&out->count_memory, pictures, sizeof *out->counts, &memory));
  out->counts = memory;
  return FM_OK;
}

fm_status fm_rpn_propose(fm_rpn *rpn, const fm_rpn_outputs_view *view,
                         const fm_model_config *config, bool training, size_t spare,
                         fm_proposals *out) {
  const fm_anchors *anchors = view->anchors;
  size_t pre =
      (size_t)(training ? config->rpn_pre_nms_top_n_train : config->rpn_pre_nms_top_n_test);
  propose_job job = {
      .view = view,
      .post =
          (size_t)(training ? config->rpn_post_nms_top_n_train : config->rpn_post_nms_top_n_test),
      .score_thresh =
          training ? config->rpn_score_thresh : fm_model_config_rpn_score_thresh(config),
      .nms_thresh = fm_box_decimal(config->rpn_nms_thresh),
  };
  for (int level = 0; level < anchors->level_count; level++) {
    size_t count = anchors->levels[level].count;
    job.top[level] = count < pre ? count : pre;
    job.starts[level] = job.width;
    job.width += job.top[level];
    size_t bytes = fm_order_bytes(count, job.top[level]);
    job.work_bytes = bytes > job.work_bytes ? bytes : job.work_bytes;
  }
  if (job.post > job.width)
    job.post = job.width;
  size_t bytes = fm_nms_bytes(job.width, anchors->level_count);
  job.work_bytes = ((bytes > job.work_bytes ? bytes : job.work_bytes) + 63) / 64 * 64;
  out->capacity = job.post + spare;
  FM_TRY(propose_memory(rpn, &job, out));
  propose_run(&job, out);
  return FM_OK;
}

void fm_proposals_release(fm_proposals *proposals) {
  fm_scratch_release(&proposals->box_memory);
  fm_scratch_release(&proposals->count_memory);
  *proposals = (fm_proposals){0};
}
