// The JSON form of an analysis: metrics.json.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eval/analysis.h"

// JSON has no NAN: null.
static json_t *analysis_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *analysis_per_iou(const double *values) {
  json_t *list = json_array();
  for (int t = 0; t < FM_COCO_IOUS; ++t)
    json_array_append_new(
        list, json_pack("{s:f, s:f}", "iou", round(100 * fm_coco_iou(t)) / 100, "mAP", values[t]));
  return list;
}

static json_t *analysis_classes(const fm_analysis *self, const fm_coco_measure *measure) {
  json_t *list = json_array();
  for (int k = 0; k < measure->category_count; ++k)
    json_array_append_new(list,
                          json_pack("{s:s, s:I, s:f, s:f}", "name", fm_analysis_class_name(self, k),
                                    "faces", (json_int_t)measure->category_truths[k], "AP",
                                    measure->category_AP[k], "AP50", measure->category_AP50[k]));
  return list;
}

static json_t *analysis_coco(const fm_analysis *self) {
  const fm_coco_measure *m = &self->coco;
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:I}", "mAP", m->mAP,
                   "mAP50", m->mAP50, "mAP75", m->mAP75, "mAP_small", m->mAP_small, "mAP_medium",
                   m->mAP_medium, "mAP_large", m->mAP_large, "AR1", m->AR1, "AR10", m->AR10,
                   "AR100", m->AR100, "per_iou", analysis_per_iou(m->per_iou), "per_class",
                   analysis_classes(self, m), "images", (json_int_t)self->images);
}

static json_t *analysis_confusion(const fm_analysis *self) {
  json_t *names = json_array(), *rows = json_array();
  const int side = self->confusion.class_count + 1;
  for (int truth = 0; truth < side; ++truth) {
    json_array_append_new(
        names, json_string(truth < side - 1 ? fm_analysis_class_name(self, truth) : "background"));
    json_t *row = json_array();
    for (int prediction = 0; prediction < side; ++prediction)
      json_array_append_new(
          row, json_integer((json_int_t)fm_confusion_count(&self->confusion, truth, prediction)));
    json_array_append_new(rows, row);
  }
  return json_pack("{s:f, s:f, s:o, s:o}", "score", self->confusion_options.score, "iou",
                   self->confusion_options.iou, "names", names, "counts", rows);
}

static json_t *analysis_curve(const fm_confidence_curve *curve, const char *name) {
  return json_pack("{s:s, s:o, s:o}", "name", name, "score", analysis_number(curve->best_score),
                   "F1", analysis_number(curve->best_f1));
}

// The scores that give the largest F1.
static json_t *analysis_best_scores(const fm_analysis *self) {
  json_t *list = json_array();
  for (int k = 0; k < self->confidence.class_count; ++k)
    json_array_append_new(
        list, analysis_curve(&self->confidence.classes[k], fm_analysis_class_name(self, k)));
  return json_pack("{s:f, s:o, s:o, s:o}", "iou", 0.5, "score",
                   analysis_number(self->confidence.all.best_score), "F1",
                   analysis_number(self->confidence.all.best_f1), "per_class", list);
}

static json_t *analysis_notebook(const fm_analysis *self) {
  const fm_notebook_measure *m = &self->notebook;
  json_t *classes = json_array();
  for (int k = 0; k < m->class_count; ++k)
    json_array_append_new(classes,
                          json_pack("{s:s, s:I, s:I, s:f}", "name", fm_analysis_class_name(self, k),
                                    "detections", (json_int_t)m->class_detections[k], "hits",
                                    (json_int_t)m->class_hits[k], "AP", m->class_AP[k]));
  return json_pack("{s:s, s:f, s:f, s:f, s:o, s:o}", "note",
                   "the notebook's own way of counting: recall over the faces that were found, not "
                   "over all faces; not comparable with the COCO measure",
                   "score", FM_NOTEBOOK_SCORE, "nms", FM_NOTEBOOK_NMS, "mAP", m->mAP, "per_iou",
                   analysis_per_iou(m->per_iou), "per_class", classes);
}

static json_t *analysis_interval(fm_interval interval) {
  return json_pack("[f, f]", interval.low, interval.high);
}

static json_t *analysis_bootstrap(const fm_analysis *self) {
  const fm_bootstrap *b = &self->bootstrap;
  json_t *classes = json_array();
  for (int k = 0; k < b->class_count; ++k)
    json_array_append_new(classes,
                          json_pack("{s:s, s:o, s:o}", "name", fm_analysis_class_name(self, k),
                                    "AP", analysis_interval(b->class_AP[k]), "AP50",
                                    analysis_interval(b->class_AP50[k])));
  return json_pack("{s:i, s:f, s:o, s:o, s:o, s:o}", "rounds", b->rounds, "level", 0.95, "mAP",
                   analysis_interval(b->mAP), "mAP50", analysis_interval(b->mAP50), "mAP75",
                   analysis_interval(b->mAP75), "per_class", classes);
}

static json_t *analysis_fold(const fm_analysis *self, const fm_analysis_fold *fold) {
  const fm_coco_measure *m = fold->coco;
  return json_pack("{s:i, s:s, s:i, s:I, s:f, s:f, s:f, s:o}", "fold", fold->fold, "weights",
                   fold->weights, "best_epoch", fold->best_epoch, "images",
                   (json_int_t)fold->images, "mAP", m->mAP, "mAP50", m->mAP50, "mAP75", m->mAP75,
                   "per_class", analysis_classes(self, m));
}

static void analysis_add_spread(json_t *mean, json_t *deviation, const char *key,
                                const double *values, size_t count) {
  double middle, width;
  fm_analysis_spread(values, count, &middle, &width);
  json_object_set_new(mean, key, json_real(middle));
  json_object_set_new(deviation, key, json_real(width));
}

static fm_status analysis_add_folds(const fm_analysis *self, json_t *document,
                                    const fm_analysis_folds *folds) {
  json_t *list = json_array(), *mean = json_object(), *deviation = json_object();
  double *values = malloc((folds->count + 1) * 3 * sizeof *values);
  const size_t n = folds->count;
  for (size_t i = 0; values && i < n; ++i) {
    values[i] = folds->folds[i].coco->mAP;
    values[n + i] = folds->folds[i].coco->mAP50;
    values[2 * n + i] = folds->folds[i].coco->mAP75;
    json_array_append_new(list, analysis_fold(self, &folds->folds[i]));
  }
  if (values) {
    analysis_add_spread(mean, deviation, "mAP", values, n);
    analysis_add_spread(mean, deviation, "mAP50", values + n, n);
    analysis_add_spread(mean, deviation, "mAP75", values + 2 * n, n);
  }
  json_object_set_new(document, "folds", list);
  json_t *missing = json_array();
  for (size_t i = 0; i < folds->missing_count; ++i)
    json_array_append_new(missing, json_integer(folds->missing[i]));
  json_object_set_new(document, "missing_folds", missing);
  json_object_set_new(document, "mean", mean);
  json_object_set_new(document, "deviation", deviation);
  json_object_set_new(document, "leaking", json_boolean(folds->leaking));
  const bool failed = !values;
  free(values);
  return failed ? fm_fail(FM_ERR_MEMORY, "out of memory") : FM_OK;
}

static fm_status analysis_print(char **out, const json_t *document) {
  char *text = json_dumps(document, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
  FM_CHECK_ALLOC(text);
  if (asprintf(out, "%s\n", text) < 0)
    *out = NULL;
  free(text);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

fm_status fm_analysis_format(char **out, const fm_analysis *analysis,
                             const fm_analysis_folds *folds) {
  *out = NULL;
  json_t *document = analysis_coco(analysis);
  FM_CHECK_ALLOC(document);
  json_object_set_new(document, "confusion", analysis_confusion(analysis));
  json_object_set_new(document, "best_score", analysis_best_scores(analysis));
  if (analysis->has_notebook)
    json_object_set_new(document, "notebook", analysis_notebook(analysis));
  if (analysis->bootstrap.rounds > 0)
    json_object_set_new(document, "bootstrap", analysis_bootstrap(analysis));
  fm_status status = folds ? analysis_add_folds(analysis, document, folds) : FM_OK;
  if (status >= 0)
    status = analysis_print(out, document);
  json_decref(document);
  return status;
}
