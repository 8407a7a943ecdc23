// The measures of one set of predictions, together.
#include "eval/analysis.h"

#include <math.h>

enum { ANALYSIS_BOOTSTRAP_SEED = 1 };

fm_status fm_analysis_make(fm_analysis *out, const fm_analysis_options *options) {
  const int classes = fm_dataset_class_count(options->subset->dataset);
  *out = (fm_analysis){.subset = options->subset,
                       .boxes = options->boxes,
                       .images = options->images,
                       .confusion_options = {.score = 0.5, .iou = 0.5},
                       .has_notebook = options->notebook};
  fm_status status = fm_eval_boxes_measure(out->boxes, classes, &out->coco);
  if (status >= 0)
    status = fm_confidence_make(&out->confidence, out->boxes, &out->coco, 0);
  if (status >= 0)
    status = fm_confusion_make(&out->confusion, out->boxes, classes, &out->confusion_options);
  if (status >= 0 && out->has_notebook)
    status = fm_notebook_evaluate(&out->notebook, out->boxes, classes);
  if (status >= 0 && options->bootstrap_rounds > 0)
    status = fm_bootstrap_make(&out->bootstrap, out->boxes, options->subset->count, classes,
                               options->bootstrap_rounds, ANALYSIS_BOOTSTRAP_SEED);
  if (status < 0)
    fm_analysis_release(out);
  return status;
}

void fm_analysis_release(fm_analysis *analysis) {
  fm_coco_measure_release(&analysis->coco);
  fm_confidence_release(&analysis->confidence);
  fm_confusion_release(&analysis->confusion);
  fm_notebook_measure_release(&analysis->notebook);
  fm_bootstrap_release(&analysis->bootstrap);
  *analysis = (fm_analysis){0};
}

const char *fm_analysis_class_name(const fm_analysis *analysis, int category) {
  return fm_dataset_class_name(analysis->subset->dataset, category + 1);
}

int fm_analysis_class_count(const fm_analysis *analysis) {
  return analysis->coco.category_count;
}

void fm_analysis_spread(const double *values, size_t count, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  size_t used = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += values[i] >= 0 ? values[i] : 0;
    used += values[i] >= 0;
  }
  *mean = used > 0 ? sum / (double)used : -1;
  for (size_t i = 0; i < count; ++i)
    squares += values[i] >= 0 ? (values[i] - *mean) * (values[i] - *mean) : 0;
  *deviation = used > 1 ? sqrt(squares / (double)(used - 1)) : used > 0 ? 0 : -1;
}
