// Facemask: find faces and say whether each wears a mask. Link with -lfacemask (pkg-config
// facemask).
#ifndef FACEMASK_H
#define FACEMASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __GNUC__
#define FACEMASK_API __attribute__((visibility("default")))
#else
#define FACEMASK_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

// A loaded model. Several threads may call facemask_detect on the same model at once.
typedef struct facemask_model facemask_model;

typedef struct facemask_face {
  float x1, y1, x2, y2; // pixel edges in the picture given
  float score;          // 0 to 1
  int label;            // 1 to facemask_class_count
} facemask_face;

// 8-bit RGB pixels in the caller's memory.
typedef struct facemask_picture {
  const uint8_t *rgb;
  int width, height;
  size_t stride; // bytes from row to row; 0: 3 * width
} facemask_picture;

typedef enum facemask_precision {
  FACEMASK_AUTO, // int8 where the weights and the processor have what it needs, else the faster of
                 // fp32 and bf16
  FACEMASK_FP32,
  FACEMASK_BF16,
  FACEMASK_INT8, // for weights that `facemask export --calibrate` wrote
} facemask_precision;

typedef struct facemask_options {
  int threads;           // of one call of facemask_detect; 0: all processors this process may use
  float score_threshold; // 0: 0.5
  float nms_threshold;   // 0: 0.5
  facemask_precision precision;
} facemask_options;

// Opens a weights file written by facemask. options may be NULL. 0, or negative:
// facemask_error_message tells why.
FACEMASK_API int facemask_open(facemask_model **model, const char *weights_path,
                               const facemask_options *options);
// The same for several files: detectors, whose findings are fused, and behind them classifiers of
// the faces they find.
FACEMASK_API int facemask_open_files(facemask_model **model, const char *const *weights_paths,
                                     size_t count, const facemask_options *options);
// No call of facemask_detect on it may be under way. NULL is fine.
FACEMASK_API void facemask_close(facemask_model *model);
FACEMASK_API int facemask_class_count(const facemask_model *model);
// NULL when there is no such label.
FACEMASK_API const char *facemask_class_name(const facemask_model *model, int label);

// Finds the faces of a picture. *faces has *count entries by falling score; facemask_free_faces it.
// 0, or negative as above: then *faces is NULL.
FACEMASK_API int facemask_detect(facemask_model *model, const facemask_picture *picture,
                                 facemask_face **faces, size_t *count);
FACEMASK_API void facemask_free_faces(facemask_face *faces);

// The last failure of this thread in words.
FACEMASK_API const char *facemask_error_message(void);
FACEMASK_API const char *facemask_version(void);

#ifdef __cplusplus
}
#endif
#endif
