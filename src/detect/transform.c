// From a picture to the network's input: torchvision's GeneralizedRCNNTransform (normalise, then
// torch's bilinear interpolate) in one pass over the rows. Batching and padding is the detector's.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "detect/detector.h"

// Where the outputs of one axis come from: value = weight0 * source[index0] + weight1 *
// source[index1].
typedef struct transform_axis {
  int32_t *index0, *index1;
  float *weight0, *weight1;
} transform_axis;

// torch's area_pixel_compute_source_index with align_corners=False, in float as torch does.
static void transform_axis_fill(transform_axis *axis, int in, int out) {
  float ratio = (float)in / (float)out;
  for (int i = 0; i < out; i++) {
    if (in == out) {
      axis->index0[i] = axis->index1[i] = i;
      axis->weight0[i] = 1;
      axis->weight1[i] = 0;
      continue;
    }
    float source = fmaxf(fmaf(ratio, (float)i + 0.5f, -0.5f), 0);
    int index = (int)source < in - 1 ? (int)source : in - 1;
    float weight = fminf(fmaxf(source - (float)index, 0), 1);
    axis->index0[i] = index;
    axis->index1[i] = index < in - 1 ? index + 1 : index;
    axis->weight0[i] = 1 - weight;
    axis->weight1[i] = weight;
  }
}

// Interleaved bytes of a row to three planes of normalised floats.
static void transform_expand(const uint8_t *row, int width, const float table[3][256], float *out) {
  float *red = out, *green = out + width, *blue = out + 2 * (size_t)width;
  for (int x = 0; x < width; x++) {
    const uint8_t *pixel = row + 3 * (size_t)x;
    red[x] = table[0][pixel[0]];
    green[x] = table[1][pixel[1]];
    blue[x] = table[2][pixel[2]];
  }
}

FM_KERNEL static void transform_across(const float *restrict source, const transform_axis *axis,
                                       int width, float *restrict out) {
  const int32_t *restrict index0 = axis->index0, *restrict index1 = axis->index1;
  const float *restrict weight0 = axis->weight0, *restrict weight1 = axis->weight1;
  for (int x = 0; x < width; x++)
    out[x] = source[index0[x]] * weight0[x] + source[index1[x]] * weight1[x];
}

FM_KERNEL static void transform_down(const float *restrict above, const float *restrict below,
                                     float weight0, float weight1, int width, float *restrict out) {
  for (int x = 0; x < width; x++)
    out[x] = above[x] * weight0 + below[x] * weight1;
}

enum { TRANSFORM_ROWS_LEAST = 32 }; // of the output, that are worth a thread

// One picture's pass: the tables, and memory for each part of the output.
typedef struct transform_pass {
  const fm_image *image;
  int width, height; // of the output
  float table[3][256];
  transform_axis across, down;
  int parts;   // of the output's rows, as many as threads
  float *rows; // (parts, 9 side): what a part needs
  size_t side; // the longer of both widths
  void *memory;
} transform_pass;

// The two rows of the output's width that the current output row blends.
typedef struct transform_part {
  float *expanded;  // (3, image width)
  float *rows[2];   // (3, width) each
  int row_index[2]; // source row each holds, -1: none
} transform_part;

static void transform_fill_table(transform_pass *pass, const fm_model_config *config) {
  for (int c = 0; c < 3; c++) {
    for (int v = 0; v < 256; v++)
      pass->table[c][v] =
          ((float)v / 255.0f - config->image_mean.values[c]) / config->image_std.values[c];
  }
}

static fm_status transform_prepare(transform_pass *pass) {
  size_t width = (size_t)pass->width, height = (size_t)pass->height;
  const size_t source_width = (size_t)pass->image->width;
  const int threads = omp_get_max_threads(), most = pass->height / TRANSFORM_ROWS_LEAST;
  pass->parts = threads < most ? threads : most > 1 ? most : 1;
  pass->side = width > source_width ? width : source_width;
  const size_t rows = (size_t)pass->parts * 9 * pass->side;
  char *memory = malloc((4 * (width + height) + rows) * 4);
  FM_CHECK_ALLOC(memory);
  pass->memory = memory;
  float *f = (float *)memory;
  pass->rows = f;
  pass->across.weight0 = f += rows;
  pass->across.weight1 = f += width;
  pass->down.weight0 = f += width;
  pass->down.weight1 = f += height;
  int32_t *i = (int32_t *)(f + height);
  pass->across.index0 = i;
  pass->across.index1 = i += width;
  pass->down.index0 = i += width;
  pass->down.index1 = i + height;
  transform_axis_fill(&pass->across, pass->image->width, pass->width);
  transform_axis_fill(&pass->down, pass->image->height, pass->height);
  return FM_OK;
}

// The source row `index` at the output's width; it stays while the other slot is refilled.
static const float *transform_row(const transform_pass *pass, transform_part *part, int index,
                                  int keep) {
  for (int slot = 0; slot < 2; slot++) {
    if (part->row_index[slot] == index)
      return part->rows[slot];
  }
  int slot = part->row_index[0] == keep ? 1 : 0;
  int source_width = pass->image->width;
  const uint8_t *bytes = pass->image->pixels + (size_t)index * (size_t)source_width * 3;
  bool same = source_width == pass->width;
  float *out = part->rows[slot];
  transform_expand(bytes, source_width, pass->table, same ? out : part->expanded);
  for (int c = 0; c < 3 && !same; c++)
    transform_across(part->expanded + (size_t)c * (size_t)source_width, &pass->across, pass->width,
                     out + (size_t)c * (size_t)pass->width);
  part->row_index[slot] = index;
  return out;
}

static void transform_run_part(const transform_pass *pass, int number, float *pixels) {
  size_t width = (size_t)pass->width, plane = width * (size_t)pass->height;
  float *rows = pass->rows + (size_t)number * 9 * pass->side;
  transform_part part = {rows, {rows + 3 * pass->side, rows + 6 * pass->side}, {-1, -1}};
  const int first = pass->height * number / pass->parts;
  const int end = pass->height * (number + 1) / pass->parts;
  for (int y = first; y < end; y++) {
    int index0 = pass->down.index0[y], index1 = pass->down.index1[y];
    const float *above = transform_row(pass, &part, index0, index1);
    const float *below = transform_row(pass, &part, index1, index0);
    for (size_t c = 0; c < 3; c++)
      transform_down(above + c * width, below + c * width, pass->down.weight0[y],
                     pass->down.weight1[y], pass->width, pixels + c * plane + (size_t)y * width);
  }
}

static void transform_run(const transform_pass *pass, float *pixels) {
#pragma omp parallel for schedule(static) num_threads(pass->parts) if (pass->parts > 1)
  for (int part = 0; part < pass->parts; part++)
    transform_run_part(pass, part, pixels);
}

// torch: floor(side * scale) in double, the scale a float. A side that would vanish keeps one
// pixel, where torch fails.
static void transform_size(const fm_model_config *config, const fm_image *image, int *width,
                           int *height) {
  float low = (float)(image->width < image->height ? image->width : image->height);
  float high = (float)(image->width < image->height ? image->height : image->width);
  // torch divides a number by a tensor as number * (1 / tensor), which rounds differently.
  double scale = fminf((float)config->min_size * (1 / low), (float)config->max_size * (1 / high));
  *width = (int)fmax(floor((double)image->width * scale), 1);
  *height = (int)fmax(floor((double)image->height * scale), 1);
}

// torchvision's resize_boxes and its check for degenerate boxes.
static fm_status transform_boxes(fm_input *out, const fm_box *boxes, const int32_t *labels,
                                 size_t count) {
  if (count == 0)
    return FM_OK;
  out->boxes = malloc(count * sizeof *out->boxes);
  out->labels = malloc(count * sizeof *out->labels);
  FM_CHECK_ALLOC(out->boxes && out->labels);
  memcpy(out->labels, labels, count * sizeof *labels);
  out->box_count = count;
  float across = (float)out->width / (float)out->source_width;
  float down = (float)out->height / (float)out->source_height;
  for (size_t i = 0; i < count; i++) {
    fm_box b = {boxes[i].x1 * across, boxes[i].y1 * down, boxes[i].x2 * across, boxes[i].y2 * down};
    if (!(b.x2 > b.x1 && b.y2 > b.y1 && isfinite(b.x2 - b.x1) && isfinite(b.y2 - b.y1)))
      return fm_fail(FM_ERR_ARGUMENT, "box %g,%g,%g,%g is empty or reversed", (double)boxes[i].x1,
                     (double)boxes[i].y1, (double)boxes[i].x2, (double)boxes[i].y2);
    out->boxes[i] = b;
  }
  return FM_OK;
}

static fm_status transform_check(const fm_image *image) {
  if (image->width < 1 || image->height < 1 || image->width > FM_IMAGE_SIDE_MAX ||
      image->height > FM_IMAGE_SIDE_MAX)
    return fm_fail(FM_ERR_SHAPE, "a picture of %d x %d pixels", image->width, image->height);
  return FM_OK;
}

fm_status fm_input_make_sized(fm_input *out, const fm_model_config *config, const fm_image *image,
                              int width, int height) {
  *out = (fm_input){.source_width = image->width,
                    .source_height = image->height,
                    .width = width,
                    .height = height};
  FM_TRY(transform_check(image));
  transform_pass pass = {.image = image, .width = out->width, .height = out->height};
  transform_fill_table(&pass, config);
  fm_status status = transform_prepare(&pass);
  if (status < 0)
    return status;
  out->pixels = malloc((size_t)out->width * (size_t)out->height * 3 * sizeof(float));
  if (out->pixels)
    transform_run(&pass, out->pixels);
  else
    status = fm_fail(FM_ERR_MEMORY, "out of memory (%d x %d pixels)", out->width, out->height);
  free(pass.memory);
  return status;
}

fm_status fm_input_make(fm_input *out, const fm_model_config *config, const fm_image *image,
                        const fm_box *boxes, const int32_t *labels, size_t box_count) {
  *out = (fm_input){0};
  FM_TRY(transform_check(image));
  int width, height;
  transform_size(config, image, &width, &height);
  FM_TRY(fm_input_make_sized(out, config, image, width, height));
  const fm_status status = transform_boxes(out, boxes, labels, box_count);
  if (status < 0)
    fm_input_release(out);
  return status;
}

void fm_input_release(fm_input *input) {
  free(input->pixels);
  free(input->boxes);
  free(input->labels);
  *input = (fm_input){0};
}
