// Convolutions in whole numbers with VNNI in vectors of 512 bits, some rows of a picture at a time:
// a 1 x 1 convolution, or a chain of [1 x 1,] depthwise and 1 x 1 (an inverted residual, Sandler et
// al. 2018; a separable convolution) whose values in between never reach memory. Arrays are
// interleaved (NHWC). Within a chain everything has no sign: numbers with one are moved by 128. The
// same bytes on any number of threads. Private to nn.
#ifndef FM_NN_ROWS_H
#define FM_NN_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/tensor.h"

// How sums become bytes: the sum of a channel times scale, plus shift, rounded, and no less than
// `low`, no more than `high`; `flip` then turns the first bit where the result is to have a sign.
// Or, of a product, floats: not rounded, and no less than `least`. scale and shift lie in the order
// of the sums, see fm_rows_product_channel.
typedef struct fm_rows_output {
  const float *scale, *shift;
  uint8_t low, high, flip;
  bool exact; // floats
  float least;
} fm_rows_output;

// A 1 x 1 convolution of `in` channels, a multiple of 4, to `out`.
typedef struct fm_rows_product {
  int in, out;
  const int8_t *weight; // fm_rows_pack_product
  fm_rows_output output;
  // What is added before rounding to bytes: bytes without a sign after `residual_flip`, times
  // residual_scale; NULL: nothing.
  const uint8_t *residual;
  uint8_t residual_flip;
  float residual_scale;
} fm_rows_product;

// A depthwise convolution, dilation 1.
typedef struct fm_rows_filter {
  int channels, kernel, stride; // kernel 3 or 5, stride 1 or 2
  int padding;                  // above and to the left; the shapes tell the rest
  uint8_t zero;                 // the byte that stands for 0
  const int8_t *weight;         // fm_rows_pack_filter
  fm_rows_output output;
} fm_rows_filter;

// How a convolution of 3 x 3 pixels of a picture's planes becomes a product: its inputs are bytes,
// the planes' numbers over `scale`, which 0 moves by `zero`.
typedef struct fm_rows_image {
  int stride, padding; // above and to the left; the shapes tell the rest
  float scale;
  uint8_t zero;
} fm_rows_image;

typedef struct fm_rows {
  fm_tensor x, y;
  uint8_t flip;                  // 0x80 where x has a sign
  const fm_rows_product *expand; // NULL: none
  const fm_rows_filter *filter;  // NULL: none, and no expand either
  const fm_rows_image *image;    // alone before `project`; x is then floats, plane by plane
  const fm_rows_product *project;
  int threads;   // as many as there is scratch for
  void *scratch; // fm_rows_scratch bytes, in lines of 64
} fm_rows;

// Whether a product's or filter's geometry is one of those above. The processor is asked for by
// fm_nn_has_wide_vnni.
bool fm_rows_knows_product(int in, int out);
bool fm_rows_knows_image(int channels, int kernel);
bool fm_rows_knows_filter(int channels, int kernel, int stride);

size_t fm_rows_scratch(const fm_rows *self);
void fm_rows_run(const fm_rows *self);

// The order of sums: which channel stands at `position`, -1 for none; and how many positions there
// are.
int fm_rows_product_channel(int out, int position);
int fm_rows_product_positions(int out);
int fm_rows_filter_channel(int channels, int kernel, int position);
int fm_rows_filter_positions(int channels);

// As many inputs as a product reads where there are `in`: a multiple of 4. And those for each pixel
// of a convolution of a picture's planes.
int fm_rows_product_inputs(int in);
int fm_rows_image_inputs(int channels);

// Weights of whole numbers in plain order ([out][in]; [channels][kernel][kernel]) as the loops read
// them, and behind them each position's sum of weights (int32_t), which what was moved by 128
// needs. A product's inputs that are missing to a multiple of 4 get weights of 0.
size_t fm_rows_product_bytes(int in, int out);
void fm_rows_pack_product(int8_t *packed, const float *weight, int in, int out);
size_t fm_rows_filter_bytes(int channels, int kernel);
void fm_rows_pack_filter(int8_t *packed, const float *weight, int channels, int kernel);
const int32_t *fm_rows_product_sums(const int8_t *packed, int in, int out);
const int32_t *fm_rows_filter_sums(const int8_t *packed, int channels, int kernel);

// --- the loops, for rows.c

// y = the product of `pixels` pixels of x, bytes or floats; the residual lies as y.
void fm_rows_multiply(const fm_rows_product *self, const uint8_t *x, int pixels, void *y,
                      const uint8_t *residual);
// What a row of `width` outputs of such a convolution multiplies, each pixel's
// fm_rows_image_inputs bytes behind the other's, from row `row` of outputs of x, one picture. Of
// the room for both: fm_rows_image_line_bytes for the rows in between, `patches` for the result.
size_t fm_rows_image_line_bytes(const fm_rows_image *self, int channels, int width);
size_t fm_rows_image_patch_bytes(int channels, int width);
typedef struct fm_rows_image_row {
  const float *x;
  fm_shape shape; // of x
  int row, width;
  uint8_t *lines, *patches;
} fm_rows_image_row;
void fm_rows_image_gather(const fm_rows_image *self, const fm_rows_image_row *row);
// A row of `width` pixels, whose bytes have no sign after `flip`, and what lies beside the picture:
// `edge`, a pixel of zeros (before flip).
typedef struct fm_rows_line {
  const uint8_t *row, *edge;
  int width;
  uint8_t flip;
} fm_rows_line;
// The row by fours of neighbours, two pixels from four to four, as fm_rows_filter_lines reads it.
void fm_rows_interleave(const fm_rows_filter *self, const fm_rows_line *line, int fours,
                        uint8_t *out);
// Fours that a row of `width` outputs reads, and the bytes of an interleaved row.
int fm_rows_fours(const fm_rows_filter *self, int width);
size_t fm_rows_interleaved_bytes(const fm_rows_filter *self, int fours);
// Rows of outputs, each of `width` pixels, from interleaved rows: the first one reads as many as
// the kernel has, from the first on, the next ones `stride` more each.
typedef struct fm_rows_lines {
  const uint8_t *const *rows;
  int count, fours, width;
} fm_rows_lines;
void fm_rows_filter_lines(const fm_rows_filter *self, const fm_rows_lines *lines, uint8_t *y);

#endif
