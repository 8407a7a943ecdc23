// Classes of detections anew, by a classifier that sees each face alone.
#ifndef FM_PREDICT_REFINE_H
#define FM_PREDICT_REFINE_H

#include "base/status.h"
#include "detect/detector.h"
#include "image/image.h"

// The class that a classifier may know beyond the detector's, as its last: no face that anybody
// would annotate.
#define FM_REFINE_BACKGROUND "background"

typedef struct fm_refine_options {
  // Whose probabilities are averaged, of class_count classes, or of one more for the background.
  fm_detector *const *classifiers;
  int classifier_count;
  int class_count;
  float score;  // what is below afterwards is left out
  size_t limit; // detections kept
} fm_refine_options;

// Detections that overlap a stronger one by FM_REFINE_SAME (IoU) are of its face, the strongest of
// each class. The sum of their scores, 1 at most, says how surely a face is there. It is dealt out
// anew to all classes, in proportion to (detector's share + e)^(1 - a) (p + e)^a: a logarithmic
// opinion pool of the detector and of p, the mean of the classifiers' probabilities, with a =
// FM_REFINE_SHARE, and e = FM_REFINE_FLOOR so that nobody rules a class out alone.
// Where classifiers know the background, that sum s becomes s^(1 - b) (f + e)^b with f the mean of
// their probabilities that there is a face, 1 - e at most, and b = FM_REFINE_FACE.
// What no class of a face has a score of FM_REFINE_LEAST for stays as it is. `list` is replaced; by
// falling score.
#define FM_REFINE_SAME 0.5f
#define FM_REFINE_LEAST 0.03f
#define FM_REFINE_FACE 0.3f
#define FM_REFINE_SHARE 0.4f
#define FM_REFINE_FLOOR 0.01f
FM_MUST_USE fm_status fm_refine_detections(const fm_refine_options *options, const fm_image *image,
                                           fm_detections *list);

#endif
