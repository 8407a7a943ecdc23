// Opening weights files with their configuration, and the pool of detectors.
#include "predict/predictor.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/weight_ranges.h"
#include "detect/weights.h"
#include "predict/focus.h"
#include "predict/fuse.h"
#include "predict/refine.h"
#include "train/config.h"

// The detectors of one thread at a time, a share of each member.
typedef struct predictor_context {
  struct predictor_context *next;
  fm_detector *detectors[]; // (members)
} predictor_context;

// A weights file. The detector holds the parameters and never runs itself.
typedef struct predictor_member {
  fm_model_config config;
  double best_size; // of a face, in pixels of what the network reads
  fm_detector *detector;
} predictor_member;

// How a picture is shown to a member's network.
typedef struct predictor_view {
  int member;
  float scale;
  bool mirrored;
  bool leads;    // says to the member's other views what to see of a picture
  bool focused;  // sees what that one said, place and size
  int first;     // that view's number
  float largest; // the largest scale of the member's focused views
} predictor_view;

struct fm_predictor {
  predictor_member members[FM_PREDICTOR_MEMBERS_MAX];
  int member_count;
  fm_classes classes;
  bool names_known;
  bool agnostic;
  bool refines;                                                  // there are classifiers
  float score;                                                   // of what is found
  predictor_view views[FM_PREDICTOR_MEMBERS_MAX * FM_VIEWS_MAX]; // member by member
  int view_count;
  pthread_mutex_t mutex; // guards `idle` and the making of contexts
  predictor_context *idle;
};

static void predictor_context_free(const fm_predictor *self, predictor_context *context) {
  for (int i = 0; i < self->member_count; ++i)
    fm_detector_free(context->detectors[i]);
  free(context);
}

void fm_predictor_free(fm_predictor *predictor) {
  if (!predictor)
    return;
  while (predictor->idle) {
    predictor_context *next = predictor->idle->next;
    predictor_context_free(predictor, predictor->idle);
    predictor->idle = next;
  }
  for (int i = 0; i < predictor->member_count; ++i)
    fm_detector_free(predictor->members[i].detector);
  fm_classes_release(&predictor->classes);
  pthread_mutex_destroy(&predictor->mutex);
  free(predictor);
}

// --- opening

static fm_status predictor_count_classes(const char *path, int *out) {
  FM_TRY(fm_weights_count_classes(out, path));
  if (*out < 1 || *out >= FM_CLASSES_MAX)
    return fm_fail(
        FM_ERR_FORMAT,
        "%s: no classifier of 1 to %d classes and background named " FM_WEIGHTS_CLASSIFIER, path,
        FM_CLASSES_MAX - 1);
  return FM_OK;
}

static bool predictor_has_arch(const fm_predictor_options *options) {
  static const char key[] = "model.arch=";
  for (int i = 0; i < options->assignment_count; ++i)
    if (strncmp(options->assignments[i], key, sizeof key - 1) == 0)
      return true;
  return options->config_file != NULL;
}

static fm_status predictor_load_config(const fm_predictor_options *options, const char *path,
                                       const fm_weights_info *info, fm_config *out) {
  if (!info->has_config && !predictor_has_arch(options))
    return fm_fail(FM_ERR_ARGUMENT,
                   "%s does not say what model it is: --set model.arch=... or --config is needed",
                   path);
  return fm_config_load(out, options->config_file, options->assignments, options->assignment_count,
                        info->has_config ? &info->config : NULL);
}

// All tensors must be there: a detector with random parts finds nothing that means anything.
static fm_status predictor_load_weights(fm_detector *detector, const char *path) {
  fm_weights_report report = {0};
  FM_TRY(fm_weights_load(detector, path, &report));
  fm_status status = FM_OK;
  if (report.predictor_replaced)
    status = fm_fail(FM_ERR_FORMAT, "%s: the classifier has another number of classes", path);
  else if (report.missing_count > 0)
    status = fm_fail(FM_ERR_FORMAT, "%s: %zu tensors of the model are missing, such as %.*s", path,
                     report.missing_count, (int)strcspn(report.missing, "\n"), report.missing);
  fm_weights_report_release(&report);
  return status;
}

static fm_status predictor_copy_names(fm_classes *out, const fm_weights_info *info, int count) {
  out->names = calloc((size_t)count + 1, sizeof *out->names);
  FM_CHECK_ALLOC(out->names);
  for (int i = 0; i < count; ++i) {
    out->names[i] = strdup(info->class_names[i]);
    FM_CHECK_ALLOC(out->names[i]);
    out->count = i + 1;
  }
  return FM_OK;
}

static fm_status predictor_number_names(fm_classes *out, int count) {
  out->names = calloc((size_t)count + 1, sizeof *out->names);
  FM_CHECK_ALLOC(out->names);
  for (int i = 0; i < count; ++i) {
    if (asprintf(&out->names[i], "class_%d", i + 1) < 0) {
      out->names[i] = NULL;
      return fm_fail(FM_ERR_MEMORY, "out of memory");
    }
    out->count = i + 1;
  }
  return FM_OK;
}

// A face classifier may know one class more, its last.
static bool predictor_knows_background(const fm_weights_info *info) {
  return info->class_names && info->class_count > 1 && info->has_config &&
         !fm_arch_detects(info->config.arch) &&
         strcmp(info->class_names[info->class_count - 1], FM_REFINE_BACKGROUND) == 0;
}

// The first file's classes are the predictor's; the others must have the same.
static fm_status predictor_set_classes(fm_predictor *self, const fm_predictor_options *options,
                                       const fm_weights_info *info, int count) {
  const char *path = options->weights[self->member_count];
  if (predictor_knows_background(info))
    --count;
  if (self->member_count == 0) {
    self->names_known = info->class_names || options->classes;
    if (info->class_names)
      FM_TRY(predictor_copy_names(&self->classes, info, count));
    else if (options->classes)
      FM_TRY(fm_classes_parse(&self->classes, options->classes));
    else
      FM_TRY(predictor_number_names(&self->classes, count));
  }
  if (self->classes.count != count)
    return fm_fail(FM_ERR_FORMAT, "%s knows %d classes, %d are expected", path, count,
                   self->classes.count);
  for (int i = 0; info->class_names && i < count; ++i)
    // The analyser doubts that as many names were copied as there are classes.
    // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker)
    if (self->names_known && strcmp(info->class_names[i], self->classes.names[i]) != 0)
      return fm_fail(FM_ERR_FORMAT, "%s: class %d is %s, %s is expected", path, i + 1,
                     info->class_names[i], self->classes.names[i]);
  return FM_OK;
}

// In pixels of what the network reads: the middle of its anchors, which are spread over the sizes
// it was made for.
static double predictor_best_size(const fm_model_config *config) {
  double sum = 0;
  int count = 0;
  for (int row = 0; row < config->rpn_anchor_sizes.count; ++row)
    for (int i = 0; i < config->rpn_anchor_sizes.rows[row].count; ++i, ++count)
      sum += log((double)config->rpn_anchor_sizes.rows[row].values[i]);
  return exp(sum / count);
}

// A classifier sees what the detectors found, and no picture of its own.
static void predictor_add_views(fm_predictor *self, const fm_model_config *config) {
  if (!fm_arch_detects(config->arch))
    return;
  const fm_float_list *scales = &config->views;
  const int first = self->view_count;
  const bool focuses = config->focus > 0 && scales->count > 1;
  float largest = 0;
  for (int i = 1; i < scales->count; ++i)
    largest = fmaxf(largest, fabsf(scales->values[i]));
  for (int i = 0; i < scales->count; ++i) {
    const float scale = scales->values[i];
    self->views[self->view_count++] = (predictor_view){.member = self->member_count,
                                                       .scale = fabsf(scale),
                                                       .mirrored = scale < 0,
                                                       .leads = focuses && i == 0,
                                                       .focused = focuses && i > 0,
                                                       .first = first,
                                                       .largest = largest};
  }
}

static fm_status predictor_add_member(fm_predictor *self, const fm_predictor_options *options,
                                      const fm_weights_info *info, fm_config *config) {
  const char *path = options->weights[self->member_count];
  int count = info->class_names ? info->class_count : 0;
  if (count < 1)
    FM_TRY(predictor_count_classes(path, &count));
  FM_TRY(predictor_set_classes(self, options, info, count));
  FM_TRY(predictor_load_config(options, path, info, config));
  fm_dtype precision;
  FM_TRY(fm_config_detection_precision(config, info->has_ranges, &precision));
  predictor_member *member = &self->members[self->member_count];
  member->config = config->model;
  const bool detects = fm_arch_detects(member->config.arch);
  if (options->classifiers && detects)
    return fm_fail(FM_ERR_ARGUMENT, "%s is a detector: a face classifier is expected", path);
  if (!options->classifiers && self->member_count == 0 && !detects)
    return fm_fail(FM_ERR_ARGUMENT,
                   "%s is a face classifier: --weights of a detector have to come before it", path);
  member->best_size = predictor_best_size(&member->config);
  // A face that one view is sure of and another is not is settled when they are fused.
  const bool fuses = options->weights_count > 1 || config->model.views.count > 1;
  if (options->score >= 0 && (!fuses || member->config.box_score_thresh > options->score))
    member->config.box_score_thresh = options->score;
  if (options->nms >= 0)
    member->config.box_nms_thresh = options->nms;
  const fm_detector_options detector = {
      .config = &member->config, .class_count = count, .precision = precision, .blank = true};
  FM_TRY(fm_detector_new(&member->detector, &detector));
  predictor_add_views(self, &member->config);
  self->refines = self->refines || !detects;
  ++self->member_count; // from here on fm_predictor_free frees the detector
  FM_TRY(predictor_load_weights(member->detector, path));
  return precision == FM_S8 ? fm_weight_ranges_load(member->detector, path) : FM_OK;
}

static fm_status predictor_open_member(fm_predictor *self, const fm_predictor_options *options) {
  fm_weights_info info = {0};
  FM_TRY(fm_weights_info_read(&info, options->weights[self->member_count]));
  fm_config *config = malloc(sizeof *config);
  const fm_status status = config ? predictor_add_member(self, options, &info, config)
                                  : fm_fail(FM_ERR_MEMORY, "out of memory");
  free(config);
  fm_weights_info_release(&info);
  return status;
}

fm_status fm_predictor_open(fm_predictor **out, const fm_predictor_options *options) {
  *out = NULL;
  if (options->weights_count < 1 || options->weights_count > FM_PREDICTOR_MEMBERS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "%d weights files: must be 1 to %d", options->weights_count,
                   FM_PREDICTOR_MEMBERS_MAX);
  fm_predictor *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  pthread_mutex_init(&self->mutex, NULL);
  self->agnostic = options->agnostic;
  self->score = options->score;
  fm_status status = FM_OK;
  for (int i = 0; status >= 0 && i < options->weights_count; ++i)
    status = predictor_open_member(self, options);
  if (status < 0) {
    fm_predictor_free(self);
    return status;
  }
  *out = self;
  return FM_OK;
}

int fm_predictor_inputs(const fm_predictor *predictor) {
  return predictor->view_count;
}

float fm_predictor_beyond(const fm_predictor *predictor) {
  return fm_model_config_beyond(&predictor->members[0].config);
}

const fm_classes *fm_predictor_classes(const fm_predictor *predictor) {
  return &predictor->classes;
}

bool fm_predictor_names_known(const fm_predictor *predictor) {
  return predictor->names_known;
}

// --- running

void fm_predictor_inputs_release(const fm_predictor *predictor, fm_input *inputs) {
  for (int i = 0; i < fm_predictor_inputs(predictor); ++i)
    fm_input_release(&inputs[i]);
}

// `source`, seen in a mirror.
static fm_status predictor_mirror(const fm_input *source, fm_input *out) {
  const size_t width = (size_t)source->width, rows = 3 * (size_t)source->height;
  *out = (fm_input){.width = source->width,
                    .height = source->height,
                    .source_width = source->source_width,
                    .source_height = source->source_height,
                    .pixels = malloc(rows * width * sizeof *out->pixels)};
  FM_CHECK_ALLOC(out->pixels);
  for (size_t y = 0; y < rows; ++y)
    for (size_t x = 0; x < width; ++x)
      out->pixels[y * width + x] = source->pixels[y * width + width - 1 - x];
  return FM_OK;
}

// Only the sizes of the configuration matter here. The sides stay within what a picture may have.
static fm_status predictor_resize(const predictor_member *member, float scale,
                                  const fm_image *image, fm_input *out) {
  fm_model_config config = member->config;
  config.min_size = (int)((float)config.min_size * scale);
  config.max_size = (int)((float)config.max_size * scale);
  return fm_input_make(out, &config, image, NULL, NULL, 0);
}

// `first`: what the member's first view found, NULL for that view itself.
static fm_status predictor_focus(const fm_predictor *self, const predictor_view *view,
                                 const fm_image *image, const fm_detections *first, fm_focus *focus,
                                 fm_input *out) {
  const fm_model_config *config = &self->members[view->member].config;
  const float low = fminf((float)image->width, (float)image->height);
  const float high = fmaxf((float)image->width, (float)image->height);
  const float one = fminf((float)config->min_size / low, (float)config->max_size / high);
  const fm_focus_options options = {.width = image->width,
                                    .height = image->height,
                                    .scale = one * view->scale,
                                    .ceiling = one * view->largest,
                                    .most = (float)config->focus,
                                    .longest = (int)ceilf((float)config->max_size * view->scale)};
  *focus = fm_focus_choose(&options, first);
  return fm_focus_input(out, focus, config, image, view->mirrored);
}

// The view `at` of a picture. Two of a member that differ in being mirrored share the resizing.
static fm_status predictor_prepare_view(const fm_predictor *self, int at, const fm_image *image,
                                        fm_input *inputs) {
  const predictor_view *view = &self->views[at];
  if (view->focused)
    return FM_OK;
  if (view->leads) {
    fm_focus all;
    return predictor_focus(self, view, image, NULL, &all, &inputs[at]);
  }
  for (int i = 0; i < at; ++i) {
    const predictor_view *other = &self->views[i];
    if (other->member == view->member && other->scale == view->scale &&
        other->mirrored != view->mirrored)
      return predictor_mirror(&inputs[i], &inputs[at]);
  }
  if (!view->mirrored)
    return predictor_resize(&self->members[view->member], view->scale, image, &inputs[at]);
  fm_input plain;
  FM_TRY(predictor_resize(&self->members[view->member], view->scale, image, &plain));
  const fm_status status = predictor_mirror(&plain, &inputs[at]);
  fm_input_release(&plain);
  return status;
}

fm_status fm_predictor_prepare(const fm_predictor *predictor, const fm_image *image,
                               fm_input *inputs) {
  memset(inputs, 0, (size_t)predictor->view_count * sizeof *inputs);
  fm_status status = FM_OK;
  for (int i = 0; status >= 0 && i < predictor->view_count; ++i)
    status = predictor_prepare_view(predictor, i, image, inputs);
  if (status < 0)
    fm_predictor_inputs_release(predictor, inputs);
  return status;
}

static fm_status predictor_context_new(const fm_predictor *self, predictor_context **out) {
  predictor_context *context =
      calloc(1, sizeof *context + (size_t)self->member_count * sizeof *context->detectors);
  FM_CHECK_ALLOC(context);
  for (int i = 0; i < self->member_count; ++i) {
    const predictor_member *member = &self->members[i];
    const fm_status status = fm_detector_share(&context->detectors[i], member->detector);
    if (status < 0) {
      predictor_context_free(self, context);
      return status;
    }
    fm_detector_set_thresholds(context->detectors[i], member->config.box_score_thresh,
                               member->config.box_nms_thresh, self->agnostic);
  }
  *out = context;
  return FM_OK;
}

static fm_status predictor_take(fm_predictor *self, predictor_context **out) {
  fm_status status = FM_OK;
  pthread_mutex_lock(&self->mutex);
  *out = self->idle;
  if (*out)
    self->idle = (*out)->next;
  else
    status = predictor_context_new(self, out);
  pthread_mutex_unlock(&self->mutex);
  return status;
}

static void predictor_give_back(fm_predictor *self, predictor_context *context) {
  pthread_mutex_lock(&self->mutex);
  context->next = self->idle;
  self->idle = context;
  pthread_mutex_unlock(&self->mutex);
}

static void predictor_mirror_boxes(fm_detections *list, float width) {
  for (size_t i = 0; i < list->count; ++i) {
    fm_box *box = &list->items[i].box;
    *box = fm_box_mirror(*box, width);
  }
}

// From edges to the pixels that the data names; a box of less than a pixel keeps its sides in
// order.
static void predictor_name_pixels(fm_detections *list) {
  for (size_t i = 0; i < list->count; ++i) {
    fm_box *box = &list->items[i].box;
    box->x1 = fminf(box->x1 + FM_INCLUSIVE_BEYOND, box->x2);
    box->y1 = fminf(box->y1 + FM_INCLUSIVE_BEYOND, box->y2);
  }
}

// `width`: of what is mirrored, in the picture's pixels.
static fm_status predictor_run_input(const fm_predictor *self, const predictor_context *context,
                                     const predictor_view *view, const fm_input *input, int width,
                                     fm_detections *out) {
  FM_TRY(fm_detector_detect(context->detectors[view->member], input, 1, out));
  if (view->mirrored)
    predictor_mirror_boxes(out, (float)width);
  if (self->members[view->member].config.inclusive_boxes)
    predictor_name_pixels(out);
  return FM_OK;
}

// All views of a picture as they are run.
typedef struct predictor_looks {
  const fm_predictor *predictor;
  const predictor_context *context;
  const fm_image *image;
  const fm_input *inputs; // of the views that see all of it
  fm_detections lists[FM_PREDICTOR_MEMBERS_MAX * FM_VIEWS_MAX];
  float sizes[FM_PREDICTOR_MEMBERS_MAX * FM_VIEWS_MAX]; // fm_fuse_options
  fm_box seen[FM_PREDICTOR_MEMBERS_MAX * FM_VIEWS_MAX];
} predictor_looks;

// From the part of the picture that a view saw to the picture, where boxes may end beyond it.
static void predictor_move(fm_detections *list, fm_box seen, const fm_image *image) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; ++i) {
    fm_detection d = list->items[i];
    d.box = (fm_box){fmaxf(d.box.x1 + seen.x1, 0), d.box.y1 + seen.y1,
                     fminf(d.box.x2 + seen.x1, (float)image->width),
                     fminf(d.box.y2 + seen.y1, (float)image->height)};
    if (d.box.x2 > d.box.x1 && d.box.y2 > d.box.y1)
      list->items[kept++] = d;
  }
  list->count = kept;
}

// Runs view `at`, whose input shows the part of the picture from (x, y) on.
static fm_status predictor_look(predictor_looks *self, int at, const fm_input *input, int x,
                                int y) {
  const predictor_view *view = &self->predictor->views[at];
  const double pixels = (double)input->width / input->source_width;
  self->sizes[at] = (float)(pixels / self->predictor->members[view->member].best_size);
  self->seen[at] = (fm_box){(float)x, (float)y, (float)(x + input->source_width),
                            (float)(y + input->source_height)};
  const int inside = self->image->width - x;
  FM_TRY(predictor_run_input(self->predictor, self->context, view, input,
                             input->source_width < inside ? input->source_width : inside,
                             &self->lists[at]));
  if (view->leads || view->focused)
    predictor_move(&self->lists[at], self->seen[at], self->image);
  return FM_OK;
}

// Runs view `at`, which looks where the first one of its member says.
static fm_status predictor_look_again(predictor_looks *self, int at) {
  const predictor_view *view = &self->predictor->views[at];
  fm_focus focus;
  fm_input again;
  FM_TRY(predictor_focus(self->predictor, view, self->image, &self->lists[view->first], &focus,
                         &again));
  const fm_status status = predictor_look(self, at, &again, focus.x, focus.y);
  fm_input_release(&again);
  return status;
}

// Sides stay in order and, of an edge each, a pixel apart.
static void predictor_round(fm_detections *list, bool inclusive) {
  const float least = inclusive ? 0 : 1;
  for (size_t i = 0; i < list->count; ++i) {
    fm_box *box = &list->items[i].box;
    *box = (fm_box){roundf(box->x1), roundf(box->y1), roundf(box->x2), roundf(box->y2)};
    box->x1 = fminf(box->x1, fmaxf(box->x2 - least, 0));
    box->y1 = fminf(box->y1, fmaxf(box->y2 - least, 0));
    box->x2 = fmaxf(box->x2, box->x1 + least);
    box->y2 = fmaxf(box->y2, box->y1 + least);
  }
}

// A single list is fused too when its scores are to tell the overlap.
// What classifiers may still raise is not left out before they have a word on it.
static fm_status predictor_fuse(predictor_looks *looks, fm_detections *out) {
  const fm_predictor *self = looks->predictor;
  const fm_model_config *first = &self->members[0].config;
  const fm_fuse_options fuse = {.threshold = first->box_nms_thresh,
                                .agnostic = self->agnostic,
                                .score = self->refines ? -1 : self->score,
                                .limit = (size_t)first->box_detections_per_img,
                                .sizes = looks->sizes,
                                .seen = looks->seen,
                                .overlap = first->score == FM_SCORE_OVERLAP};
  fm_status status = FM_OK;
  int done = 0;
  for (; status >= 0 && done < self->view_count; ++done)
    status = self->views[done].focused ? predictor_look_again(looks, done)
                                       : predictor_look(looks, done, &looks->inputs[done], 0, 0);
  if (status >= 0)
    status = fm_fuse_detections(&fuse, looks->lists, (size_t)done, out);
  for (int i = 0; i < done; ++i)
    fm_detections_release(&looks->lists[i]);
  return status;
}

// The classifiers' words on what was found.
static fm_status predictor_refine(const fm_predictor *self, const predictor_context *context,
                                  const fm_image *image, fm_detections *out) {
  const fm_model_config *first = &self->members[0].config;
  fm_detector *classifiers[FM_PREDICTOR_MEMBERS_MAX];
  int count = 0;
  for (int i = 0; i < self->member_count; ++i)
    if (!fm_arch_detects(self->members[i].config.arch))
      classifiers[count++] = context->detectors[i];
  if (count == 0)
    return FM_OK;
  const fm_refine_options options = {
      .classifiers = classifiers,
      .classifier_count = count,
      .class_count = self->classes.count,
      .size_context = fm_detector_config(classifiers[0])->size_context,
      .score = fmaxf(self->score, 0),
      .limit = (size_t)first->box_detections_per_img,
  };
  return fm_refine_detections(&options, image, out);
}

static fm_status predictor_run(predictor_looks *looks, fm_detections *out) {
  const fm_predictor *self = looks->predictor;
  const fm_model_config *first = &self->members[0].config;
  if (self->view_count == 1 && first->score == FM_SCORE_CLASS)
    FM_TRY(predictor_run_input(self, looks->context, &self->views[0], &looks->inputs[0],
                               looks->inputs[0].source_width, out));
  else
    FM_TRY(predictor_fuse(looks, out));
  const fm_status status = predictor_refine(self, looks->context, looks->image, out);
  if (status < 0)
    fm_detections_release(out);
  FM_TRY(status);
  if (first->whole_pixels)
    predictor_round(out, first->inclusive_boxes);
  return FM_OK;
}

fm_status fm_predictor_detect(fm_predictor *predictor, const fm_image *image,
                              const fm_input *inputs, fm_detections *out) {
  *out = (fm_detections){0};
  predictor_context *context;
  FM_TRY(predictor_take(predictor, &context));
  predictor_looks looks = {
      .predictor = predictor, .context = context, .image = image, .inputs = inputs};
  const fm_status status = predictor_run(&looks, out);
  predictor_give_back(predictor, context);
  return status;
}

fm_status fm_predictor_refine(fm_predictor *predictor, const fm_image *image, fm_detections *list) {
  predictor_context *context;
  FM_TRY(predictor_take(predictor, &context));
  const fm_status status = predictor_refine(predictor, context, image, list);
  predictor_give_back(predictor, context);
  return status;
}
