// Test cases of roi_align: torchvision's scalar algorithm, in double, one sample at a time.
#include <math.h>

#include "nn/op/roi_cases.h"

extern const fm_op_case fm_roi_align_cases[];

static double roi_case_sample(const double *plane, fm_shape s, double y, double x) {
  if (y < -1 || y > s.h || x < -1 || x > s.w)
    return 0;
  y = fmax(y, 0);
  x = fmax(x, 0);
  int y0 = (int)y, x0 = (int)x, y1 = y0 + 1, x1 = x0 + 1;
  if (y0 >= s.h - 1) {
    y0 = y1 = s.h - 1;
    y = y0;
  }
  if (x0 >= s.w - 1) {
    x0 = x1 = s.w - 1;
    x = x0;
  }
  double ly = y - y0, lx = x - x0;
  return (1 - ly) * (1 - lx) * plane[y0 * s.w + x0] + (1 - ly) * lx * plane[y0 * s.w + x1] +
         ly * (1 - lx) * plane[y1 * s.w + x0] + ly * lx * plane[y1 * s.w + x1];
}

// One channel of one RoI.
static void roi_case_channel(const double *row, const double *plane, fm_shape s, int size,
                             double *y) {
  double left = row[1] * row[6], top = row[2] * row[6];
  double bin_w = fmax(row[3] * row[6] - left, 1) / size;
  double bin_h = fmax(row[4] * row[6] - top, 1) / size;
  for (int bin = 0; bin < size * size; bin++) {
    double sum = 0;
    for (int i = 0; i < 4; i++) // sampling_ratio 2
      sum += roi_case_sample(plane, s, top + (bin / size + (i / 2 + 0.5) / 2) * bin_h,
                             left + (bin % size + (i % 2 + 0.5) / 2) * bin_w);
    y[bin] = sum / 4;
  }
}

void fm_roi_case_expect(const fm_shape *shape, const double *const *x, int levels, int size,
                        double *y) {
  for (int r = 0; r < shape[levels].n; r++) {
    const double *row = x[levels] + (size_t)r * FM_ROI_COLUMNS;
    for (int c = 0; c < shape[0].c; c++) {
      double *out = y + ((size_t)r * shape[0].c + c) * size * size;
      if (row[5] < 0) {
        for (int i = 0; i < size * size; i++)
          out[i] = 0;
        continue;
      }
      fm_shape s = shape[(int)row[5]];
      const double *plane = x[(int)row[5]] + ((size_t)row[0] * s.c + c) * s.h * s.w;
      roi_case_channel(row, plane, s, size, out);
    }
  }
}

static void roi_case_expect_two(const fm_shape *shape, const double *const *x,
                                const double *const *params, double *y) {
  (void)params;
  fm_roi_case_expect(shape, x, 2, 3, y);
}

static void roi_case_expect_one(const fm_shape *shape, const double *const *x,
                                const double *const *params, double *y) {
  (void)params;
  fm_roi_case_expect(shape, x, 1, 7, y);
}

static fm_value roi_case_build_two(fm_graph *graph, const fm_value *inputs) {
  return fm_roi_align(
      graph, inputs, inputs[2],
      &(fm_roi_align_options){.level_count = 2, .output_size = 3, .sampling_ratio = 2});
}

static fm_value roi_case_build_plain(fm_graph *graph, const fm_value *inputs) {
  return fm_roi_align(graph, inputs, inputs[2],
                      &(fm_roi_align_options){
                          .level_count = 2, .output_size = 3, .sampling_ratio = 2, .plain = true});
}

static fm_value roi_case_build_one(fm_graph *graph, const fm_value *inputs) {
  return fm_roi_align(graph, inputs, inputs[1], &(fm_roi_align_options){.level_count = 1});
}

// Pictures of 32 x 40, level 0 at 1/4 (8 x 10) and level 1 at 1/8 (4 x 5).
static const float roi_case_rows[][FM_ROI_COLUMNS] = {
    {0, 3.3f, 4.1f, 20.7f, 25.2f, 0, 0.25f},   // inside
    {1, 0, 0, 40, 32, 1, 0.125f},              // the whole picture
    {0, -9.4f, -7.7f, 6.2f, 5.9f, 0, 0.25f},   // over the upper left corner
    {1, 33.1f, 26.2f, 55.8f, 47.3f, 0, 0.25f}, // over the lower right corner
    {1, 90, 80, 99, 97, 1, 0.125f},            // outside
    {0, 12.2f, 9.1f, 12.9f, 9.3f, 1, 0.125f},  // tiny: widened to one cell
    {0, 1, 1, 30, 30, -1, 0.25f},              // masked
    {1, 20.3f, 18.2f, 11.1f, 9.4f, 0, 0.25f},  // reversed
    {0, 5.6f, 2.3f, 28.8f, 31.1f, 0, 0.25f},   // overlaps the first
};

static void roi_case_fill(int first, fm_shape shape, float *values) {
  for (int r = 0; r < shape.n; r++)
    for (int i = 0; i < FM_ROI_COLUMNS; i++)
      values[r * FM_ROI_COLUMNS + i] = roi_case_rows[first + r][i];
}

static void roi_case_values(fm_shape shape, float *values) {
  size_t total = (size_t)shape.n * (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
  for (size_t i = 0; i < total; i++)
    values[i] = (float)(i * 7919 % 1009) / 504.5f - 1;
}

void fm_roi_case_fill_two(int input, fm_shape shape, float *values) {
  if (input == 2)
    roi_case_fill(0, shape, values);
  else
    roi_case_values(shape, values);
}

void fm_roi_case_fill_one(int input, fm_shape shape, float *values) {
  if (input == 1)
    roi_case_fill(2, shape, values);
  else
    roi_case_values(shape, values);
}

const fm_op_case fm_roi_align_cases[] = {
    {.name = "roi_align takes RoIs inside, across and outside the picture, tiny and masked ones",
     .input_count = 3,
     .inputs = {{2, 19, 8, 10}, {2, 19, 4, 5}, {9, 7, 1, 1}},
     .build = roi_case_build_two,
     .reference = roi_case_expect_two,
     .fill = fm_roi_case_fill_two,
     .no_gradient = {false, false, true}},
    {.name = "roi_align into plain order gives the same",
     .input_count = 3,
     .inputs = {{2, 19, 8, 10}, {2, 19, 4, 5}, {9, 7, 1, 1}},
     .build = roi_case_build_plain,
     .reference = roi_case_expect_two,
     .fill = fm_roi_case_fill_two,
     .no_gradient = {false, false, true}},
    {.name = "roi_align of one level defaults to 7 x 7 bins of 2 x 2 samples",
     .input_count = 2,
     .inputs = {{2, 16, 8, 10}, {2, 7, 1, 1}},
     .build = roi_case_build_one,
     .reference = roi_case_expect_one,
     .fill = fm_roi_case_fill_one,
     .no_gradient = {false, true}},
    {.name = "roi_align takes channels that fill several vectors and some more",
     .input_count = 2,
     .inputs = {{2, 101, 8, 10}, {2, 7, 1, 1}},
     .build = roi_case_build_one,
     .reference = roi_case_expect_one,
     .fill = fm_roi_case_fill_one,
     .no_gradient = {false, true}},
    {.name = NULL},
};
