// Times training steps, detections and predictions.
#include <stdlib.h>
#include <sys/resource.h>

#include "base/progress.h"
#include "bench/bench_data.h"
#include "detect/weights.h"
#include "nn/optimizer.h"

enum {
  BENCH_WARM_UP = 2,
  BENCH_STEPS_MAX = 1000,
  BENCH_PROFILE_STEPS = 2,
  BENCH_PROFILE_TRIALS = 8,
  BENCH_CALIBRATION = 8, // pictures
};

typedef struct bench_job {
  const fm_bench_options *options;
  fm_bench_data data;
  fm_detector *detector;
  fm_optimizer_state optimizer;
  fm_random random;
  size_t picture;  // detection, prediction: the next one
  double waiting;  // seconds for the loader, of the last step
  size_t position; // training steps so far
} bench_job;

typedef struct bench_kind {
  const char *job, *key;
  fm_status (*step)(bench_job *job);
  bool trains, whole; // whole: by the predictor
} bench_kind;

static fm_status bench_make_detector(bench_job *job, bool training) {
  const fm_bench_options *options = job->options;
  fm_dtype precision;
  FM_TRY(training ? fm_config_training_precision(options->config, &precision)
                  : fm_config_precision(options->config, &precision));
  FM_TRY(fm_detector_new(
      &job->detector,
      &(fm_detector_options){.config = &options->config->model,
                             .class_count = fm_dataset_class_count(job->data.dataset),
                             .precision = precision,
                             .training = training,
                             .together = options->config->train.together,
                             .seed = (uint64_t)options->config->train.seed}));
  if (!options->weights)
    return FM_OK;
  fm_weights_report report = {0};
  FM_TRY(fm_weights_load(job->detector, options->weights, &report));
  fm_weights_report_release(&report);
  return FM_OK;
}

static fm_status bench_train_step(bench_job *job) {
  const fm_train_config *train = &job->options->config->train;
  const double begun = fm_clock();
  fm_loader_batch batch;
  FM_TRY_SECTION("waiting for the loader", fm_bench_data_next(&job->data, &batch));
  job->waiting = fm_clock() - begun;
  fm_params *params = fm_detector_params(job->detector);
  fm_losses losses;
  FM_TRY(fm_detector_train(job->detector, batch.inputs, batch.count, &job->random, &losses));
  // So small a rate that the losses stay what they are.
  const fm_optimizer_options options = {.kind = (fm_optimizer_kind)train->optimizer,
                                        .lr = 1e-6,
                                        .momentum = train->momentum,
                                        .weight_decay = train->weight_decay,
                                        .clip_norm = train->clip_norm,
                                        .ema = train->ema};
  return fm_optimizer_step(&options, params, &job->optimizer);
}

static fm_status bench_next_picture(bench_job *job, fm_image *out, bool *owned) {
  const size_t at = job->picture++ % fm_dataset_count(job->data.dataset);
  return fm_picture_cache_get(job->data.cache, at, out, owned);
}

// The next picture as the network reads it.
static fm_status bench_make_input(bench_job *job, fm_input *out) {
  fm_image image;
  bool owned;
  FM_TRY(bench_next_picture(job, &image, &owned));
  fm_section section;
  fm_section_begin(&section);
  const fm_status status = fm_input_make(out, &job->options->config->model, &image, NULL, NULL, 0);
  fm_section_end_named(&section, "resizing of pictures");
  if (owned)
    fm_image_release(&image);
  return status;
}

// int8 with weights that bring no ranges: those of the first pictures.
static fm_status bench_calibrate(bench_job *job) {
  fm_dtype precision;
  FM_TRY(fm_config_precision(job->options->config, &precision));
  for (int i = 0; precision == FM_S8 && i < BENCH_CALIBRATION; i++) {
    fm_input input;
    FM_TRY(bench_make_input(job, &input));
    const fm_status status = fm_detector_calibrate(job->detector, &input, 1);
    fm_input_release(&input);
    FM_TRY(status);
  }
  return FM_OK;
}

// From a decoded picture to boxes.
static fm_status bench_detect_step(bench_job *job) {
  const size_t count = (size_t)job->options->config->train.batch_size;
  fm_input *inputs = calloc(count, sizeof *inputs);
  fm_detections *found = calloc(count, sizeof *found);
  fm_status status =
      inputs && found ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory for %zu pictures", count);
  for (size_t i = 0; status == FM_OK && i < count; i++)
    status = bench_make_input(job, &inputs[i]);
  if (status == FM_OK)
    status = fm_detector_detect(job->detector, inputs, count, found);
  for (size_t i = 0; inputs && found && i < count; i++) {
    fm_input_release(&inputs[i]);
    fm_detections_release(&found[i]);
  }
  free(inputs);
  free(found);
  return status;
}

// From a decoded picture to what `facemask detect` finds in it.
static fm_status bench_predict_step(bench_job *job) {
  fm_predictor *predictor = job->options->predictor;
  fm_image image;
  bool owned;
  FM_TRY(bench_next_picture(job, &image, &owned));
  fm_input *inputs = calloc((size_t)fm_predictor_inputs(predictor), sizeof *inputs);
  fm_status status = inputs ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0) {
    fm_section section;
    fm_section_begin(&section);
    status = fm_predictor_prepare(predictor, &image, inputs);
    fm_section_end_named(&section, "resizing of pictures");
  }
  if (status >= 0) {
    fm_detections found = {0};
    status = fm_predictor_detect(predictor, &image, inputs, &found);
    fm_detections_release(&found);
    fm_predictor_inputs_release(predictor, inputs);
  }
  free(inputs);
  if (owned)
    fm_image_release(&image);
  return status;
}

static int bench_compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static fm_status bench_time(bench_job *job, const bench_kind *kind, fm_bench_result *out) {
  double taken[BENCH_STEPS_MAX], waited[BENCH_STEPS_MAX];
  fm_progress progress;
  fm_progress_start(&progress, out->job, (size_t)out->steps);
  for (int i = -BENCH_WARM_UP; i < out->steps; i++) {
    const double begun = fm_clock();
    FM_TRY(kind->step(job));
    if (i < 0)
      continue;
    taken[i] = fm_clock() - begun;
    out->mean += taken[i] / out->steps;
    waited[i] = job->waiting;
    fm_progress_step(&progress, (size_t)i + 1, "%.1f ms", taken[i] * 1e3);
  }
  fm_progress_end(&progress);
  qsort(taken, (size_t)out->steps, sizeof *taken, bench_compare);
  qsort(waited, (size_t)out->steps, sizeof *waited, bench_compare);
  out->median = taken[out->steps / 2];
  out->least = taken[0];
  out->data = waited[out->steps / 2];
  return FM_OK;
}

static fm_status bench_profile_steps(bench_job *job, const bench_kind *kind, fm_bench_result *out) {
  if (kind->whole)
    job->picture = BENCH_WARM_UP; // the pictures that were timed
  FM_TRY(fm_profile_new(&out->profile, job->options->by_layer));
  fm_profile_use(out->profile);
  fm_status status = FM_OK;
  for (int i = 0; status >= 0 && i < out->profile_steps; i++) {
    fm_section section;
    fm_section_begin(&section);
    status = kind->step(job);
    fm_section_end_named(&section, "the rest");
  }
  fm_profile_use(NULL);
  return status;
}

static fm_status bench_profile(bench_job *job, const bench_kind *kind, fm_bench_result *out) {
  const fm_bench_options *options = job->options;
  if (!options->profile && !options->bound)
    return FM_OK;
  // Predictions of different pictures have different work.
  out->profile_steps = kind->whole ? out->steps : BENCH_PROFILE_STEPS;
  FM_TRY(bench_profile_steps(job, kind, out));
  // Pictures larger than those before move the plans' memory, and the products could not be run
  // again.
  for (int i = 0; options->bound && fm_profile_is_stale(out->profile); i++) {
    if (i == BENCH_PROFILE_TRIALS)
      return fm_fail(FM_ERR_ARGUMENT,
                     "--bound: the pictures grow from step to step; give more --steps before");
    fm_profile_free(out->profile);
    out->profile = NULL;
    FM_TRY(bench_profile_steps(job, kind, out));
  }
  if (!options->bound)
    return FM_OK;
  FM_TRY(fm_profile_bound(out->profile, &out->bound, &out->flops));
  out->bound /= out->profile_steps;
  out->flops /= out->profile_steps;
  out->has_bound = true;
  return FM_OK;
}

// Of the process since bench_forget_peak, where Linux tells, else since its start.
static double bench_peak_bytes(void) {
  double kib = 0;
  char line[128];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %lf", &kib) == 1)
      break;
  if (status)
    fclose(status);
  struct rusage usage;
  if (kib <= 0 && getrusage(RUSAGE_SELF, &usage) == 0)
    kib = (double)usage.ru_maxrss;
  return kib * 1024;
}

// What training needed is not detection's.
static void bench_forget_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (!file)
    return;
  fputs("5", file);
  fclose(file);
}

static fm_status bench_run(bench_job *job, const bench_kind *kind, fm_bench_result *out) {
  const fm_bench_options *options = job->options;
  bench_forget_peak();
  FM_TRY(fm_bench_data_open(&job->data, options));
  if (kind->trains)
    FM_TRY(fm_bench_data_load(&job->data, options));
  if (!kind->whole) {
    FM_TRY(bench_make_detector(job, kind->trains));
    FM_TRY(bench_calibrate(job));
  }
  job->random = fm_random_make((uint64_t)options->config->train.seed, 0, 0);
  FM_TRY(bench_time(job, kind, out));
  out->peak_bytes = bench_peak_bytes();
  return bench_profile(job, kind, out);
}

static fm_status bench_job_run(const fm_bench_options *options, const bench_kind *kind,
                               fm_bench_result *out) {
  bench_job job = {.options = options};
  *out = (fm_bench_result){.job = kind->job,
                           .key = kind->key,
                           .pictures = options->config->train.batch_size,
                           .steps = options->steps};
  FM_ASSERT(options->steps >= 1 && options->steps <= BENCH_STEPS_MAX);
  const fm_status status = bench_run(&job, kind, out);
  fm_detector_free(job.detector);
  fm_bench_data_release(&job.data);
  if (status < 0)
    fm_bench_result_release(out);
  return status;
}

fm_status fm_bench_training(const fm_bench_options *options, fm_bench_result *out) {
  static const bench_kind kind = {"training step", "training", bench_train_step, .trains = true};
  return bench_job_run(options, &kind, out);
}

fm_status fm_bench_detection(const fm_bench_options *options, fm_bench_result *out) {
  static const bench_kind kind = {"detection", "detection", bench_detect_step, .trains = false};
  return bench_job_run(options, &kind, out);
}

fm_status fm_bench_prediction(const fm_bench_options *options, fm_bench_result *out) {
  static const bench_kind kind = {"prediction", "prediction", bench_predict_step, .whole = true};
  return bench_job_run(options, &kind, out);
}

void fm_bench_result_release(fm_bench_result *result) {
  fm_profile_free(result->profile);
  result->profile = NULL;
}
