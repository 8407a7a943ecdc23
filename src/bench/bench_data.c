// Draws the pictures of a bench into a folder of its own, or opens those that are given.
#include "bench/bench_data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/synth.h"
#include "train/feed.h"

enum { DATA_BATCHES = 4, DATA_PICTURES_MIN = 8 };

static fm_status data_draw(fm_bench_data *data, const fm_bench_options *options) {
  const char *base = getenv("TMPDIR");
  data->folder = fm_path_join(base && base[0] ? base : "/tmp", "facemask-bench-XXXXXX");
  FM_CHECK_ALLOC(data->folder);
  if (!mkdtemp(data->folder)) {
    const fm_status status = fm_fail(FM_ERR_IO, "%s: the folder cannot be made", data->folder);
    free(data->folder);
    data->folder = NULL;
    return status;
  }
  size_t count = (size_t)options->config->train.batch_size * DATA_BATCHES;
  count = count < DATA_PICTURES_MIN ? DATA_PICTURES_MIN : count;
  return fm_synth_write(&(fm_synth_options){.count = count,
                                            .seed = 1,
                                            .folder = data->folder,
                                            .width = options->size,
                                            .height = options->size},
                        NULL);
}

static void data_remove_part(const char *folder, const char *part) {
  char *path = fm_path_join(folder, part);
  fm_name_list list;
  if (path && fm_folder_list(&list, path) == FM_OK) {
    for (size_t i = 0; i < list.count; i++) {
      char *file = fm_path_join(path, list.names[i]);
      if (file)
        unlink(file);
      free(file);
    }
    fm_name_list_release(&list);
  }
  if (path)
    rmdir(path);
  free(path);
}

void fm_bench_data_release(fm_bench_data *data) {
  fm_loader_free(data->loader);
  fm_augment_free(data->augment);
  fm_picture_cache_free(data->cache);
  fm_dataset_free(data->dataset);
  if (data->folder) {
    data_remove_part(data->folder, "images");
    data_remove_part(data->folder, "annotations");
    rmdir(data->folder);
  }
  free(data->folder);
  *data = (fm_bench_data){0};
}

static fm_status data_open(fm_bench_data *data, const fm_bench_options *options) {
  if (!options->data)
    FM_TRY(data_draw(data, options));
  const char *path = options->data ? options->data : data->folder;
  FM_TRY(fm_dataset_open(&data->dataset, path, &(fm_dataset_options){0}));
  if (fm_dataset_annotations_only(data->dataset))
    return fm_fail(FM_ERR_FORMAT, "%s has no pictures", path);
  const size_t bytes = (size_t)options->config->train.cache_mb << 20;
  return fm_picture_cache_new(&data->cache, data->dataset, bytes);
}

fm_status fm_bench_data_open(fm_bench_data *out, const fm_bench_options *options) {
  *out = (fm_bench_data){0};
  const fm_status status = data_open(out, options);
  if (status < 0)
    fm_bench_data_release(out);
  return status;
}

fm_status fm_bench_data_load(fm_bench_data *data, const fm_bench_options *options) {
  const fm_train_config *train = &options->config->train;
  FM_TRY(fm_augment_parse(&data->augment, options->config->augment));
  fm_config_training_model(options->config, &data->training_model);
  const size_t batch = (size_t)train->batch_size;
  const size_t count = fm_dataset_count(data->dataset) / batch * batch;
  if (count == 0)
    return fm_fail(FM_ERR_ARGUMENT, "%zu pictures are fewer than a batch of %zu",
                   fm_dataset_count(data->dataset), batch);
  size_t *samples = malloc(count * sizeof *samples);
  FM_CHECK_ALLOC(samples);
  for (size_t i = 0; i < count; i++)
    samples[i] = i;
  const fm_status status = fm_loader_new(
      &data->loader, &(fm_loader_options){.dataset = data->dataset,
                                          .cache = data->cache,
                                          .samples = samples,
                                          .sample_count = count,
                                          .batch_size = batch,
                                          .shuffle = train->shuffle,
                                          .augment = data->augment,
                                          .seed = (uint64_t)train->seed,
                                          .threads = train->loader_threads,
                                          .strict = true,
                                          .maker = fm_feed_maker(&data->training_model)});
  free(samples);
  FM_TRY(status);
  return fm_loader_start(data->loader, data->epoch, 0);
}

fm_status fm_bench_data_next(fm_bench_data *data, fm_loader_batch *out) {
  const fm_status status = fm_loader_next(data->loader, out);
  if (status != FM_END)
    return status;
  FM_TRY(fm_loader_start(data->loader, ++data->epoch, 0));
  return fm_loader_next(data->loader, out);
}
