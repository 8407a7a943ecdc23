// The speed of this machine: a training step with its loader, a detection (one network looks once),
// and a prediction (all that `facemask detect` does with a decoded picture), timed as users have
// them; besides, where their time goes, and how long their convolutions and matrix products take
// alone.
#ifndef FM_BENCH_BENCH_H
#define FM_BENCH_BENCH_H

#include <stdbool.h>
#include <stdio.h>

#include "base/status.h"
#include "nn/profile.h"
#include "predict/predictor.h"
#include "train/config.h"

typedef struct fm_bench_options {
  const fm_config
      *config;         // lent, as everything; train.batch_size, train.precision and augment hold
  const char *weights; // NULL: random ones; not of a prediction
  fm_predictor *predictor; // of a prediction; its settings are its own
  const char *data;        // a data set; NULL: drawn pictures of `size` x `size` pixels
  int size;                // side of the drawn pictures
  int steps;               // that are timed, behind two that warm up
  bool profile, by_layer;  // a row for each kind of work, or for each shape
  bool bound;              // not of a prediction
} fm_bench_options;

typedef struct fm_bench_result {
  const char *job, *key; // what people read, what the JSON object is called
  int pictures;          // of a step
  int steps;
  double median, mean, least; // seconds of a step
  double data;                // of waiting for the loader in the median step
  double bound, flops;        // seconds and work of the products of a step, if has_bound
  double peak_bytes;          // of the process so far
  fm_profile *profile;        // NULL without one; sums over `profile_steps`
  int profile_steps;
  bool has_bound;
} fm_bench_result;

FM_MUST_USE fm_status fm_bench_training(const fm_bench_options *options, fm_bench_result *out);
FM_MUST_USE fm_status fm_bench_detection(const fm_bench_options *options, fm_bench_result *out);
FM_MUST_USE fm_status fm_bench_prediction(const fm_bench_options *options, fm_bench_result *out);
void fm_bench_result_release(fm_bench_result *result);

// A line or two, and with `profile` its table.
void fm_bench_print(FILE *out, const fm_bench_result *result, bool profile);
// A JSON object; heap, NULL when out of memory.
char *fm_bench_json(const fm_bench_options *options, const fm_bench_result *results, int count);

#endif
