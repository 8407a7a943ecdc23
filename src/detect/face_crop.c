// Cut-outs by bilinear samples.
#include "detect/face_crop.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

enum { CROP_SAMPLES_MAX = 8 };

fm_box fm_face_crop_region(fm_box face, float factor) {
  const float x = (face.x1 + face.x2) / 2, y = (face.y1 + face.y2) / 2;
  const float half = factor * fmaxf(face.x2 - face.x1, face.y2 - face.y1) / 2;
  return (fm_box){x - half, y - half, x + half, y + half};
}

// The samples of one axis: value = weight0 * source[index0] + weight1 * source[index1], where
// weights are 0 for what lies beyond the source.
typedef struct crop_axis {
  int samples; // a pixel of the cut-out
  int index0[FM_CROP_SIZE_MAX * CROP_SAMPLES_MAX], index1[FM_CROP_SIZE_MAX * CROP_SAMPLES_MAX];
  float weight0[FM_CROP_SIZE_MAX * CROP_SAMPLES_MAX], weight1[FM_CROP_SIZE_MAX * CROP_SAMPLES_MAX];
} crop_axis;

static void crop_axis_fill(crop_axis *axis, float low, float high, int size, int source) {
  const float step = (high - low) / (float)size;
  const int samples = (int)ceilf(step);
  axis->samples = samples < 1 ? 1 : samples < CROP_SAMPLES_MAX ? samples : CROP_SAMPLES_MAX;
  for (int i = 0; i < size * axis->samples; i++) {
    const float at = low + ((float)i + 0.5f) * step / (float)axis->samples - 0.5f;
    const bool near = at > -1 && at < (float)source;
    const int index = near ? (int)floorf(at) : 0;
    const float part = at - (float)index;
    const bool first = near && index >= 0, second = near && index + 1 < source;
    axis->index0[i] = first ? index : 0;
    axis->index1[i] = second ? index + 1 : 0;
    axis->weight0[i] = first ? 1 - part : 0;
    axis->weight1[i] = second ? part : 0;
  }
}

// Rows of one channel of the source, each the width of the cut-out. Of two that follow each other
// both are kept, since the next samples down want the same ones.
typedef struct crop_rows {
  const float *plane;
  const crop_axis *across;
  int width, size;
  bool mirrored;
  int held[2]; // indices of the rows, -1: none
  float values[2][FM_CROP_SIZE_MAX];
} crop_rows;

static void crop_row_fill(const crop_rows *rows, const float *source, float *out) {
  const crop_axis *across = rows->across;
  for (int x = 0; x < rows->size; x++) {
    float sum = 0;
    for (int i = x * across->samples; i < (x + 1) * across->samples; i++)
      sum += across->weight0[i] * source[across->index0[i]] +
             across->weight1[i] * source[across->index1[i]];
    out[rows->mirrored ? rows->size - 1 - x : x] = sum;
  }
}

static const float *crop_row(crop_rows *rows, int index) {
  const int place = index % 2;
  if (rows->held[place] != index)
    crop_row_fill(rows, rows->plane + (size_t)index * (size_t)rows->width, rows->values[place]);
  rows->held[place] = index;
  return rows->values[place];
}

static void crop_add_row(crop_rows *rows, int index, float weight, float *restrict out) {
  if (weight == 0)
    return;
  const float *restrict row = crop_row(rows, index);
  for (int x = 0; x < rows->size; x++)
    out[x] += weight * row[x];
}

void fm_face_crop_cut(const fm_face_crop *crop, int size, float *out) {
  FM_ASSERT(size > 0 && size <= FM_CROP_SIZE_MAX);
  // What is not filled below is not read, which the analyser does not see.
  crop_axis across = {0}, down = {0};
  const int width = crop->input->width, height = crop->input->height;
  crop_axis_fill(&across, crop->region.x1, crop->region.x2, size, width);
  crop_axis_fill(&down, crop->region.y1, crop->region.y2, size, height);
  const float share = 1 / (float)(across.samples * down.samples);
  memset(out, 0, 3 * (size_t)size * (size_t)size * sizeof *out);
  for (int channel = 0; channel < 3; channel++) {
    crop_rows rows = {.plane =
                          crop->input->pixels + (size_t)channel * (size_t)width * (size_t)height,
                      .across = &across,
                      .width = width,
                      .size = size,
                      .mirrored = crop->mirrored,
                      .held = {-1, -1}};
    for (int i = 0; i < size * down.samples; i++) {
      float *to = out + (size_t)(channel * size + i / down.samples) * (size_t)size;
      crop_add_row(&rows, down.index0[i], share * down.weight0[i], to);
      crop_add_row(&rows, down.index1[i], share * down.weight1[i], to);
    }
  }
}
