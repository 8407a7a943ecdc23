// Iterative stratification. Wanted counts are doubles that lose whole ones, as in the Python
// package, so that comparisons fall alike.
#include "data/stratify.h"

#include <stdlib.h>
#include <string.h>

#include "data/mt19937.h"

typedef struct stratify {
  fm_mt19937 generator;
  const uint8_t *has_label; // (count, label_count), rows as given
  size_t count;
  size_t label_count, fold_count;
  uint32_t *order;      // (count): place in the (shuffled) order -> row
  uint8_t *done;        // (count), by place
  size_t *left;         // (label_count): rows not yet done that have the label
  double *wanted;       // (fold_count): rows the fold still wants
  double *wanted_label; // (fold_count, label_count)
  size_t *ties;         // (max(fold_count, label_count))
  uint32_t *fold_of;    // (count), by row
} stratify;

static size_t stratify_choose(stratify *state, size_t tie_count) {
  if (tie_count == 1)
    return state->ties[0];
  return state->ties[fm_mt19937_below(&state->generator, (uint32_t)tie_count)];
}

// The label with the fewest rows left, at least one; label_count when no row left has a label.
static size_t stratify_rarest_label(stratify *state) {
  size_t fewest = SIZE_MAX, tie_count = 0;
  for (size_t label = 0; label < state->label_count; label++)
    if (state->left[label] > 0 && state->left[label] < fewest)
      fewest = state->left[label];
  if (fewest == SIZE_MAX)
    return state->label_count;
  for (size_t label = 0; label < state->label_count; label++)
    if (state->left[label] == fewest)
      state->ties[tie_count++] = label;
  return stratify_choose(state, tie_count);
}

// Keeps of the first tie_count folds in `ties` those whose value (values + fold * stride) is the
// largest.
static size_t stratify_keep_largest(stratify *state, size_t tie_count, const double *values,
                                    size_t stride) {
  double largest = values[state->ties[0] * stride];
  for (size_t i = 1; i < tie_count; i++)
    if (values[state->ties[i] * stride] > largest)
      largest = values[state->ties[i] * stride];
  size_t kept = 0;
  for (size_t i = 0; i < tie_count; i++)
    if (values[state->ties[i] * stride] == largest)
      state->ties[kept++] = state->ties[i];
  return kept;
}

static size_t stratify_all_folds(stratify *state) {
  for (size_t fold = 0; fold < state->fold_count; fold++)
    state->ties[fold] = fold;
  return state->fold_count;
}

static void stratify_put(stratify *state, size_t place, size_t fold) {
  uint32_t row = state->order[place];
  state->fold_of[row] = (uint32_t)fold;
  state->done[place] = 1;
  state->wanted[fold] -= 1;
  for (size_t label = 0; label < state->label_count; label++)
    if (state->has_label[row * state->label_count + label]) {
      state->wanted_label[fold * state->label_count + label] -= 1;
      state->left[label]--;
    }
}

static void stratify_run(stratify *state) {
  size_t label;
  while ((label = stratify_rarest_label(state)) < state->label_count)
    for (size_t place = 0; place < state->count; place++) {
      if (state->done[place] || !state->has_label[state->order[place] * state->label_count + label])
        continue;
      size_t ties = stratify_keep_largest(state, stratify_all_folds(state),
                                          state->wanted_label + label, state->label_count);
      if (ties > 1)
        ties = stratify_keep_largest(state, ties, state->wanted, 1);
      stratify_put(state, place, stratify_choose(state, ties));
    }
  for (size_t place = 0; place < state->count; place++)
    if (!state->done[place]) {
      size_t ties = stratify_keep_largest(state, stratify_all_folds(state), state->wanted, 1);
      stratify_put(state, place, stratify_choose(state, ties));
    }
}

static fm_status stratify_allocate(stratify *state) {
  size_t most = state->fold_count > state->label_count ? state->fold_count : state->label_count;
  state->order = calloc(state->count, sizeof *state->order);
  state->done = calloc(state->count, sizeof *state->done);
  state->left = calloc(state->label_count + 1, sizeof *state->left);
  state->wanted = calloc(state->fold_count, sizeof *state->wanted);
  state->wanted_label =
      calloc(state->fold_count * (state->label_count + 1), sizeof *state->wanted_label);
  state->ties = calloc(most, sizeof *state->ties);
  FM_CHECK_ALLOC(state->order && state->done && state->left && state->wanted &&
                 state->wanted_label && state->ties);
  return FM_OK;
}

static void stratify_prepare(stratify *state, const fm_stratify_options *options) {
  fm_mt19937_seed(&state->generator, options->seed);
  if (options->shuffle)
    fm_mt19937_permutation(&state->generator, state->order, state->count);
  else
    for (size_t i = 0; i < state->count; i++)
      state->order[i] = (uint32_t)i;
  for (size_t i = 0; i < state->count * state->label_count; i++)
    state->left[i % state->label_count] += state->has_label[i] != 0;
  double share = 1.0 / (double)state->fold_count;
  for (size_t fold = 0; fold < state->fold_count; fold++) {
    state->wanted[fold] = share * (double)state->count;
    for (size_t label = 0; label < state->label_count; label++)
      state->wanted_label[fold * state->label_count + label] = share * (double)state->left[label];
  }
}

fm_status fm_stratify(uint32_t *fold_of, const uint8_t *has_label, size_t count, int label_count,
                      const fm_stratify_options *options) {
  if (options->folds < 2)
    return fm_fail(FM_ERR_ARGUMENT, "folds must be at least 2, not %d", options->folds);
  if (count < (size_t)options->folds || count > UINT32_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "%zu pictures cannot be dealt out to %d folds", count,
                   options->folds);
  stratify state = {
      .has_label = has_label,
      .count = count,
      .label_count = (size_t)label_count,
      .fold_count = (size_t)options->folds,
      .fold_of = fold_of,
  };
  fm_status status = stratify_allocate(&state);
  if (status == FM_OK) {
    stratify_prepare(&state, options);
    stratify_run(&state);
  }
  free(state.order);
  free(state.done);
  free(state.left);
  free(state.wanted);
  free(state.wanted_label);
  free(state.ties);
  return status;
}
