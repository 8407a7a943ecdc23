// From the words of a call to a predictor.
#include "cli/model.h"

#include <stdio.h>

#include "detect/config.h"
#include "predict/default_model.h"

fm_status fm_cli_open_model(const fm_cli *cli, const fm_predictor_options *settings,
                            fm_predictor **out) {
  const char *weights[FM_CLI_VALUES_MAX], *assignments[FM_CLI_VALUES_MAX + 2];
  fm_predictor_options options = {
      .weights = weights,
      .weights_count = fm_cli_values(cli, "--weights", weights, FM_CLI_VALUES_MAX),
      .config_file = fm_cli_value(cli, "--config"),
      .assignments = assignments,
      .assignment_count = fm_cli_values(cli, "--set", assignments, FM_CLI_VALUES_MAX),
      .classes = fm_cli_value(cli, "--classes"),
      .score = settings->score,
      .nms = settings->nms,
      .agnostic = fm_cli_value(cli, "--agnostic-nms") != NULL,
      .classifiers = settings->classifiers,
  };
  char precision[64], views[256];
  if (fm_cli_value(cli, "--precision")) {
    snprintf(precision, sizeof precision, "train.precision=%s", fm_cli_value(cli, "--precision"));
    assignments[options.assignment_count++] = precision;
  }
  if (fm_cli_value(cli, "--views")) {
    const char *word = fm_cli_value(cli, "--views");
    if (snprintf(views, sizeof views, "model.views=[%s]", word) >= (int)sizeof views)
      return fm_fail(FM_ERR_ARGUMENT, "--views: more than %d sizes", FM_VIEWS_MAX);
    assignments[options.assignment_count++] = views;
  }
  fm_default_model model = {0};
  if (options.weights_count == 0) {
    FM_TRY(fm_default_model_find(&model));
    for (int i = 0; i < model.count; ++i)
      weights[options.weights_count++] = model.paths[i];
  }
  const fm_status status = fm_predictor_open(out, &options);
  fm_default_model_release(&model);
  return status;
}
