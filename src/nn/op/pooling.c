// Pooling by oneDNN, in the layout and number type in which x arrives.
#include "nn/op/pooling.h"

fm_status fm_pooling_infer(const char *name, const pooling_options *options, const fm_shape *x,
                           fm_shape *y) {
  const int h = x->h + 2 * options->padding - options->kernel;
  const int w = x->w + 2 * options->padding - options->kernel;
  if (h < 0 || w < 0)
    return fm_fail(FM_ERR_SHAPE, "%s: a %d x %d input is smaller than the kernel", name, x->w,
                   x->h);
  *y = (fm_shape){x->n, x->c, h / options->stride + 1, w / options->stride + 1};
  return FM_OK;
}

static size_t pooling_align(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

fm_status fm_pooling_prepare(fm_op_context *context, dnnl_alg_kind_t kind, const int window[2],
                             int stride, int padding) {
  pooling_state *state = context->state;
  const bool training = context->purpose == FM_TRAIN;
  context->y.dtype = context->x[0].dtype;
  context->y.scale = context->x[0].scale; // which neither a maximum nor a mean leaves
  context->y.block =
      context->x[0].block == context->x[0].shape.c ? context->y.shape.c : context->x[0].block;
  dnnl_memory_desc_t x, y;
  FM_TRY(fm_dnnl_desc(&x, &context->x[0]));
  FM_TRY(fm_dnnl_desc(&y, &context->y));
  const dnnl_dims_t strides = {stride, stride}, kernel = {window[0], window[1]};
  // The right padding that makes the output come out as torch counts it (floor).
  const dnnl_dims_t left = {padding, padding};
  const dnnl_dims_t right = {
      (context->y.shape.h - 1) * stride + window[0] - context->x[0].shape.h - padding,
      (context->y.shape.w - 1) * stride + window[1] - context->x[0].shape.w - padding};
  dnnl_pooling_desc_t desc;
  FM_DNNL(dnnl_pooling_forward_desc_init(&desc,
                                         training ? dnnl_forward_training : dnnl_forward_inference,
                                         kind, &x, &y, strides, kernel, left, right));
  dnnl_primitive_attr_t attributes;
  FM_TRY(fm_dnnl_attributes(&attributes));
  dnnl_primitive_desc_t pd = NULL, hint = NULL, backward = NULL;
  dnnl_status_t status = dnnl_primitive_desc_create(&pd, &desc, attributes, fm_dnnl_engine(), NULL);
  if (status == dnnl_success && training && context->wants_dx[0]) {
    dnnl_pooling_desc_t desc_backward;
    status =
        dnnl_pooling_backward_desc_init(&desc_backward, kind, &x, &y, strides, kernel, left, right);
    if (status == dnnl_success)
      status = dnnl_primitive_desc_clone(&hint, pd);
    if (status == dnnl_success)
      status =
          dnnl_primitive_desc_create(&backward, &desc_backward, attributes, fm_dnnl_engine(), hint);
    dnnl_primitive_desc_destroy(hint);
  }
  dnnl_primitive_attr_destroy(attributes);
  if (status != dnnl_success) {
    dnnl_primitive_desc_destroy(pd);
    return fm_dnnl_check(status, "pooling");
  }
  const dnnl_memory_desc_t workspace =
      *dnnl_primitive_desc_query_md(pd, dnnl_query_workspace_md, 0);
  state->workspace_bytes = training ? dnnl_memory_desc_get_size(&workspace) : 0;
  FM_TRY(fm_primitive_init(&state->forward, pd));
  FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_SRC, &x));
  FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_DST, &y));
  if (state->workspace_bytes)
    FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_WORKSPACE, &workspace));
  if (backward) {
    FM_TRY(fm_primitive_init(&state->backward, backward));
    FM_TRY(fm_primitive_add(&state->backward, DNNL_ARG_DIFF_SRC, &x));
    FM_TRY(fm_primitive_add(&state->backward, DNNL_ARG_DIFF_DST, &y));
    if (state->workspace_bytes)
      FM_TRY(fm_primitive_add(&state->backward, DNNL_ARG_WORKSPACE, &workspace));
  }
  context->saved_bytes = state->workspace_bytes;
  context->forward_scratch_bytes = pooling_align(state->forward.scratchpad_bytes);
  context->backward_scratch_bytes = pooling_align(state->backward.scratchpad_bytes);
  return FM_OK;
}

fm_status fm_pooling_forward(fm_op_context *context) {
  pooling_state *state = context->state;
  fm_primitive_set(&state->forward, DNNL_ARG_SRC, context->x[0].data);
  fm_primitive_set(&state->forward, DNNL_ARG_DST, context->y.data);
  if (state->workspace_bytes)
    fm_primitive_set(&state->forward, DNNL_ARG_WORKSPACE, context->saved);
  fm_primitive_set(&state->forward, DNNL_ARG_SCRATCHPAD, context->scratch);
  return fm_primitive_run(&state->forward);
}

fm_status fm_pooling_backward(fm_op_context *context) {
  pooling_state *state = context->state;
  if (!context->wants_dx[0])
    return FM_OK;
  fm_primitive_set(&state->backward, DNNL_ARG_DIFF_SRC, context->dx[0].data);
  fm_primitive_set(&state->backward, DNNL_ARG_DIFF_DST, context->dy.data);
  if (state->workspace_bytes)
    fm_primitive_set(&state->backward, DNNL_ARG_WORKSPACE, context->saved);
  fm_primitive_set(&state->backward, DNNL_ARG_SCRATCHPAD, context->scratch);
  return fm_primitive_run(&state->backward);
}

void fm_pooling_release(fm_op_context *context) {
  pooling_state *state = context->state;
  fm_primitive_release(&state->forward);
  fm_primitive_release(&state->backward);
}

void fm_pooling_describe(const fm_node *node, fm_node_settings *out) {
  const pooling_options *o = (const pooling_options *)(const void *)node->options;
  out->kernel = o->kernel;
  out->stride = o->stride;
  out->padding = o->padding;
}
