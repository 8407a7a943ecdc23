// The pictures of a bench, and a loader over them. Private to bench.
#ifndef FM_BENCH_DATA_H
#define FM_BENCH_DATA_H

#include "bench/bench.h"
#include "data/loader.h"

typedef struct fm_bench_data {
  char *folder; // of drawn pictures, removed by release; NULL for given ones
  fm_dataset *dataset;
  fm_picture_cache *cache;
  fm_augment *augment;
  fm_loader *loader;
  uint64_t epoch;
  fm_model_config training_model;
} fm_bench_data;

FM_MUST_USE fm_status fm_bench_data_open(fm_bench_data *out, const fm_bench_options *options);
void fm_bench_data_release(fm_bench_data *data);
// A loader of whole batches as training has it.
FM_MUST_USE fm_status fm_bench_data_load(fm_bench_data *data, const fm_bench_options *options);
// The next whole batch, epoch after epoch.
FM_MUST_USE fm_status fm_bench_data_next(fm_bench_data *data, fm_loader_batch *out);

#endif
