// A linear layer's rows are the pixels of a 1 x 1 convolution.
#include "nn/op/linear_rows.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/library.h"
#include "nn/profile.h"

bool fm_linear_rows_fit(const fm_tensor *x, int inputs, const fm_tensor *y) {
  return fm_nn_has_wide_vnni() && fm_dtype_is_int8(x->dtype) &&
         (y->dtype == FM_F32 || fm_dtype_is_int8(y->dtype)) &&
         fm_rows_knows_product(inputs, y->shape.c);
}

fm_status fm_linear_rows_prepare(fm_linear_rows *self, const fm_tensor *x,
                                 const fm_rows_sums *sums) {
  void *weight;
  FM_TRY(fm_working_data(sums->weight, &weight));
  self->product = (fm_rows_product){.in = sums->in, .out = sums->out, .weight = weight};
  FM_TRY(fm_rows_output_make(&self->product.output, &self->numbers, sums));
  self->run = (fm_rows){.x = *x,
                        .y = *sums->y,
                        .flip = (uint8_t)fm_rows_zero(x),
                        .project = &self->product,
                        .threads = omp_get_max_threads()};
  self->run.x.shape = (fm_shape){x->shape.n, sums->in, 1, 1};
  self->runs = true;
  return FM_OK;
}

size_t fm_linear_rows_scratch(const fm_linear_rows *self) {
  return self->runs ? fm_rows_scratch(&self->run) : 0;
}

static void linear_rows_describe(const void *user, fm_work *work, char *name) {
  const fm_rows *run = user;
  const fm_rows_product *product = run->project;
  const int used = snprintf(name, FM_PROFILE_NAME_BYTES, "linear forward, own rows");
  if (fm_profile_is_by_layer())
    snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used), ", %d rows, %d to %d",
             run->x.shape.n, product->in, product->out);
  work->flops = 2.0 * run->x.shape.n * product->in * product->out;
  work->bytes = (double)fm_tensor_bytes(&run->x) + (double)fm_tensor_bytes(&run->y) +
                (double)product->in * product->out;
}

static fm_status linear_rows_run(void *user) {
  fm_rows_run(user);
  return FM_OK;
}

void fm_linear_rows_forward(fm_linear_rows *self, const void *x, void *y, void *scratch) {
  self->run.x.data = (void *)(uintptr_t)x;
  self->run.y.data = y;
  self->run.scratch = scratch;
  fm_profile_run(linear_rows_run, &self->run, linear_rows_describe);
}

void fm_linear_rows_release(fm_linear_rows *self) {
  free(self->numbers);
}
