// What lies around the network, in ONNX's operators: normalisation, proposals (torchvision's
// RegionProposalNetwork. filter_proposals), the levels of RoIs (its LevelMapper), detections
// (RoIHeads.postprocess_detections), and what src/detect adds to them: the stages of a cascade,
// votes of overlapping boxes. Anchors are constants, so the size of the picture is fixed.
#include "detect/onnx_detector.h"

#include <math.h>
#include <stdlib.h>

#include "detect/anchor.h"
#include "detect/box.h"
#include "detect/model/model.h"
#include "detect/onnx_network.h"
#include "detect/roi_heads.h"

enum { DETECTOR_CANONICAL_LEVEL = 4, DETECTOR_CANONICAL_SIDE = 224 };
// Smaller boxes are dropped, of proposals and of detections.
#define DETECTOR_PROPOSAL_SIDE 1e-3f
#define DETECTOR_BOX_SIDE 1e-2f

typedef struct detector_exporter {
  fm_onnx *onnx;
  const fm_onnx_detector *detector;
  const fm_model_config *config;
  fm_model model;
  fm_anchors anchors;
} detector_exporter;

#define INTEGER(key, value) \
  { .name = (key), .kind = FM_ONNX_INTEGER, .number = (value) }

// --- short forms

static fm_onnx_value detector_axis(fm_onnx *onnx, const char *op, fm_onnx_value a, fm_onnx_value b,
                                   int axis) {
  return fm_onnx_add(
      onnx, &(fm_onnx_node){.op = op, .inputs = {a, b}, .attributes = {INTEGER("axis", axis)}});
}

static fm_onnx_value detector_reshape(fm_onnx *onnx, fm_onnx_value x, const int64_t *dims,
                                      int count) {
  return fm_onnx_op2(onnx, "Reshape", x, fm_onnx_list(onnx, dims, count));
}

static fm_onnx_value detector_transpose(fm_onnx *onnx, fm_onnx_value x, int rank,
                                        const int64_t *order) {
  fm_onnx_node node = {
      .op = "Transpose",
      .inputs = {x},
      .attributes = {{.name = "perm", .kind = FM_ONNX_INTEGERS, .count = (size_t)rank}}};
  for (int i = 0; i < rank; i++)
    node.attributes[0].numbers[i] = order[i];
  return fm_onnx_add(onnx, &node);
}

// x[..., from:to] of the axis.
static fm_onnx_value detector_slice(fm_onnx *onnx, fm_onnx_value x, int64_t axis, int64_t from,
                                    int64_t to) {
  return fm_onnx_add(
      onnx, &(fm_onnx_node){.op = "Slice",
                            .inputs = {x, fm_onnx_index(onnx, from), fm_onnx_index(onnx, to),
                                       fm_onnx_index(onnx, axis)}});
}

static fm_onnx_value detector_squeeze(fm_onnx *onnx, fm_onnx_value x, int64_t axis) {
  return fm_onnx_op2(onnx, "Squeeze", x, fm_onnx_index(onnx, axis));
}

// The best `limit` of the scores (n), or as many as there are: their indices.
static fm_onnx_value detector_best(fm_onnx *onnx, fm_onnx_value scores, int64_t limit) {
  const fm_onnx_value count =
      fm_onnx_op2(onnx, "Min", fm_onnx_op1(onnx, "Shape", scores), fm_onnx_index(onnx, limit));
  const fm_onnx_value values = fm_onnx_add(
      onnx, &(fm_onnx_node){.op = "TopK", .inputs = {scores, count}, .output_count = 2});
  return (fm_onnx_value){values.id ? values.id + 1 : 0};
}

// --- boxes

typedef struct detector_sides {
  fm_onnx_value x1, y1, x2, y2; // (...,1) each
} detector_sides;

static detector_sides detector_split(fm_onnx *onnx, fm_onnx_value boxes, int axis) {
  const fm_onnx_value first =
      fm_onnx_add(onnx, &(fm_onnx_node){.op = "Split",
                                        .inputs = {boxes},
                                        .attributes = {INTEGER("axis", axis)},
                                        .output_count = 4});
  const int id = first.id;
  return id ? (detector_sides){{id}, {id + 1}, {id + 2}, {id + 3}}
            : (detector_sides){{0}, {0}, {0}, {0}};
}

static fm_onnx_value detector_area(fm_onnx *onnx, detector_sides s) {
  return fm_onnx_op2(onnx, "Mul", fm_onnx_op2(onnx, "Sub", s.x2, s.x1),
                     fm_onnx_op2(onnx, "Sub", s.y2, s.y1));
}

// One axis of fm_box_decode: the two ends of the new side.
static void detector_decode_axis(fm_onnx *onnx, fm_onnx_value ends[2], fm_onnx_value shift,
                                 fm_onnx_value growth, const float weights[2]) {
  const fm_onnx_value half = fm_onnx_float(onnx, 0.5f);
  const fm_onnx_value side = fm_onnx_op2(onnx, "Sub", ends[1], ends[0]);
  const fm_onnx_value centre =
      fm_onnx_op2(onnx, "Add", ends[0], fm_onnx_op2(onnx, "Mul", side, half));
  if (weights[0] != 1)
    shift = fm_onnx_op2(onnx, "Div", shift, fm_onnx_float(onnx, weights[0]));
  if (weights[1] != 1)
    growth = fm_onnx_op2(onnx, "Div", growth, fm_onnx_float(onnx, weights[1]));
  growth = fm_onnx_op2(onnx, "Min", growth, fm_onnx_float(onnx, FM_BOX_CODER_CLIP));
  const fm_onnx_value moved =
      fm_onnx_op2(onnx, "Add", fm_onnx_op2(onnx, "Mul", shift, side), centre);
  const fm_onnx_value grown = fm_onnx_op2(onnx, "Mul", fm_onnx_op1(onnx, "Exp", growth), side);
  const fm_onnx_value reach = fm_onnx_op2(onnx, "Mul", grown, half);
  ends[0] = fm_onnx_op2(onnx, "Sub", moved, reach);
  ends[1] = fm_onnx_op2(onnx, "Add", moved, reach);
}

static fm_onnx_value detector_clip(fm_onnx *onnx, fm_onnx_value x, int limit) {
  return fm_onnx_op3(onnx, "Clip", x, fm_onnx_float(onnx, 0), fm_onnx_float(onnx, (float)limit));
}

// Boxes (...,4) from references and deltas of that shape, or one that spreads to it; cut to the
// picture.
static fm_onnx_value detector_decode(const detector_exporter *self, fm_onnx_value references,
                                     fm_onnx_value deltas, const fm_box_coder *coder, int axis) {
  fm_onnx *onnx = self->onnx;
  const detector_sides from = detector_split(onnx, references, axis);
  const detector_sides delta = detector_split(onnx, deltas, axis);
  fm_onnx_value x[2] = {from.x1, from.x2}, y[2] = {from.y1, from.y2};
  detector_decode_axis(onnx, x, delta.x1, delta.x2,
                       (const float[]){coder->weights[0], coder->weights[2]});
  detector_decode_axis(onnx, y, delta.y1, delta.y2,
                       (const float[]){coder->weights[1], coder->weights[3]});
  return fm_onnx_add(onnx,
                     &(fm_onnx_node){.op = "Concat",
                                     .inputs = {detector_clip(onnx, x[0], self->detector->width),
                                                detector_clip(onnx, y[0], self->detector->height),
                                                detector_clip(onnx, x[1], self->detector->width),
                                                detector_clip(onnx, y[1], self->detector->height)},
                                     .attributes = {INTEGER("axis", axis)}});
}

// Where the side of a box reaches `least` in both directions: (...,1), of (...,4).
static fm_onnx_value detector_is_large(fm_onnx *onnx, fm_onnx_value boxes, float least) {
  const detector_sides s = detector_split(onnx, boxes, -1);
  const fm_onnx_value side = fm_onnx_float(onnx, least);
  const fm_onnx_value wide =
      fm_onnx_op2(onnx, "GreaterOrEqual", fm_onnx_op2(onnx, "Sub", s.x2, s.x1), side);
  const fm_onnx_value high =
      fm_onnx_op2(onnx, "GreaterOrEqual", fm_onnx_op2(onnx, "Sub", s.y2, s.y1), side);
  return fm_onnx_op2(onnx, "And", wide, high);
}

// The scores, with -1 where the box is too small or the score under `threshold`; NonMaxSuppression
// leaves those out.
static fm_onnx_value detector_mark_small(const detector_exporter *self, fm_onnx_value boxes,
                                         fm_onnx_value scores, float side, float threshold) {
  fm_onnx *onnx = self->onnx;
  fm_onnx_value fits = detector_squeeze(onnx, detector_is_large(onnx, boxes, side), -1);
  if (threshold > 0)
    fits = fm_onnx_op2(onnx, "And", fits,
                       fm_onnx_op2(onnx, "GreaterOrEqual", scores, fm_onnx_float(onnx, threshold)));
  return fm_onnx_op3(onnx, "Where", fits, scores, fm_onnx_float(onnx, -1));
}

// boxes (b,n,4), scores (b,n) -> what is kept, (m,3): b, 0, n.
static fm_onnx_value detector_suppress(fm_onnx *onnx, fm_onnx_value boxes, fm_onnx_value scores,
                                       int64_t limit, float iou, float threshold) {
  const fm_onnx_value per_class = fm_onnx_op2(onnx, "Unsqueeze", scores, fm_onnx_index(onnx, 1));
  return fm_onnx_add(
      onnx, &(fm_onnx_node){.op = "NonMaxSuppression",
                            .inputs = {boxes, per_class, fm_onnx_index(onnx, limit),
                                       fm_onnx_float(onnx, iou), fm_onnx_float(onnx, threshold)}});
}

// --- proposals

static fm_onnx_value detector_anchors(const detector_exporter *self, int level) {
  const fm_anchor_level *l = &self->anchors.levels[level];
  float *boxes = malloc((l->count + 1) * 4 * sizeof *boxes);
  if (!boxes)
    return (fm_onnx_value){0};
  for (size_t i = 0; i < l->count; i++) {
    const fm_box box = fm_anchors_box(&self->anchors, l->first + i);
    const float sides[4] = {box.x1, box.y1, box.x2, box.y2};
    for (int side = 0; side < 4; side++)
      boxes[4 * i + (size_t)side] = sides[side];
  }
  const fm_onnx_value value =
      fm_onnx_floats(self->onnx, NULL, boxes, (fm_onnx_shape){2, {(int64_t)l->count, 4}});
  free(boxes);
  return value;
}

typedef struct detector_scored {
  fm_onnx_value boxes, scores; // (n,4), (n)
} detector_scored;

static detector_scored detector_propose_level(const detector_exporter *self, int level,
                                              fm_onnx_value objectness, fm_onnx_value deltas) {
  fm_onnx *onnx = self->onnx;
  const fm_model_config *config = self->config;
  const fm_anchor_level *l = &self->anchors.levels[level];
  static const fm_box_coder coder = {{1, 1, 1, 1}};
  // Both in the order of the anchors: places, and the anchors of a place.
  fm_onnx_value logits = detector_transpose(onnx, objectness, 4, (const int64_t[]){0, 2, 3, 1});
  logits = detector_reshape(onnx, logits, (const int64_t[]){-1}, 1);
  deltas =
      detector_reshape(onnx, deltas, (const int64_t[]){l->per_place, 4, l->height, l->width}, 4);
  deltas = detector_transpose(onnx, deltas, 4, (const int64_t[]){2, 3, 0, 1});
  deltas = detector_reshape(onnx, deltas, (const int64_t[]){-1, 4}, 2);
  const fm_onnx_value best = detector_best(onnx, logits, config->rpn_pre_nms_top_n_test);
  const fm_onnx_value anchors = fm_onnx_op2(onnx, "Gather", detector_anchors(self, level), best);
  const fm_onnx_value boxes =
      detector_decode(self, anchors, fm_onnx_op2(onnx, "Gather", deltas, best), &coder, -1);
  fm_onnx_value scores = fm_onnx_op1(onnx, "Sigmoid", fm_onnx_op2(onnx, "Gather", logits, best));
  scores = detector_mark_small(self, boxes, scores, DETECTOR_PROPOSAL_SIDE,
                               fm_model_config_rpn_score_thresh(config));
  const fm_onnx_value first = fm_onnx_index(onnx, 0);
  const fm_onnx_value kept =
      detector_suppress(onnx, fm_onnx_op2(onnx, "Unsqueeze", boxes, first),
                        fm_onnx_op2(onnx, "Unsqueeze", scores, first),
                        config->rpn_post_nms_top_n_test, config->rpn_nms_thresh, 0);
  const fm_onnx_value rows = detector_squeeze(onnx, detector_slice(onnx, kept, 1, 2, 3), 1);
  return (detector_scored){fm_onnx_op2(onnx, "Gather", boxes, rows),
                           fm_onnx_op2(onnx, "Gather", scores, rows)};
}

// All levels' proposals, the best of them (r,4).
static fm_onnx_value detector_propose(const detector_exporter *self, const fm_onnx_value *outputs) {
  fm_onnx *onnx = self->onnx;
  fm_onnx_node boxes = {.op = "Concat", .attributes = {INTEGER("axis", 0)}}, scores = boxes;
  for (int level = 0; level < self->model.rpn_level_count; level++) {
    const detector_scored found =
        detector_propose_level(self, level, outputs[fm_model_objectness(&self->model, level)],
                               outputs[fm_model_deltas(&self->model, level)]);
    boxes.inputs[level] = found.boxes;
    scores.inputs[level] = found.scores;
  }
  const fm_onnx_value best =
      detector_best(onnx, fm_onnx_add(onnx, &scores), self->config->rpn_post_nms_top_n_test);
  return fm_onnx_op2(onnx, "Gather", fm_onnx_add(onnx, &boxes), best);
}

// Deals out the proposals to the levels by their size; torchvision's LevelMapper. Returns the
// rows of the proposals in the order of the levels.
static fm_onnx_value detector_deal_out(const detector_exporter *self, fm_onnx_value proposals,
                                       fm_onnx_value *levels) {
  fm_onnx *onnx = self->onnx;
  fm_onnx_node order = {.op = "Concat", .attributes = {INTEGER("axis", 0)}};
  const int count = self->model.roi_level_count;
  const int lowest = fm_model_stride_log2(&self->model, 0);
  const int highest = fm_model_stride_log2(&self->model, count - 1);
  const detector_sides s = detector_split(onnx, proposals, 1);
  const fm_onnx_value area = detector_area(onnx, s);
  const fm_onnx_value side = fm_onnx_op2(onnx, "Div", fm_onnx_op1(onnx, "Sqrt", area),
                                         fm_onnx_float(onnx, DETECTOR_CANONICAL_SIDE));
  fm_onnx_value level =
      fm_onnx_op2(onnx, "Div", fm_onnx_op1(onnx, "Log", side), fm_onnx_float(onnx, (float)M_LN2));
  level = fm_onnx_op2(onnx, "Add", level, fm_onnx_float(onnx, DETECTOR_CANONICAL_LEVEL + 1e-6f));
  level = fm_onnx_op3(onnx, "Clip", fm_onnx_op1(onnx, "Floor", level),
                      fm_onnx_float(onnx, (float)lowest), fm_onnx_float(onnx, (float)highest));
  level = detector_squeeze(onnx, level, 1);
  for (int i = 0; i < count; i++) {
    const fm_onnx_value here =
        fm_onnx_op2(onnx, "Equal", level, fm_onnx_float(onnx, (float)(lowest + i)));
    const fm_onnx_value rows = detector_squeeze(onnx, fm_onnx_op1(onnx, "NonZero", here), 0);
    levels[i] = fm_onnx_op2(onnx, "Gather", proposals, rows);
    order.inputs[i] = rows;
  }
  return fm_onnx_add(onnx, &order);
}

// --- detections

// What one stage gives: the RoIs it saw (r,4), their class scores summed over the stages so far
// (r,c+1), the deltas (r,c+1,4).
typedef struct detector_stage {
  fm_onnx_value rois, logits, scores, deltas;
} detector_stage;

static fm_status detector_run_stage(const detector_exporter *self, int number,
                                    const fm_onnx_value *pyramid, detector_stage *stage) {
  fm_onnx *onnx = self->onnx;
  const fm_model *model = &self->model;
  fm_onnx_value levels[FM_ONNX_LEVELS_MAX] = {{0}}, inputs[FM_MODEL_LEVELS_MAX + 1] = {{0}};
  const fm_onnx_value order = detector_deal_out(self, stage->rois, levels);
  fm_onnx_node dealt = {.op = "Concat", .attributes = {INTEGER("axis", 0)}};
  for (int level = 0; level < model->roi_level_count; level++) {
    inputs[level] = pyramid[level]; // and behind them the RoIs, which `levels` holds
    dealt.inputs[level] = levels[level];
  }
  const fm_onnx_network network = {.onnx = onnx,
                                   .params = self->detector->params,
                                   .strides = model->strides,
                                   .level_rois = levels};
  fm_onnx_value head[2];
  FM_TRY(fm_onnx_network_add(&network, model->heads[number], inputs, model->roi_level_count + 1,
                             head, 2));
  const fm_onnx_value before = stage->scores;
  stage->rois = fm_onnx_add(onnx, &dealt);
  stage->logits = head[FM_MODEL_LOGITS];
  stage->scores = fm_onnx_add(onnx, &(fm_onnx_node){.op = "Softmax",
                                                    .inputs = {stage->logits},
                                                    .attributes = {INTEGER("axis", 1)}});
  if (number > 0)
    stage->scores =
        fm_onnx_op2(onnx, "Add", fm_onnx_op2(onnx, "Gather", before, order), stage->scores);
  stage->deltas = detector_reshape(onnx, head[FM_MODEL_BOXES],
                                   (const int64_t[]){-1, self->detector->class_count + 1, 4}, 3);
  return FM_OK;
}

// fm_roi_heads_refine: each RoI moved by the deltas of its likeliest class.
static fm_onnx_value detector_refine(const detector_exporter *self, int number,
                                     const detector_stage *stage) {
  fm_onnx *onnx = self->onnx;
  const int classes = self->detector->class_count;
  const fm_box_coder coder = fm_roi_coder(number);
  const fm_onnx_value likeliest = fm_onnx_add(
      onnx, &(fm_onnx_node){.op = "ArgMax",
                            .inputs = {detector_slice(onnx, stage->logits, 1, 1, classes + 1)},
                            .attributes = {INTEGER("axis", 1)}});
  const fm_onnx_value deltas = fm_onnx_add(
      onnx,
      &(fm_onnx_node){.op = "GatherND",
                      .inputs = {detector_slice(onnx, stage->deltas, 1, 1, classes + 1), likeliest},
                      .attributes = {INTEGER("batch_dims", 1)}});
  const fm_onnx_value moved = detector_decode(self, stage->rois, deltas, &coder, 1);
  return fm_onnx_op3(onnx, "Where", detector_is_large(onnx, moved, FM_CASCADE_MIN_SIDE), moved,
                     stage->rois);
}

// The rows that fm_roi_heads_refine keeps, of the RoIs and of the scores.
static void detector_drop(const detector_exporter *self, int number, detector_stage *stage) {
  fm_onnx *onnx = self->onnx;
  const float most = (1 - self->config->cascade_score_thresh) * (float)(number + 1);
  const fm_onnx_value background =
      detector_squeeze(onnx, detector_slice(onnx, stage->scores, 1, 0, 1), 1);
  const fm_onnx_value kept = detector_squeeze(
      onnx,
      fm_onnx_op1(onnx, "NonZero",
                  fm_onnx_op2(onnx, "LessOrEqual", background, fm_onnx_float(onnx, most))),
      0);
  stage->rois = fm_onnx_op2(onnx, "Gather", stage->rois, kept);
  stage->scores = fm_onnx_op2(onnx, "Gather", stage->scores, kept);
}

// The kept boxes (m,4), moved to the mean of the boxes (m,r,4) of their class that overlap them
// enough, weighted by their scores (m,r), which count above the threshold.
static fm_onnx_value detector_vote(const detector_exporter *self, fm_onnx_value kept,
                                   fm_onnx_value boxes, fm_onnx_value scores) {
  fm_onnx *onnx = self->onnx;
  const fm_model_config *config = self->config;
  const fm_onnx_value one = fm_onnx_index(onnx, 1), last = fm_onnx_index(onnx, -1);
  const detector_sides a = detector_split(onnx, fm_onnx_op2(onnx, "Unsqueeze", kept, one), 2);
  const detector_sides b = detector_split(onnx, boxes, 2);
  const fm_onnx_value zero = fm_onnx_float(onnx, 0);
  const fm_onnx_value wide =
      fm_onnx_op2(onnx, "Max",
                  fm_onnx_op2(onnx, "Sub", fm_onnx_op2(onnx, "Min", a.x2, b.x2),
                              fm_onnx_op2(onnx, "Max", a.x1, b.x1)),
                  zero);
  const fm_onnx_value high =
      fm_onnx_op2(onnx, "Max",
                  fm_onnx_op2(onnx, "Sub", fm_onnx_op2(onnx, "Min", a.y2, b.y2),
                              fm_onnx_op2(onnx, "Max", a.y1, b.y1)),
                  zero);
  const fm_onnx_value both = fm_onnx_op2(onnx, "Mul", wide, high);
  const fm_onnx_value areas =
      fm_onnx_op2(onnx, "Add", detector_area(onnx, a), detector_area(onnx, b));
  const fm_onnx_value overlap =
      fm_onnx_op2(onnx, "Div", both, fm_onnx_op2(onnx, "Sub", areas, both));
  scores = fm_onnx_op2(onnx, "Unsqueeze", scores, last);
  const fm_onnx_value votes = fm_onnx_op2(
      onnx, "And",
      fm_onnx_op2(onnx, "GreaterOrEqual", overlap, fm_onnx_float(onnx, config->box_vote_thresh)),
      fm_onnx_op2(onnx, "Greater", scores, fm_onnx_float(onnx, config->box_score_thresh)));
  const fm_onnx_value weights = fm_onnx_op3(onnx, "Where", votes, scores, zero); // (m,r,1)
  const fm_onnx_node sum = {.op = "ReduceSum",
                            .inputs = {fm_onnx_op2(onnx, "Mul", boxes, weights), one},
                            .attributes = {INTEGER("keepdims", 0)}};
  const fm_onnx_node total = {
      .op = "ReduceSum", .inputs = {weights, one}, .attributes = {INTEGER("keepdims", 0)}};
  return fm_onnx_op2(onnx, "Div", fm_onnx_add(onnx, &sum), fm_onnx_add(onnx, &total));
}

static void detector_finish(const detector_exporter *self, const detector_stage *stage) {
  fm_onnx *onnx = self->onnx;
  const fm_model_config *config = self->config;
  const int classes = self->detector->class_count;
  const fm_box_coder coder = fm_roi_coder(config->cascade_stages - 1);
  const fm_onnx_value references =
      fm_onnx_op2(onnx, "Unsqueeze", stage->rois, fm_onnx_index(onnx, 1));
  fm_onnx_value boxes = detector_decode(
      self, references, detector_slice(onnx, stage->deltas, 1, 1, classes + 1), &coder, 2);
  boxes = detector_transpose(onnx, boxes, 3, (const int64_t[]){1, 0, 2}); // (c,r,4)
  fm_onnx_value scores = stage->scores;
  if (config->cascade_stages > 1)
    scores = fm_onnx_op2(onnx, "Div", scores, fm_onnx_float(onnx, (float)config->cascade_stages));
  scores = detector_transpose(onnx, detector_slice(onnx, scores, 1, 1, classes + 1), 2,
                              (const int64_t[]){1, 0}); // (c,r)
  scores = detector_mark_small(self, boxes, scores, DETECTOR_BOX_SIDE, 0);
  const fm_onnx_value kept = detector_suppress(onnx, boxes, scores, config->box_detections_per_img,
                                               config->box_nms_thresh, config->box_score_thresh);
  const fm_onnx_value label = detector_slice(onnx, kept, 1, 0, 1);
  const fm_onnx_value place =
      detector_axis(onnx, "Concat", label, detector_slice(onnx, kept, 1, 2, 3), 1);
  const fm_onnx_value kept_scores = fm_onnx_op2(onnx, "GatherND", scores, place);
  const fm_onnx_value best = detector_best(onnx, kept_scores, config->box_detections_per_img);
  const fm_onnx_value best_label =
      fm_onnx_op2(onnx, "Gather", detector_squeeze(onnx, label, 1), best);
  fm_onnx_value found =
      fm_onnx_op2(onnx, "Gather", fm_onnx_op2(onnx, "GatherND", boxes, place), best);
  if (config->box_vote_thresh > 0)
    found = detector_vote(self, found, fm_onnx_op2(onnx, "Gather", boxes, best_label),
                          fm_onnx_op2(onnx, "Gather", scores, best_label));
  const fm_onnx_shape rows = {1, {-1}};
  fm_onnx_output(onnx, "boxes", found, FM_ONNX_F32, (fm_onnx_shape){2, {-1, 4}});
  fm_onnx_output(onnx, "labels", fm_onnx_op2(onnx, "Add", best_label, fm_onnx_index(onnx, 1)),
                 FM_ONNX_I64, rows);
  fm_onnx_output(onnx, "scores", fm_onnx_op2(onnx, "Gather", kept_scores, best), FM_ONNX_F32, rows);
}

// --- the whole

static fm_onnx_value detector_picture(const detector_exporter *self) {
  fm_onnx *onnx = self->onnx;
  const fm_onnx_value image =
      fm_onnx_input(onnx, "image", FM_ONNX_F32,
                    (fm_onnx_shape){4, {1, 3, self->detector->height, self->detector->width}});
  return fm_onnx_normalise(onnx, image, self->config);
}

static fm_status detector_make_anchors(detector_exporter *self) {
  fm_anchor_grid grid = {.level_count = self->model.rpn_level_count,
                         .image_height = self->detector->height,
                         .image_width = self->detector->width};
  for (int level = 0; level < grid.level_count; level++) {
    // Extra levels take every other place of the one before.
    const int stride = self->model.strides[level];
    grid.heights[level] = (self->detector->height + stride - 1) / stride;
    grid.widths[level] = (self->detector->width + stride - 1) / stride;
  }
  return fm_anchors_make(&self->anchors, &self->config->rpn_anchor_sizes,
                         &self->config->rpn_anchor_aspect_ratios, &grid);
}

static fm_status detector_add(detector_exporter *self) {
  const fm_model *model = &self->model;
  FM_TRY(detector_make_anchors(self));
  const fm_onnx_network trunk = {
      .onnx = self->onnx, .params = self->detector->params, .strides = model->strides};
  fm_onnx_value outputs[3 * FM_MODEL_LEVELS_MAX] = {{0}};
  const fm_onnx_value picture = detector_picture(self);
  FM_TRY(fm_onnx_network_add(&trunk, model->trunk, &picture, 1, outputs,
                             model->roi_level_count + 2 * model->rpn_level_count));
  detector_stage stage = {.rois = detector_propose(self, outputs)};
  for (int number = 0; number < model->stage_count; number++) {
    FM_TRY(detector_run_stage(self, number, outputs, &stage));
    if (number + 1 < model->stage_count)
      stage.rois = detector_refine(self, number, &stage);
    if (self->config->cascade_score_thresh > 0)
      detector_drop(self, number, &stage);
  }
  detector_finish(self, &stage);
  return FM_OK;
}

fm_status fm_onnx_detector_add(fm_onnx *onnx, const fm_onnx_detector *detector) {
  detector_exporter self = {.onnx = onnx, .detector = detector, .config = detector->config};
  FM_TRY(fm_model_build(&self.model, detector->params, detector->config, detector->class_count));
  const fm_status status = detector_add(&self);
  fm_anchors_release(&self.anchors);
  fm_model_release(&self.model);
  return status;
}
