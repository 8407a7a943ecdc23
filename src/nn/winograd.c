// Who turns and multiplies what, and where it lies meanwhile.
#include "nn/winograd.h"

#include <omp.h>
#include <stdint.h>
#include <stdio.h>

#include "nn/library.h"
#include "nn/profile.h"
#include "nn/winograd_grid.h"

enum {
  WINOGRAD_CACHED = 3 << 18, // floats of patches at a time: more do not stay in the caches
  WINOGRAD_LEAST = 48,       // patches: fewer would not repay reading the weights
  WINOGRAD_PADDING_MAX = 2,
  WINOGRAD_LINE = 16, // floats of a cache line
};

typedef struct winograd_plan {
  const fm_winograd *self;
  winograd_room room;
} winograd_plan;

static void winograd_grid_init(winograd_grid *grid, fm_shape y, size_t channels) {
  grid->across = ((size_t)y.w + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
  grid->down = ((size_t)y.h + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
  grid->patches = (size_t)y.n * grid->across * grid->down;
  const size_t cached = WINOGRAD_CACHED / WINOGRAD_PRODUCTS / channels;
  size_t together = cached > WINOGRAD_LEAST ? cached : WINOGRAD_LEAST;
  together = together < grid->patches ? together : grid->patches;
  grid->together = (together + WINOGRAD_ROWS - 1) / WINOGRAD_ROWS * WINOGRAD_ROWS;
}

// At least `floats`, an odd number of cache lines: what is read or written of all 36 in turn is
// then not in the same sets of the caches.
static size_t winograd_stride(size_t floats) {
  return ((floats + WINOGRAD_LINE - 1) / WINOGRAD_LINE | 1) * WINOGRAD_LINE;
}

void fm_winograd_room_init(winograd_room *room, void *scratch, fm_shape y, size_t ins,
                           size_t outs) {
  room->ins = ins;
  room->outs = outs;
  winograd_grid_init(&room->grid, y, ins + outs);
  room->kernels_stride = winograd_stride(ins * outs);
  room->in_stride = winograd_stride(ins * room->grid.together);
  room->out_stride = winograd_stride(outs * room->grid.together);
  room->kernels = scratch;
  room->in = room->kernels + WINOGRAD_PRODUCTS * room->kernels_stride;
  room->out = room->in + WINOGRAD_PRODUCTS * room->in_stride;
}

size_t fm_winograd_room_bytes(const winograd_room *room) {
  return WINOGRAD_PRODUCTS * (room->kernels_stride + room->in_stride + room->out_stride) *
         sizeof(float);
}

winograd_patch fm_winograd_patch_of(const winograd_grid *grid, const fm_tensor *tensor,
                                    size_t index, size_t channels, size_t *plane) {
  const size_t in_picture = grid->across * grid->down;
  const size_t picture = index / in_picture, inside = index % in_picture;
  const fm_shape shape = tensor->shape;
  const size_t area = (size_t)shape.h * (size_t)shape.w, all = (size_t)shape.c;
  const size_t block = (size_t)tensor->block; // 8, or all
  *plane = picture * area * all + channels * WINOGRAD_LANES / block * area * block +
           channels * WINOGRAD_LANES % block;
  return (winograd_patch){.height = shape.h,
                          .width = shape.w,
                          .pixel = block,
                          .top = (int)(inside / grid->across) * WINOGRAD_OUT,
                          .left = (int)(inside % grid->across) * WINOGRAD_OUT};
}

static winograd_plan winograd_plan_of(const fm_winograd *self) {
  winograd_plan plan = {.self = self};
  fm_winograd_room_init(&plan.room, self->scratch, self->y.shape, (size_t)self->x.shape.c,
                        (size_t)self->y.shape.c);
  return plan;
}

// fp32 in blocks, or whole numbers interleaved.
static bool winograd_knows_layouts(const fm_tensor *x, const fm_tensor *y) {
  if (fm_dtype_is_int8(x->dtype))
    return x->block == x->shape.c && y->block == y->shape.c && y->dtype != FM_BF16;
  return x->dtype == FM_F32 && y->dtype == FM_F32 && x->block == WINOGRAD_LANES &&
         y->block == WINOGRAD_LANES;
}

bool fm_winograd_knows(const fm_winograd *self) {
  const fm_tensor *x = &self->x, *y = &self->y;
  const int grown = 2 * self->padding - 2;
  return fm_nn_has_8_lanes() && winograd_knows_layouts(x, y) && x->shape.c % WINOGRAD_PANEL == 0 &&
         y->shape.c % WINOGRAD_PANEL == 0 && self->padding >= 0 &&
         self->padding <= WINOGRAD_PADDING_MAX && y->shape.h == x->shape.h + grown &&
         y->shape.w == x->shape.w + grown && self->act != FM_ACT_HARD_SIGMOID;
}

size_t fm_winograd_scratch(const fm_winograd *self) {
  const winograd_plan plan = winograd_plan_of(self);
  return fm_winograd_room_bytes(&plan.room);
}

// Kernels from one input channel to a panel of outputs.
static void winograd_turn_weights(const winograd_plan *plan, size_t panel, size_t channel) {
  const fm_winograd *self = plan->self;
  const size_t first = panel * WINOGRAD_PANEL;
  const size_t input = (self->turned ? plan->room.outs : 1) * WINOGRAD_TAPS;
  const size_t output = (self->turned ? 1 : plan->room.ins) * WINOGRAD_TAPS;
  fm_winograd_turn_weights(plan->room.kernels + (panel * plan->room.ins + channel) * WINOGRAD_PANEL,
                           plan->room.kernels_stride,
                           self->weight + first * output + channel * input, output, self->turned);
}

static void winograd_turn_in(const winograd_plan *plan, size_t first, size_t index,
                             size_t channels) {
  const fm_winograd *self = plan->self;
  size_t plane;
  winograd_patch patch =
      fm_winograd_patch_of(&plan->room.grid, &self->x, first + index, channels, &plane);
  patch.top -= self->padding;
  patch.left -= self->padding;
  patch.stride = plan->room.in_stride;
  // Six patches of all channels lie together, as they are multiplied together.
  const size_t six = index / WINOGRAD_ROWS * (plan->room.ins / WINOGRAD_LANES) + channels;
  float *out =
      plan->room.in + (six * WINOGRAD_ROWS + index % WINOGRAD_ROWS) * (size_t)WINOGRAD_LANES;
  if (self->x.dtype == FM_F32)
    fm_winograd_turn_in(out, (const float *)self->x.data + plane, &patch);
  else
    fm_winograd_turn_in_bytes(out, (const uint8_t *)self->x.data + plane, self->x.dtype, &patch);
}

static void winograd_turn_out(const winograd_plan *plan, size_t first, size_t index,
                              size_t channels) {
  const fm_winograd *self = plan->self;
  size_t plane;
  winograd_patch patch =
      fm_winograd_patch_of(&plan->room.grid, &self->y, first + index, channels, &plane);
  patch.stride = plan->room.out_stride;
  const winograd_end end = {.bias = self->bias ? self->bias + channels * WINOGRAD_LANES : NULL,
                            .residual = self->residual ? self->residual + plane : NULL,
                            .act = self->act,
                            .dtype = self->y.dtype,
                            .scale = fm_dtype_is_int8(self->x.dtype) ? self->x.scale : 1,
                            .unit = fm_dtype_is_int8(self->y.dtype) ? 1 / self->y.scale : 1};
  fm_winograd_turn_out((uint8_t *)self->y.data + plane * fm_dtype_size(self->y.dtype),
                       plan->room.out +
                           (channels * plan->room.grid.together + index) * WINOGRAD_LANES,
                       &patch, &end);
}

static void winograd_multiply(const winograd_plan *plan, size_t number, size_t panel,
                              size_t patches) {
  const size_t group = plan->room.grid.together * WINOGRAD_LANES;
  const winograd_product product = {patches, plan->room.ins, group};
  fm_winograd_multiply(plan->room.out + number * plan->room.out_stride + panel * 2 * group,
                       plan->room.in + number * plan->room.in_stride,
                       plan->room.kernels + number * plan->room.kernels_stride +
                           panel * plan->room.ins * WINOGRAD_PANEL,
                       &product);
}

// Patches from `first` on, by all threads of a team together.
static void winograd_run_group(const winograd_plan *plan, size_t first, size_t patches) {
  const size_t panels = plan->room.outs / WINOGRAD_PANEL;
#pragma omp for schedule(static)
  for (size_t i = 0; i < plan->room.ins / WINOGRAD_LANES * patches; ++i)
    winograd_turn_in(plan, first, i % patches, i / patches);
#pragma omp for schedule(static)
  for (size_t i = 0; i < WINOGRAD_PRODUCTS * panels; ++i)
    winograd_multiply(plan, i / panels, i % panels, patches);
#pragma omp for schedule(static)
  for (size_t i = 0; i < plan->room.outs / WINOGRAD_LANES * patches; ++i)
    winograd_turn_out(plan, first, i % patches, i / patches);
}

static fm_status winograd_run(void *user) {
  const fm_winograd *self = user;
  const winograd_plan plan = winograd_plan_of(self);
#pragma omp parallel num_threads(self->threads)
  {
#pragma omp for schedule(static)
    for (size_t i = 0; i < plan.room.outs / WINOGRAD_PANEL * plan.room.ins; ++i)
      winograd_turn_weights(&plan, i / plan.room.ins, i % plan.room.ins);
    for (size_t first = 0; first < plan.room.grid.patches; first += plan.room.grid.together) {
      const size_t left = plan.room.grid.patches - first;
      winograd_run_group(&plan, first,
                         left < plan.room.grid.together ? left : plan.room.grid.together);
    }
  }
  return FM_OK;
}

void fm_winograd_describe(const fm_tensor *x, const fm_tensor *y, const char *pass, fm_work *work,
                          char *name) {
  const fm_shape in = x->shape, out = y->shape;
  const int used = snprintf(name, FM_PROFILE_NAME_BYTES, "conv 3x3 %s, own winograd", pass);
  if (fm_profile_is_by_layer())
    snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used),
             ", %d x %d x %d x %d to %d x %d x %d", in.n, in.c, in.h, in.w, out.c, out.h, out.w);
  const double weights = (double)in.c * out.c * WINOGRAD_TAPS;
  work->flops = 2 * weights * out.n * out.h * out.w;
  work->bytes = (double)fm_tensor_bytes(x) + (double)fm_tensor_bytes(y) + weights * sizeof(float);
}

static void winograd_describe(const void *user, fm_work *work, char *name) {
  const fm_winograd *self = user;
  fm_winograd_describe(&self->x, &self->y, self->turned ? "backward data" : "forward", work, name);
}

void fm_winograd_run(fm_winograd *self) {
  fm_profile_run(winograd_run, self, winograd_describe);
}
