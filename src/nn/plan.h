// A plan: a graph compiled for one set of input shapes, a precision and a purpose. After it exists,
// running allocates nothing.
#ifndef FM_NN_PLAN_H
#define FM_NN_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "nn/graph.h"
#include "nn/ranges.h"
#include "nn/tensor.h"

typedef enum fm_purpose {
  FM_INFER,    // forward only; batch norm folded; buffers reused as soon as possible
  FM_TRAIN,    // forward keeps what backward reads; batch norm uses batch statistics
  FM_VALIDATE, // forward only, like FM_INFER, but built for the training shapes (losses without
               // updates)
} fm_purpose;

// Memory that plans which never run at the same time share; grows to the largest. One thread at a
// time.
typedef struct fm_workspace fm_workspace;
FM_MUST_USE fm_status fm_workspace_new(fm_workspace **out);
void fm_workspace_free(fm_workspace *workspace);
size_t fm_workspace_bytes(const fm_workspace *workspace);

typedef struct fm_plan fm_plan;

typedef struct fm_plan_options {
  fm_purpose purpose;
  // Of the values between ops. FM_S8: whole numbers where the ranges are known, fp32 elsewhere; not
  // for FM_TRAIN.
  fm_dtype precision;
  const fm_tensor *inputs; // per graph input, in order: dtype, shape and block as the caller will
                           // bind them; data ignored
  int input_count;
  fm_workspace *workspace; // lends
  fm_ranges *ranges;       // lends; of this graph, NULL for none
  bool observes;           // forward widens the ranges to the values it makes (fp32)
} fm_plan_options;

FM_MUST_USE fm_status fm_plan_new(fm_plan **out, const fm_graph *graph,
                                  const fm_plan_options *options);
void fm_plan_free(fm_plan *plan);

// Memory of an input for the runs that follow; `gradient` may be NULL where none is wanted.
// Backward WRITES d(input) there.
void fm_plan_bind(fm_plan *plan, int input, void *data, void *gradient);
FM_MUST_USE fm_status fm_plan_forward(fm_plan *plan);
// An output by its position in the graph's list; valid until the next forward of any plan with the
// same workspace.
fm_tensor fm_plan_output(const fm_plan *plan, int output);
// Where the caller writes d(loss)/d(output) before backward; the whole buffer (same layout as the
// output) must be written.
fm_tensor fm_plan_output_gradient(fm_plan *plan, int output);
// Adds to the gradients of the trained parameters (zero them before the step).
FM_MUST_USE fm_status fm_plan_backward(fm_plan *plan);
size_t fm_plan_bytes(const fm_plan *plan);

// A bounded cache, least recently used out first. The key is purpose, precision and the input
// shapes; for int8 also the state of the parameters and ranges, as whole numbers depend on them.
typedef struct fm_plan_cache fm_plan_cache;
FM_MUST_USE fm_status fm_plan_cache_new(fm_plan_cache **out, const fm_graph *graph, int capacity);
void fm_plan_cache_free(fm_plan_cache *cache);
FM_MUST_USE fm_status fm_plan_cache_get(fm_plan_cache *cache, const fm_plan_options *options,
                                        fm_plan **out); // lent

#endif
