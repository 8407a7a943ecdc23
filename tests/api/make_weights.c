// Writes random weights for the tests of programs: make_weights FILE [SEED [KEY=VALUE...]], with
// settings of the model, model.arch first. A model of the three Kaggle classes that takes nearly
// everything for with_mask, so that there is something to find.
#include <stdio.h>
#include <stdlib.h>

#include "detect/detector.h"
#include "detect/weights.h"

static fm_status configure(fm_model_config *config, char **assignments, int count) {
  fm_model_config_preset(config, FM_ARCH_MOBILENET_V3_LARGE_320_FPN);
  for (int i = 0; i < count; i++) {
    FM_TRY(fm_options_assign(fm_model_options, config, assignments[i]));
    if (i == 0)
      fm_model_config_preset(config, (fm_arch)config->arch);
  }
  return FM_OK;
}

static fm_status make(const char *path, uint64_t seed, char **assignments, int count) {
  static const char *const names[] = {"without_mask", "with_mask", "mask_weared_incorrect"};
  fm_model_config config;
  FM_TRY(configure(&config, assignments, count));
  const fm_detector_options options = {
      .config = &config, .class_count = 3, .precision = FM_F32, .seed = seed};
  fm_detector *detector;
  FM_TRY(fm_detector_new(&detector, &options));
  // Background and the classes: one is likely everywhere, another just so that it is not left out.
  static const float bias[] = {0, 1.5f, 4, 0};
  fm_params *params = fm_detector_params(detector);
  if (fm_arch_detects(config.arch))
    fm_params_set(params, fm_params_find(params, "roi_heads.box_predictor.cls_score.bias"), bias);
  const fm_status status = fm_weights_save(detector, path, names, 3, FM_MOMENT_NONE);
  fm_detector_free(detector);
  return status;
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 2;
  if (make(argv[1], argc > 2 ? strtoull(argv[2], NULL, 10) : 1, argv + 3,
           argc > 3 ? argc - 3 : 0) == FM_OK)
    return 0;
  fprintf(stderr, "make_weights: %s\n", fm_error_message());
  return 1;
}
