// Made-up outputs of a trunk over real anchors, for the tests of what is done with them.
#ifndef FM_TESTS_DETECT_OUTPUTS_H
#define FM_TESTS_DETECT_OUTPUTS_H

#include "detect/rpn.h"
#include "support.h"

enum { OUTPUTS_LEVELS = 3, OUTPUTS_PICTURES = 3 };

typedef struct outputs {
  fm_anchors anchors;
  fm_input inputs[OUTPUTS_PICTURES];
  fm_rpn_outputs_view view;
  float *values, *gradients; // of all levels
  size_t cells;              // anchors of all pictures
} outputs;

// spread: deviation of the objectness logits. Pictures are smaller than the batch, and one has no
// faces.
static inline void outputs_make(outputs *self, uint64_t seed, double spread) {
  const fm_float_table sizes = {OUTPUTS_LEVELS, {{2, {8, 12}}, {2, {16, 24}}, {2, {40, 56}}}};
  const fm_float_list row = {3, {0.5f, 1, 2}};
  const fm_float_table ratios = {OUTPUTS_LEVELS, {row, row, row}};
  const fm_anchor_grid grid = {OUTPUTS_LEVELS, {12, 6, 3}, {16, 8, 4}, 96, 128};
  static const int widths[OUTPUTS_PICTURES] = {128, 100, 90}, heights[] = {70, 96, 88};
  static const size_t faces[OUTPUTS_PICTURES] = {5, 0, 2};
  fm_random random = fm_random_make(seed, 0, 0);
  *self = (outputs){.view = {.pictures = OUTPUTS_PICTURES}};
  assert_int_equal(fm_anchors_make(&self->anchors, &sizes, &ratios, &grid), FM_OK);
  for (int i = 0; i < OUTPUTS_PICTURES; i++) {
    fm_input *input = &self->inputs[i];
    *input = (fm_input){.width = widths[i], .height = heights[i], .box_count = faces[i]};
    input->source_width = input->width;
    input->source_height = input->height;
    input->boxes = test_alloc(faces[i], sizeof *input->boxes);
    input->labels = test_alloc(faces[i], sizeof *input->labels);
    for (size_t k = 0; k < faces[i]; k++) {
      input->boxes[k] = random_box(&random, widths[i], heights[i], 5.3f);
      input->labels[k] = 1 + (int32_t)fm_random_below(&random, 3);
    }
  }
  self->cells = OUTPUTS_PICTURES * self->anchors.count;
  self->values = test_alloc(self->cells, 5 * sizeof *self->values);
  self->gradients = test_alloc(self->cells, 5 * sizeof *self->gradients);
  float *value = self->values, *gradient = self->gradients;
  for (int level = 0; level < OUTPUTS_LEVELS; level++) {
    const size_t count = OUTPUTS_PICTURES * self->anchors.levels[level].count;
    self->view.levels[level].objectness = value;
    self->view.levels[level].deltas = value + count;
    self->view.levels[level].dobjectness = gradient;
    self->view.levels[level].ddeltas = gradient + count;
    for (size_t i = 0; i < 5 * count; i++)
      value[i] = (float)fm_random_normal(&random) * (i < count ? (float)spread : 0.3f);
    value += 5 * count;
    gradient += 5 * count;
  }
  self->view.anchors = &self->anchors;
  self->view.inputs = self->inputs;
}

static inline void outputs_release(outputs *self) {
  fm_anchors_release(&self->anchors);
  for (int i = 0; i < OUTPUTS_PICTURES; i++)
    fm_input_release(&self->inputs[i]);
  free(self->values);
  free(self->gradients);
}

// Where the outputs of an anchor lie, as an offset into `values` and `gradients`: its logit, and
// its first delta.
static inline void outputs_place(const outputs *self, size_t picture, size_t anchor, size_t *logit,
                                 size_t *delta) {
  int level = 0;
  while (anchor >= self->anchors.levels[level].first + self->anchors.levels[level].count)
    level++;
  const fm_anchor_level *place = &self->anchors.levels[level];
  const size_t at = picture * place->count + anchor - place->first;
  *logit = (size_t)(self->view.levels[level].objectness - self->values) + at;
  *delta = (size_t)(self->view.levels[level].deltas - self->values) + 4 * at;
}

#endif
