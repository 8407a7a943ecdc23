// Rotation in fixed point, as OpenCV computes it: positions with 10 bits behind the point, weights
// with 5.
#include "image/rotate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "image/border.h"

enum { ROTATE_POSITION_BITS = 10, ROTATE_WEIGHT_BITS = 5, ROTATE_WEIGHT = 1 << ROTATE_WEIGHT_BITS };

// From a pixel of the result to its place in the source: (x, y) -> (m0 x + m1 y + m2, m3 x + m4 y +
// m5).
static void rotate_matrix(double m[6], const fm_image *image, double degrees) {
  double radians = degrees * M_PI / 180, alpha = cos(radians), beta = sin(radians);
  double x = image->width / 2.0, y = image->height / 2.0;
  // The inverse of the rotation, whose determinant is 1.
  double forward[6] = {alpha, beta,  (1 - alpha) * x - beta * y,
                       -beta, alpha, beta * x + (1 - alpha) * y};
  m[0] = alpha;
  m[1] = -beta;
  m[3] = beta;
  m[4] = alpha;
  m[2] = -m[0] * forward[2] - m[1] * forward[5];
  m[5] = -m[3] * forward[2] - m[4] * forward[5];
}

typedef uint8_t rotate_bytes __attribute__((vector_size(16)));
typedef uint64_t rotate_halves __attribute__((vector_size(16)));
typedef int32_t rotate_lanes __attribute__((vector_size(16))); // R, G, B and one to spare

// Two neighbours of a row, weighted. Reads two bytes more than they have.
static inline rotate_lanes rotate_pair(const uint8_t *from, int left, int right) {
  uint64_t eight;
  memcpy(&eight, from, sizeof eight);
  const rotate_bytes bytes = (rotate_bytes)(rotate_halves){eight, 0}; // byte 15 is 0
  const rotate_bytes first = __builtin_shufflevector(bytes, bytes, 0, 15, 15, 15, 1, 15, 15, 15, 2,
                                                     15, 15, 15, 15, 15, 15, 15);
  const rotate_bytes second = __builtin_shufflevector(bytes, bytes, 3, 15, 15, 15, 4, 15, 15, 15, 5,
                                                      15, 15, 15, 15, 15, 15, 15);
  return (rotate_lanes)first * left + (rotate_lanes)second * right;
}

static inline void rotate_store(uint8_t *to, rotate_lanes sum) {
  sum = (sum + 512) >> 10; // of 1024 = ROTATE_WEIGHT^2
  to[0] = (uint8_t)sum[0];
  to[1] = (uint8_t)sum[1];
  to[2] = (uint8_t)sum[2];
}

// A place in the source: the pixel to the upper left, and how far to the right of it and below it.
typedef struct rotate_place {
  int x, y, right, below;
} rotate_place;

// A pixel whose neighbours are not all inside.
static void rotate_edge(uint8_t *to, const fm_image *image, rotate_place at) {
  const int columns[2] = {fm_border_reflect_101(at.x, image->width),
                          fm_border_reflect_101(at.x + 1, image->width)};
  const int rows[2] = {fm_border_reflect_101(at.y, image->height),
                       fm_border_reflect_101(at.y + 1, image->height)};
  const int across[2] = {ROTATE_WEIGHT - at.right, at.right};
  const int down[2] = {ROTATE_WEIGHT - at.below, at.below};
  int sums[3] = {512, 512, 512};
  for (int i = 0; i < 4; i++) {
    size_t pixel = (size_t)rows[i / 2] * (size_t)image->width + (size_t)columns[i % 2];
    for (int c = 0; c < 3; c++)
      sums[c] += down[i / 2] * across[i % 2] * image->pixels[pixel * 3 + (size_t)c];
  }
  for (int c = 0; c < 3; c++)
    to[c] = (uint8_t)(sums[c] >> 10);
}

typedef struct rotate_row {
  const int *across, *down; // (width): what x adds to the position
  int x, y;                 // the position at x = 0
} rotate_row;

FM_KERNEL static void rotate_row_make(uint8_t *restrict to, const fm_image *image,
                                      const rotate_row *row) {
  enum { SHIFT = ROTATE_POSITION_BITS - ROTATE_WEIGHT_BITS, MASK = ROTATE_WEIGHT - 1 };
  const int *restrict across = row->across, *restrict down = row->down;
  const uint8_t *restrict pixels = image->pixels;
  int width = image->width, height = image->height, start_x = row->x, start_y = row->y;
  size_t pitch = (size_t)width * 3;
  for (int i = 0; i < width; i++, to += 3) {
    int px = (start_x + across[i]) >> SHIFT, py = (start_y + down[i]) >> SHIFT;
    int x = px >> ROTATE_WEIGHT_BITS, y = py >> ROTATE_WEIGHT_BITS;
    int right = px & MASK, below = py & MASK;
    int left = ROTATE_WEIGHT - right, above = ROTATE_WEIGHT - below;
    // One column further, for the bytes that rotate_pair reads too much.
    if (x >= 0 && y >= 0 && x < width - 2 && y < height - 1) {
      const uint8_t *from = pixels + (size_t)y * pitch + (size_t)x * 3;
      rotate_store(to, rotate_pair(from, left, right) * above +
                           rotate_pair(from + pitch, left, right) * below);
    } else {
      rotate_edge(to, image, (rotate_place){x, y, right, below});
    }
  }
}

fm_status fm_image_rotate(fm_image *out, const fm_image *image, double degrees) {
  *out = (fm_image){0};
  double m[6];
  rotate_matrix(m, image, degrees);
  size_t width = (size_t)image->width;
  int *steps = malloc(2 * width * sizeof *steps);
  FM_CHECK_ALLOC(steps);
  fm_status status = fm_image_new(out, image->width, image->height);
  const double scale = 1 << ROTATE_POSITION_BITS;
  const int half = 1 << (ROTATE_POSITION_BITS - ROTATE_WEIGHT_BITS - 1);
  for (size_t x = 0; status >= 0 && x < width; x++) {
    steps[x] = (int)lrint(m[0] * (double)x * scale);
    steps[width + x] = (int)lrint(m[3] * (double)x * scale);
  }
  for (int y = 0; status >= 0 && y < image->height; y++) {
    const rotate_row row = {.across = steps,
                            .down = steps + width,
                            .x = (int)lrint((m[1] * y + m[2]) * scale) + half,
                            .y = (int)lrint((m[4] * y + m[5]) * scale) + half};
    rotate_row_make(out->pixels + (size_t)y * width * 3, image, &row);
  }
  free(steps);
  return status;
}
