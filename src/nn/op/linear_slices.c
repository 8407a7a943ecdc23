// The same primitive for every thread, on its rows.
#include "nn/op/linear_slices.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>

#include "nn/profile.h"

#define SLICES_WORTH (1 << 23) // products of two numbers; below, threads cost more than they bring

int fm_linear_slices_count(int rows, size_t inputs, int outputs) {
  if ((double)rows * (double)inputs * (double)outputs < SLICES_WORTH)
    return 1;
  int count = omp_get_max_threads();
  count = count < FM_LINEAR_SLICES_MAX ? count : FM_LINEAR_SLICES_MAX;
  while (count > 1 && rows % count)
    count--;
  return count;
}

fm_status fm_linear_product_init(fm_primitive *product, dnnl_primitive_desc_t pd,
                                 const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *y,
                                 const dnnl_memory_desc_t *bias) {
  const dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  FM_TRY(fm_primitive_init(product, pd));
  FM_TRY(fm_primitive_add(product, DNNL_ARG_SRC, x));
  FM_TRY(fm_primitive_add(product, DNNL_ARG_WEIGHTS, &weight));
  FM_TRY(fm_primitive_add(product, DNNL_ARG_BIAS, bias));
  return fm_primitive_add(product, DNNL_ARG_DST, y);
}

fm_status fm_linear_slices_make(fm_linear_slices *out, dnnl_primitive_desc_t pd,
                                const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *y,
                                const dnnl_memory_desc_t *bias) {
  out->source_bytes = dnnl_memory_desc_get_size(x);
  out->result_bytes = dnnl_memory_desc_get_size(y);
  for (int i = 0; i < out->count; i++) {
    dnnl_primitive_desc_t own;
    FM_DNNL(dnnl_primitive_desc_clone(&own, pd));
    FM_TRY(fm_linear_product_init(&out->products[i], own, x, y, bias));
  }
  out->pad_bytes = (out->products[0].scratchpad_bytes + 63) / 64 * 64;
  return FM_OK;
}

static fm_status slices_run_one(fm_linear_slices *slices, int number) {
  fm_primitive *product = &slices->products[number];
  const size_t at = (size_t)number;
  fm_primitive_set(product, DNNL_ARG_SRC, (char *)slices->source + at * slices->source_bytes);
  fm_primitive_set(product, DNNL_ARG_WEIGHTS, slices->weight);
  fm_primitive_set(product, DNNL_ARG_BIAS, slices->bias);
  fm_primitive_set(product, DNNL_ARG_DST, (char *)slices->result + at * slices->result_bytes);
  fm_primitive_set(product, DNNL_ARG_SCRATCHPAD, (char *)slices->pad + at * slices->pad_bytes);
  return fm_primitive_run_within(product);
}

static fm_status slices_run(void *user) {
  fm_linear_slices *slices = user;
  atomic_bool failed = false;
#pragma omp parallel for schedule(static, 1) num_threads(slices->count)
  for (int i = 0; i < slices->count; i++)
    if (slices_run_one(slices, i) < 0)
      atomic_store(&failed, true);
  slices->failed = atomic_load(&failed);
  return FM_OK;
}

static void slices_describe(const void *user, fm_work *work, char *name) {
  const fm_linear_slices *slices = user;
  const double rows = (double)slices->count * slices->rows;
  const int used = snprintf(name, FM_PROFILE_NAME_BYTES, "linear forward, by rows");
  if (fm_profile_is_by_layer())
    snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used), ", %d x %d rows, %d to %d",
             slices->count, slices->rows, slices->inputs, slices->outputs);
  work->flops = 2 * rows * slices->inputs * slices->outputs;
  work->bytes = (double)slices->count * (double)(slices->source_bytes + slices->result_bytes) +
                (double)slices->inputs * slices->outputs;
}

fm_status fm_linear_slices_run(fm_linear_slices *slices) {
  fm_profile_run(slices_run, slices, slices_describe);
  return slices->failed ? fm_fail(FM_ERR_UNSUPPORTED, "a linear layer's product failed") : FM_OK;
}

void fm_linear_slices_release(fm_linear_slices *slices) {
  for (int i = 0; i < slices->count; i++)
    fm_primitive_release(&slices->products[i]);
  *slices = (fm_linear_slices){0};
}
