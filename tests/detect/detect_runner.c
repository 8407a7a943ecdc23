// Detects on several pictures as one batch, which the program's own verbs do not, for
// tests/parity/detections.py:
//   detect_runner WEIGHTS.safetensors CLASSES PICTURE... -- KEY=VALUE...
// KEY is one of the model's settings, model.arch first. Standard output: for each picture a row of
// its number of detections, then a row "LABEL SCORE X1 Y1 X2 Y2" each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/detector.h"
#include "detect/weights.h"

enum { RUNNER_PICTURES_MAX = 16 };

static void runner_check(fm_status status, const char *what) {
  if (status >= 0)
    return;
  fprintf(stderr, "detect_runner: %s: %s\n", what, fm_error_message());
  exit(1);
}

static void runner_configure(fm_model_config *config, char **assignments, int count) {
  fm_model_config_preset(config, FM_ARCH_RESNET50_FPN);
  for (int i = 0; i < count; i++) {
    runner_check(fm_options_assign(fm_model_options, config, assignments[i]), "setting");
    if (i == 0)
      fm_model_config_preset(config, (fm_arch)config->arch);
  }
}

static fm_detector *runner_open(const char *weights, int classes, const fm_model_config *config) {
  const fm_detector_options options = {
      .config = config, .class_count = classes, .precision = FM_F32, .blank = true};
  fm_detector *detector;
  fm_weights_report report;
  runner_check(fm_detector_new(&detector, &options), "detector");
  runner_check(fm_weights_load(detector, weights, &report), "weights");
  if (report.missing_count > 0 || report.superfluous_count > 0) {
    fprintf(stderr, "detect_runner: %zu tensors missing, %zu superfluous\n", report.missing_count,
            report.superfluous_count);
    exit(1);
  }
  fm_weights_report_release(&report);
  return detector;
}

static void runner_print(const fm_detections *found) {
  printf("%zu\n", found->count);
  for (size_t i = 0; i < found->count; i++) {
    const fm_detection *d = &found->items[i];
    printf("%d %.9g %.9g %.9g %.9g %.9g\n", d->label, (double)d->score, (double)d->box.x1,
           (double)d->box.y1, (double)d->box.x2, (double)d->box.y2);
  }
}

static void runner_detect(fm_detector *detector, char **paths, size_t count) {
  fm_input inputs[RUNNER_PICTURES_MAX];
  fm_detections found[RUNNER_PICTURES_MAX];
  for (size_t i = 0; i < count; i++) {
    fm_image image;
    runner_check(fm_image_read(&image, paths[i]), "picture");
    runner_check(fm_input_make(&inputs[i], fm_detector_config(detector), &image, NULL, NULL, 0),
                 "input");
    fm_image_release(&image);
  }
  runner_check(fm_detector_detect(detector, inputs, count, found), "detect");
  for (size_t i = 0; i < count; i++) {
    runner_print(&found[i]);
    fm_detections_release(&found[i]);
    fm_input_release(&inputs[i]);
  }
}

int main(int argc, char **argv) {
  int end = 3;
  while (end < argc && strcmp(argv[end], "--") != 0)
    end++;
  if (end <= 3 || end >= argc || end - 3 > RUNNER_PICTURES_MAX) {
    fprintf(stderr,
            "usage: detect_runner WEIGHTS.safetensors CLASSES PICTURE... -- KEY=VALUE...\n");
    return 2;
  }
  fm_model_config config;
  runner_configure(&config, argv + end + 1, argc - end - 1);
  fm_detector *detector = runner_open(argv[1], atoi(argv[2]), &config);
  runner_detect(detector, argv + 3, (size_t)(end - 3));
  fm_detector_free(detector);
  return 0;
}
