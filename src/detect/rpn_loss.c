// The losses of the proposal network: anchors are matched with the true boxes, some are sampled,
// and only those get a gradient.
#include <omp.h>
#include <string.h>

#include "detect/box_loss.h"
#include "detect/match.h"
#include "detect/rpn.h"
#include "detect/sample.h"
#include "nn/loss.h"

enum { RPN_STREAM_SAMPLE = 0x72706e };
#define RPN_FOCAL_GAMMA 2
#define RPN_FOCAL_ALPHA 0.25f

// The sampled anchors of a picture: positives first.
typedef struct rpn_sample {
  uint32_t *chosen; // anchor indices
  int32_t *truth;   // of the positives, the true box each stands for
  fm_sample_counts counts;
} rpn_sample;

typedef struct rpn_loss_job {
  const fm_rpn_outputs_view *view;
  const fm_model_config *config;
  const fm_batch_part *part;
  size_t capacity;   // samples a picture at most
  size_t truth_most; // true boxes of a picture at most
  rpn_sample *samples;
  // A part for each thread.
  char *work;
  size_t work_bytes;
} rpn_loss_job;

static void rpn_sample_picture(const rpn_loss_job *job, size_t picture, char *work) {
  const fm_anchors *anchors = job->view->anchors;
  const fm_input *input = &job->view->inputs[picture];
  const fm_model_config *config = job->config;
  rpn_sample *sample = &job->samples[picture];
  int32_t *matches = (int32_t *)work;
  uint32_t *indices = (uint32_t *)(matches + anchors->count);
  float *scratch = (float *)(indices + anchors->count);
  const fm_box_columns columns = {anchors->x1, anchors->y1,   anchors->x2,
                                  anchors->y2, anchors->area, anchors->count};
  const fm_match_options match = {config->rpn_fg_iou_thresh, config->rpn_bg_iou_thresh,
                                  .allow_low_quality = true};
  fm_match(&match, input->boxes, input->box_count, &columns, matches, scratch);
  const fm_sample_options options = {config->rpn_batch_size_per_image,
                                     config->rpn_positive_fraction};
  fm_random random = fm_random_make(job->part->seed, RPN_STREAM_SAMPLE, job->part->first + picture);
  sample->counts = fm_sample(&options, matches, anchors->count, &random, sample->chosen, indices);
  for (size_t i = 0; i < sample->counts.positive; i++)
    sample->truth[i] = matches[sample->chosen[i]];
}

static fm_status rpn_loss_prepare(fm_rpn *rpn, rpn_loss_job *job) {
  const fm_rpn_outputs_view *view = job->view;
  size_t count = view->anchors->count, size = (size_t)job->config->rpn_batch_size_per_image;
  job->capacity = size < count ? size : count;
  for (size_t i = 0; i < view->pictures; i++)
    job->truth_most =
        view->inputs[i].box_count > job->truth_most ? view->inputs[i].box_count : job->truth_most;
  job->work_bytes = ((3 * count + job->truth_most) * 4 + 63) / 64 * 64;
  void *memory;
  FM_TRY(fm_scratch_get(&rpn->matches, (size_t)omp_get_max_threads(), job->work_bytes, &memory));
  job->work = memory;
  size_t each = sizeof(rpn_sample) + 8 * job->capacity;
  FM_TRY(fm_scratch_get(&rpn->samples, view->pictures, each, &memory));
  job->samples = memory;
  uint32_t *cells = (uint32_t *)(job->samples + view->pictures);
  for (size_t i = 0; i < view->pictures; i++, cells += 2 * job->capacity)
    job->samples[i] = (rpn_sample){.chosen = cells, .truth = (int32_t *)(cells + job->capacity)};
  return FM_OK;
}

static void rpn_clear_gradients(const fm_rpn_outputs_view *view) {
  for (int level = 0; level < view->anchors->level_count; level++) {
    size_t count = view->anchors->levels[level].count, pictures = view->pictures;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < pictures; i++) {
      memset(view->levels[level].dobjectness + i * count, 0, count * sizeof(float));
      memset(view->levels[level].ddeltas + 4 * i * count, 0, 4 * count * sizeof(float));
    }
  }
}

// Where an anchor's outputs lie: its level, and the position in that level's arrays.
typedef struct rpn_place {
  int level;
  size_t at;
} rpn_place;

static rpn_place rpn_place_of(const fm_rpn_outputs_view *view, size_t picture, size_t anchor) {
  const fm_anchors *anchors = view->anchors;
  int level = anchors->level_count - 1;
  while (anchor < anchors->levels[level].first)
    level--;
  const fm_anchor_level *place = &anchors->levels[level];
  return (rpn_place){level, picture * place->count + anchor - place->first};
}

typedef struct rpn_gathered {
  size_t total, positives;
  rpn_place *places; // (total)
  float *logits, *targets, *dlogits;
  fm_box_loss_rows rows; // (positives)
  size_t *row_places;    // (positives): index into places
} rpn_gathered;

static fm_status rpn_gather_memory(fm_rpn *rpn, const rpn_loss_job *job, rpn_gathered *out) {
  for (size_t i = 0; i < job->view->pictures; i++) {
    out->total += job->samples[i].counts.positive + job->samples[i].counts.negative;
    out->positives += job->samples[i].counts.positive;
  }
  void *memory;
  size_t each = sizeof *out->places + sizeof *out->row_places + 3 * sizeof(float);
  FM_TRY(fm_scratch_get(&rpn->places, out->total, each, &memory));
  out->places = memory;
  out->row_places = (size_t *)(out->places + out->total);
  out->logits = (float *)(out->row_places + out->total);
  out->targets = out->logits + out->total;
  out->dlogits = out->targets + out->total;
  return fm_box_loss_rows_make(&out->rows, &rpn->rows, &fm_box_coder_rpn, out->positives);
}

static void rpn_gather(const rpn_loss_job *job, rpn_gathered *out) {
  const fm_rpn_outputs_view *view = job->view;
  size_t at = 0, row = 0;
  for (size_t picture = 0; picture < view->pictures; picture++) {
    const rpn_sample *sample = &job->samples[picture];
    size_t positive = sample->counts.positive;
    for (size_t i = 0; i < positive + sample->counts.negative; i++, at++) {
      rpn_place place = rpn_place_of(view, picture, sample->chosen[i]);
      out->places[at] = place;
      out->logits[at] = view->levels[place.level].objectness[place.at];
      out->targets[at] = i < positive ? 1 : 0;
      if (i >= positive)
        continue;
      out->rows.references[row] = fm_anchors_box(view->anchors, sample->chosen[i]);
      out->rows.truth[row] = view->inputs[picture].boxes[sample->truth[i]];
      memcpy(out->rows.deltas + 4 * row, view->levels[place.level].deltas + 4 * place.at,
             4 * sizeof(float));
      out->row_places[row++] = at;
    }
  }
}

static void rpn_scatter(const rpn_loss_job *job, const rpn_gathered *gathered) {
  const fm_rpn_outputs_view *view = job->view;
  for (size_t i = 0; i < gathered->total; i++)
    view->levels[gathered->places[i].level].dobjectness[gathered->places[i].at] =
        gathered->dlogits[i];
  for (size_t i = 0; i < gathered->positives; i++) {
    const rpn_place *place = &gathered->places[gathered->row_places[i]];
    memcpy(view->levels[place->level].ddeltas + 4 * place->at, gathered->rows.ddeltas + 4 * i,
           4 * sizeof(float));
  }
}

static double rpn_objectness_loss(const rpn_loss_job *job, const rpn_gathered *gathered,
                                  double normaliser) {
  const fm_loss_focal focal = {RPN_FOCAL_GAMMA, RPN_FOCAL_ALPHA, normaliser};
  if (job->config->loss_class == FM_CLASS_LOSS_FOCAL)
    return fm_loss_sigmoid_focal(gathered->logits, NULL, gathered->targets, gathered->total, &focal,
                                 gathered->dlogits);
  return fm_loss_sigmoid_cross_entropy(gathered->logits, NULL, gathered->targets, gathered->total,
                                       normaliser, gathered->dlogits);
}

fm_status fm_rpn_losses(fm_rpn *rpn, const fm_rpn_outputs_view *view, const fm_model_config *config,
                        const fm_batch_part *part, fm_losses *losses) {
  rpn_loss_job job = {.view = view, .config = config, .part = part};
  FM_TRY(rpn_loss_prepare(rpn, &job));
#pragma omp parallel for schedule(dynamic, 1)
  for (size_t i = 0; i < view->pictures; i++)
    rpn_sample_picture(&job, i, job.work + (size_t)omp_get_thread_num() * job.work_bytes);
  rpn_clear_gradients(view);
  rpn_gathered gathered = {0};
  FM_TRY(rpn_gather_memory(rpn, &job, &gathered));
  rpn_gather(&job, &gathered);
  rpn->sampled = gathered.total;
  const size_t all = part->anchors ? part->anchors : gathered.total;
  const double normaliser = all > 0 ? (double)all : 1;
  losses->objectness = rpn_objectness_loss(&job, &gathered, normaliser);
  losses->rpn_box_reg = fm_box_loss_run(&gathered.rows, (fm_box_loss)config->loss_box, normaliser);
  rpn_scatter(&job, &gathered);
  return FM_OK;
}

void fm_rpn_release(fm_rpn *rpn) {
  fm_scratch_release(&rpn->candidates);
  fm_scratch_release(&rpn->slots);
  fm_scratch_release(&rpn->work);
  fm_scratch_release(&rpn->matches);
  fm_scratch_release(&rpn->samples);
  fm_scratch_release(&rpn->rows);
  fm_scratch_release(&rpn->places);
}
