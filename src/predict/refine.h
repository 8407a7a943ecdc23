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
  fm_detector *const *classifiers; // of class_count classes, or of one more for the background
  int classifier_count;
  int class_count;
  float size_context; // model.size_context
  float score;        // what is below afterwards is left out
  size_t limit;       // detections kept
} fm_refine_options;

// Detections that overlap a stronger one by FM_REFINE_SAME (IoU) are of its face, the strongest of
// each class. The sum of their scores, 1 at most, says how surely a face is there. It is dealt out
// anew to all classes, in proportion to (detector's share + e)^(1 - a) (p + e)^a: a logarithmic
// opinion pool of the detector and of p, the mean of the classifiers' probabilities, with a =
// FM_REFINE_SHARE, and e = FM_REFINE_FLOOR so that nobody rules a class out alone.
// Where classifiers know the background, that sum s becomes s^(1 - b) (f + e)^b with f the mean of
// their probabilities that there is a face, 1 - e at most, and b = FM_REFINE_FACE.
#define FM_REFINE_SAME 0.5f
#define FM_REFINE_FACE 0.3f
#define FM_REFINE_SHARE 0.4f
#define FM_REFINE_FLOOR 0.01f
// Classifiers are asked about what is in doubt. Faces stay as they are where no class has a score
// of FM_REFINE_LEAST, and where the sum is above FM_REFINE_SURE and one class has more than
// FM_REFINE_CLEAR of it. After the first classifier the others are asked, one after another, while
// no class has FM_REFINE_AGREED of what is dealt out, and only of faces of FM_REFINE_WORTH. Nor is
// anybody asked about faces that cannot reach `score` any more.
#define FM_REFINE_LEAST 0.05f
#define FM_REFINE_SURE 0.9f
#define FM_REFINE_CLEAR 0.97f
#define FM_REFINE_AGREED 0.85f
#define FM_REFINE_WORTH 0.1f
// At last, the odds of a face smaller than the picture's others fall by (its size / theirs)^c, with
// c the size_context, size the square root of a box's area, and theirs the geometric mean, each
// counting by how surely the detectors see it. Others that count FM_REFINE_COMPANY together are
// needed.
#define FM_REFINE_COMPANY 0.3f
// `list` is replaced; by falling score.
FM_MUST_USE fm_status fm_refine_detections(const fm_refine_options *options, const fm_image *image,
                                           fm_detections *list);

#endif
