// y = a + b of one shape. y has a's layout; da = db = dy.
#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/op.h"

static fm_status add_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  if (x[0].n != x[1].n || x[0].c != x[1].c || x[0].h != x[1].h || x[0].w != x[1].w)
    return fm_fail(FM_ERR_SHAPE, "add: the shapes (%d,%d,%d,%d) and (%d,%d,%d,%d) differ", x[0].n,
                   x[0].c, x[0].h, x[0].w, x[1].n, x[1].c, x[1].h, x[1].w);
  *y = x[0];
  return FM_OK;
}

static fm_status add_prepare(fm_op_context *context) {
  context->y.block = context->x[0].block;
  return FM_OK;
}

FM_KERNEL static void add_run(float *y, const float *a, const float *b, size_t count) {
  for (size_t i = 0; i < count; i++)
    y[i] = a[i] + b[i];
}

static fm_status add_forward(fm_op_context *context) {
  const fm_tensor *a = &context->x[0], *b = &context->x[1], *y = &context->y;
  size_t total = fm_tensor_elements(y);
#pragma omp parallel for schedule(static) if (total > FM_CHUNK)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float left[FM_CHUNK], right[FM_CHUNK], out[FM_CHUNK];
    size_t count = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    float *target = fm_chunk_target(y, y, start, out);
    const float *first = fm_chunk_read(a, y, start, count, left);
    add_run(target, first, fm_chunk_read(b, y, start, count, right), count);
    fm_chunk_write(y, y, start, count, target);
  }
  return FM_OK;
}

static fm_status add_backward(fm_op_context *context) {
  for (int i = 0; i < 2; i++)
    if (context->dx[i].data)
      fm_tensor_copy(&context->dx[i], &context->dy);
  return FM_OK;
}

extern const fm_op fm_op_add;

fm_value fm_add(fm_graph *graph, fm_value a, fm_value b) {
  fm_value inputs[] = {a, b};
  if (fm_graph_channels(graph, a) != fm_graph_channels(graph, b))
    fm_graph_fail(graph, "add: %d and %d channels differ", fm_graph_channels(graph, a),
                  fm_graph_channels(graph, b));
  return fm_graph_add_node(graph, &fm_op_add, inputs, 2, NULL, 0, NULL, 0,
                           fm_graph_channels(graph, a));
}

static fm_value add_build(fm_graph *graph, const fm_value *inputs) {
  return fm_add(graph, inputs[0], inputs[1]);
}

static fm_value add_build_twice(fm_graph *graph, const fm_value *inputs) {
  return fm_add(graph, inputs[0], inputs[0]);
}

static void add_expect(const fm_shape *shape, const double *const *x, const double *const *params,
                       double *y) {
  (void)params;
  size_t total = (size_t)shape->n * (size_t)shape->c * (size_t)shape->h * (size_t)shape->w;
  for (size_t i = 0; i < total; i++)
    y[i] = x[0][i] + x[1][i];
}

static void add_expect_twice(const fm_shape *shape, const double *const *x,
                             const double *const *params, double *y) {
  (void)params;
  size_t total = (size_t)shape->n * (size_t)shape->c * (size_t)shape->h * (size_t)shape->w;
  for (size_t i = 0; i < total; i++)
    y[i] = 2 * x[0][i];
}

static const fm_op_case add_cases[] = {
    {.name = "add sums element by element",
     .input_count = 2,
     .inputs = {{2, 19, 5, 7}, {2, 19, 5, 7}},
     .build = add_build,
     .reference = add_expect},
    {.name = "add of a value and itself doubles its gradient",
     .input_count = 1,
     .inputs = {{1, 3, 1, 1}},
     .build = add_build_twice,
     .reference = add_expect_twice},
    {.name = NULL},
};

const fm_op fm_op_add = {
    .name = "add",
    .infer = add_infer,
    .prepare = add_prepare,
    .forward = add_forward,
    .backward = add_backward,
    .cases = add_cases,
};
