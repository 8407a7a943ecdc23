// torchvision's GeneralizedRCNN: resize and batch, trunk plan (picture -> pyramid, RPN outputs),
// proposals, head plan (RoIs -> scores, boxes), losses or detections. Knows no files but weights;
// one thread at a time per detector (fm_detector_share for more).
#ifndef FM_DETECT_DETECTOR_H
#define FM_DETECT_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/random.h"
#include "base/status.h"
#include "detect/config.h"
#include "image/image.h"
#include "nn/params.h"
#include "nn/ranges.h"
#include "nn/tensor.h"

typedef struct fm_detector fm_detector;

typedef struct fm_detector_options {
  const fm_model_config *config;
  int class_count;    // without background
  fm_dtype precision; // of activations; FM_S8: whole numbers, after fm_detector_calibrate
  bool training;      // keep gradients; otherwise only detection is possible
  // Training: pictures of a batch in the network at once; 0: all of up to 4, of larger batches 2.
  // Losses and gradients are the whole batch's all the same; with batch norm it is always all.
  int together;
  uint64_t seed; // of the start weights
  bool blank;    // zeros instead, for who loads a whole weights file next
} fm_detector_options;

FM_MUST_USE fm_status fm_detector_new(fm_detector **out, const fm_detector_options *options);
// A second detector over the same parameters with its own plans and memory, for another thread
// (detection only).
FM_MUST_USE fm_status fm_detector_share(fm_detector **out, const fm_detector *detector);
void fm_detector_free(fm_detector *detector);
fm_params *fm_detector_params(fm_detector *detector);
const fm_model_config *fm_detector_config(const fm_detector *detector);
// Of a detector, without the background; a face classifier may have it as one of its classes.
int fm_detector_class_count(const fm_detector *detector);
// The ranges of the trunk's values (part 0) and of each head's (from 1), NULL behind the last;
// lent, and the same in every detector that shares the parameters.
fm_ranges *fm_detector_ranges(const fm_detector *detector, int part);
// Thresholds may change between calls: box_score_thresh, box_nms_thresh, box_detections_per_img,
// class-agnostic NMS.
void fm_detector_set_thresholds(fm_detector *detector, float score, float nms, bool agnostic);

// A picture ready for the network: resized as GeneralizedRCNNTransform would (min_size, max_size,
// bilinear, half-pixel centres) and normalised; planar fp32 (3, height, width). Boxes scaled
// likewise.
typedef struct fm_input {
  int source_width, source_height;
  int width, height;
  float *pixels;
  fm_box *boxes;   // truth for training; box_count may be 0
  int32_t *labels; // 1-based
  size_t box_count;
} fm_input;
// Pure function of its arguments, by as many threads as OpenMP gives the caller: one in loader
// threads. boxes are in pixels of `image`.
FM_MUST_USE fm_status fm_input_make(fm_input *out, const fm_model_config *config,
                                    const fm_image *image, const fm_box *boxes,
                                    const int32_t *labels, size_t box_count);
// The same without boxes, `width` x `height` large whatever the configuration says.
FM_MUST_USE fm_status fm_input_make_sized(fm_input *out, const fm_model_config *config,
                                          const fm_image *image, int width, int height);
void fm_input_release(fm_input *input);

typedef struct fm_losses {
  double loss, classifier, box_reg, objectness, rpn_box_reg;
} fm_losses;

// One training step without the update: forward, losses, backward; WRITES the parameters'
// gradients.
FM_MUST_USE fm_status fm_detector_train(fm_detector *detector, const fm_input *inputs, size_t count,
                                        fm_random *random, fm_losses *out);
// The same losses without backward and without touching running statistics (running ones are used).
FM_MUST_USE fm_status fm_detector_validate(fm_detector *detector, const fm_input *inputs,
                                           size_t count, fm_random *random, fm_losses *out);

typedef struct fm_detections {
  fm_detection *items; // by falling score
  size_t count;
} fm_detections;
// out[i] for picture i, boxes in pixels of the source picture; release each. A face classifier
// detects nothing by itself: out[i] has all classes of each of the input's boxes, with their
// probabilities.
FM_MUST_USE fm_status fm_detector_detect(fm_detector *detector, const fm_input *inputs,
                                         size_t count, fm_detections *out);
void fm_detections_release(fm_detections *detections);
// By falling score; between equals the smaller label, then the box further left and up.
void fm_detections_sort(fm_detections *detections);
// Of a face classifier: a face of `input` cut out as it sees it, (model.crops, 3, size, size),
// which are fm_detector_cut_floats numbers.
void fm_detector_cut_face(const fm_detector *detector, const fm_input *input, fm_box face,
                          float *pixels);
size_t fm_detector_cut_floats(const fm_detector *detector);
// The probabilities (count, classes) of faces that were cut out so, one behind the other: the means
// over model.crops. FM_FACES_AT_ONCE of two cut-outs each are as many as the network takes at once.
enum { FM_FACES_AT_ONCE = 16 };
FM_MUST_USE fm_status fm_detector_classify(fm_detector *detector, float *pixels, size_t count,
                                           float *probabilities);
// Detects in fp32 and widens the ranges to the values met on the way, picture after picture. While
// it runs no sharing detector may.
FM_MUST_USE fm_status fm_detector_calibrate(fm_detector *detector, const fm_input *inputs,
                                            size_t count);

#endif
