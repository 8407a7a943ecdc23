// The gradient of a 3 x 3 convolution's weights: patches of x and of dy are turned, the 36 products
// summed over all patches, and the sums turned back to kernels.
#include <omp.h>
#include <string.h>

#include "nn/library.h"
#include "nn/winograd.h"
#include "nn/winograd_grid.h"

enum { GRADIENT_OUTS = 128 }; // at a time: their sums stay in the third-level cache

typedef struct gradient_plan {
  const fm_winograd_gradient *self;
  winograd_room room;
} gradient_plan;

static gradient_plan gradient_plan_of(const fm_winograd_gradient *self) {
  const fm_shape dy = self->dy.shape;
  gradient_plan plan = {.self = self};
  fm_winograd_room_init(&plan.room, self->scratch, dy, (size_t)self->x.shape.c,
                        (size_t)(dy.c < GRADIENT_OUTS ? dy.c : GRADIENT_OUTS));
  return plan;
}

bool fm_winograd_gradient_knows(const fm_winograd_gradient *self) {
  const fm_winograd forward = {.x = self->x, .y = self->dy, .padding = self->padding};
  return self->x.dtype == FM_F32 && fm_winograd_knows(&forward);
}

size_t fm_winograd_gradient_scratch(const fm_winograd_gradient *self) {
  const gradient_plan plan = gradient_plan_of(self);
  return fm_winograd_room_bytes(&plan.room);
}

static void gradient_turn_x(const gradient_plan *plan, size_t first, size_t index,
                            size_t channels) {
  const fm_winograd_gradient *self = plan->self;
  size_t plane;
  winograd_patch patch =
      fm_winograd_patch_of(&plan->room.grid, &self->x, first + index, channels, &plane);
  patch.top -= self->padding;
  patch.left -= self->padding;
  patch.stride = plan->room.in_stride;
  fm_winograd_turn_in(plan->room.in +
                          (channels * plan->room.grid.together + index) * WINOGRAD_LANES,
                      (const float *)self->x.data + plane, &patch);
}

// The two halves of a panel lie side by side.
static void gradient_turn_dy(const gradient_plan *plan, size_t out, size_t first, size_t index,
                             size_t channels) {
  const fm_winograd_gradient *self = plan->self;
  size_t plane;
  winograd_patch patch = fm_winograd_patch_of(&plan->room.grid, &self->dy, first + index,
                                              out / WINOGRAD_LANES + channels, &plane);
  patch.stride = plan->room.out_stride;
  float *to = plan->room.out + (channels / 2 * plan->room.grid.together + index) * WINOGRAD_PANEL +
              channels % 2 * WINOGRAD_LANES;
  fm_winograd_turn_dy(to, (const float *)self->dy.data + plane, &patch);
}

// The sums of all input channels and a panel of outputs, of one of the 36.
static void gradient_correlate(const gradient_plan *plan, size_t outs, size_t number, size_t panel,
                               winograd_correlation correlation) {
  correlation.left_group = plan->room.grid.together * WINOGRAD_LANES;
  correlation.stride = outs;
  const float *left = plan->room.in + number * plan->room.in_stride;
  const float *right = plan->room.out + number * plan->room.out_stride +
                       panel * plan->room.grid.together * WINOGRAD_PANEL;
  float *sums = plan->room.kernels + number * plan->room.kernels_stride + panel * WINOGRAD_PANEL;
  for (size_t channel = 0; channel < plan->room.ins; channel += WINOGRAD_ROWS) {
    correlation.channel = channel;
    correlation.count =
        plan->room.ins - channel < WINOGRAD_ROWS ? plan->room.ins - channel : WINOGRAD_ROWS;
    fm_winograd_correlate(sums + channel * outs, left, right, &correlation);
  }
}

// By all threads of a team together: `outs` output channels from `out` on, patches from `first` on.
static void gradient_run_group(const gradient_plan *plan, size_t out, size_t outs, size_t first) {
  const size_t left = plan->room.grid.patches - first, panels = outs / WINOGRAD_PANEL;
  const size_t patches = left < plan->room.grid.together ? left : plan->room.grid.together;
#pragma omp for schedule(static) nowait
  for (size_t i = 0; i < plan->room.ins / WINOGRAD_LANES * patches; ++i)
    gradient_turn_x(plan, first, i % patches, i / patches);
#pragma omp for schedule(static)
  for (size_t i = 0; i < outs / WINOGRAD_LANES * patches; ++i)
    gradient_turn_dy(plan, out, first, i % patches, i / patches);
#pragma omp for schedule(static)
  for (size_t i = 0; i < WINOGRAD_PRODUCTS * panels; ++i)
    gradient_correlate(plan, outs, i / panels, i % panels,
                       (winograd_correlation){.patches = patches, .adds = first > 0});
}

static void gradient_run_outs(const gradient_plan *plan, size_t out, size_t outs) {
  const size_t kernel = plan->room.ins * WINOGRAD_TAPS;
  for (size_t first = 0; first < plan->room.grid.patches; first += plan->room.grid.together)
    gradient_run_group(plan, out, outs, first);
#pragma omp for schedule(static)
  for (size_t i = 0; i < outs / WINOGRAD_LANES * plan->room.ins; ++i) {
    const size_t channel = i % plan->room.ins, output = i / plan->room.ins * WINOGRAD_LANES;
    fm_winograd_turn_gradient(
        plan->self->dweight + (out + output) * kernel + channel * WINOGRAD_TAPS, kernel,
        plan->room.kernels + channel * outs + output, plan->room.kernels_stride);
  }
}

static void gradient_run_bias(const fm_winograd_gradient *self) {
  const fm_shape dy = self->dy.shape;
  const size_t pixels = (size_t)dy.h * (size_t)dy.w, blocks = (size_t)dy.c / WINOGRAD_LANES;
#pragma omp for schedule(static)
  for (size_t block = 0; block < blocks; ++block) {
    float *sum = self->dbias + block * WINOGRAD_LANES;
    memset(sum, 0, WINOGRAD_LANES * sizeof *sum);
    for (size_t picture = 0; picture < (size_t)dy.n; ++picture)
      fm_winograd_add_pixels(
          sum, (const float *)self->dy.data + (picture * blocks + block) * pixels * WINOGRAD_LANES,
          pixels);
  }
}

static fm_status gradient_run(void *user) {
  const fm_winograd_gradient *self = user;
  const gradient_plan plan = gradient_plan_of(self);
  const size_t all = (size_t)self->dy.shape.c;
#pragma omp parallel num_threads(self->threads)
  {
    for (size_t out = 0; out < all; out += plan.room.outs)
      gradient_run_outs(&plan, out, all - out < plan.room.outs ? all - out : plan.room.outs);
    if (self->dbias)
      gradient_run_bias(self);
  }
  return FM_OK;
}

static void gradient_describe(const void *user, fm_work *work, char *name) {
  const fm_winograd_gradient *self = user;
  fm_winograd_describe(&self->x, &self->dy, "backward weights", work, name);
}

void fm_winograd_gradient_run(fm_winograd_gradient *self) {
  fm_profile_run(gradient_run, self, gradient_describe);
}
