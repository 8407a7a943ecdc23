// Reads a primitive's descriptor for the profile.
#include "nn/primitive_profile.h"

#include <stdio.h>

static const char *describe_pass(dnnl_prop_kind_t kind) {
  switch (kind) {
  case dnnl_backward_data:
    return "backward data";
  case dnnl_backward_weights:
    return "backward weights";
  default:
    return "forward";
  }
}

static double describe_bytes(const_dnnl_primitive_desc_t pd) {
  static const dnnl_query_t parts[] = {dnnl_query_src_md,          dnnl_query_weights_md,
                                       dnnl_query_dst_md,          dnnl_query_diff_src_md,
                                       dnnl_query_diff_weights_md, dnnl_query_diff_dst_md};
  double bytes = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
    const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(pd, parts[i], 0);
    bytes += desc ? (double)dnnl_memory_desc_get_size(desc) : 0;
  }
  return bytes;
}

static void describe_convolution(const dnnl_convolution_desc_t *d, const char *implementation,
                                 char *text, fm_work *out) {
  const dnnl_prop_kind_t pass = d->prop_kind;
  const dnnl_memory_desc_t *x = pass == dnnl_backward_data ? &d->diff_src_desc : &d->src_desc;
  const dnnl_memory_desc_t *w =
      pass == dnnl_backward_weights ? &d->diff_weights_desc : &d->weights_desc;
  const dnnl_memory_desc_t *y = pass == dnnl_forward_training || pass == dnnl_forward_inference
                                    ? &d->dst_desc
                                    : &d->diff_dst_desc;
  const int spatial = w->ndims - 2;
  const long groups = w->ndims == 5 ? w->dims[0] : 1;
  const long kh = w->dims[spatial], kw = w->dims[spatial + 1];
  out->flops = 2.0 * (double)(y->dims[0] * y->dims[1] * y->dims[2] * y->dims[3]) *
               (double)(x->dims[1] / groups * kh * kw);
  const char *kind = groups == 1 ? "" : groups == x->dims[1] ? "depthwise " : "grouped ";
  const int used = snprintf(text, FM_PROFILE_NAME_BYTES, "conv %s%ldx%ld %s, %s", kind, kh, kw,
                            describe_pass(pass), implementation);
  if (fm_profile_is_by_layer())
    snprintf(text + used, (size_t)(FM_PROFILE_NAME_BYTES - used),
             ", %ld x %ld x %ld x %ld to %ld x %ld x %ld", (long)x->dims[0], (long)x->dims[1],
             (long)x->dims[2], (long)x->dims[3], (long)y->dims[1], (long)y->dims[2],
             (long)y->dims[3]);
}

// sides: rows, inputs, outputs.
static void describe_linear(const char *pass, const char *implementation, const long sides[3],
                            char *text, fm_work *out) {
  out->flops = 2.0 * (double)sides[0] * (double)sides[1] * (double)sides[2];
  const int used = snprintf(text, FM_PROFILE_NAME_BYTES, "linear %s, %s", pass, implementation);
  if (fm_profile_is_by_layer())
    snprintf(text + used, (size_t)(FM_PROFILE_NAME_BYTES - used), ", %ld x %ld to %ld", sides[0],
             sides[1], sides[2]);
}

static void describe_inner_product(const dnnl_inner_product_desc_t *d, const char *implementation,
                                   char *text, fm_work *out) {
  const dnnl_prop_kind_t pass = d->prop_kind;
  const dnnl_memory_desc_t *x = pass == dnnl_backward_data ? &d->diff_src_desc : &d->src_desc;
  const dnnl_memory_desc_t *y = pass == dnnl_forward_training || pass == dnnl_forward_inference
                                    ? &d->dst_desc
                                    : &d->diff_dst_desc;
  long inputs = 1;
  for (int i = 1; i < x->ndims; ++i)
    inputs *= (long)x->dims[i];
  describe_linear(describe_pass(pass), implementation,
                  (const long[]){(long)x->dims[0], inputs, (long)y->dims[1]}, text, out);
}

// Only detection's forward products are made so.
static void describe_matrices(const dnnl_matmul_desc_t *d, const char *implementation, char *text,
                              fm_work *out) {
  describe_linear("forward", implementation,
                  (const long[]){(long)d->src_desc.dims[0], (long)d->src_desc.dims[1],
                                 (long)d->dst_desc.dims[1]},
                  text, out);
}

bool fm_primitive_describe(const_dnnl_primitive_t primitive, char *text, fm_work *out) {
  const_dnnl_primitive_desc_t pd = NULL;
  const char *implementation = "?";
  dnnl_primitive_kind_t kind = dnnl_undefined_primitive;
  *out = (fm_work){.name = text};
  dnnl_primitive_get_primitive_desc(primitive, &pd);
  dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &implementation);
  dnnl_primitive_desc_query(pd, dnnl_query_primitive_kind, 0, &kind);
  out->bytes = describe_bytes(pd);
  const dnnl_convolution_desc_t *convolution = NULL;
  const dnnl_inner_product_desc_t *product = NULL;
  if (kind == dnnl_convolution)
    dnnl_primitive_desc_query(pd, dnnl_query_convolution_d, 0, &convolution);
  if (kind == dnnl_inner_product)
    dnnl_primitive_desc_query(pd, dnnl_query_inner_product_d, 0, &product);
  const dnnl_matmul_desc_t *matrices = NULL;
  if (kind == dnnl_matmul)
    dnnl_primitive_desc_query(pd, dnnl_query_matmul_d, 0, &matrices);
  if (convolution)
    describe_convolution(convolution, implementation, text, out);
  else if (product)
    describe_inner_product(product, implementation, text, out);
  else if (matrices)
    describe_matrices(matrices, implementation, text, out);
  else
    snprintf(text, FM_PROFILE_NAME_BYTES, "%s, %s",
             kind == dnnl_reorder ? "change of layout" : "pooling", implementation);
  return convolution || product || matrices;
}
