// The ranges of a graph's values, which int8 plans need: measured by running an fp32 plan that
// observes, kept with the model, read when an int8 plan is made. Values are known by names that
// stay as long as the model's builder does.
#ifndef FM_NN_RANGES_H
#define FM_NN_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/graph.h"
#include "nn/tensor.h"

enum { FM_RANGE_NAME_BYTES = 192 };

// 0 lies in every range.
typedef struct fm_range {
  float low, high;
  bool known;
} fm_range;
// Makes the tensor FM_U8, or FM_S8 where the range has negative numbers, with the scale that covers
// it. The range must be known.
void fm_range_quantise(const fm_range *range, fm_tensor *tensor);

typedef struct fm_ranges fm_ranges;
FM_MUST_USE fm_status fm_ranges_new(fm_ranges **out, const fm_graph *graph); // lends the graph
// The same ranges for another graph with values of the same names: reads `origin`, which it lends.
// For plans that do not observe.
FM_MUST_USE fm_status fm_ranges_view(fm_ranges **out, const fm_graph *graph,
                                     const fm_ranges *origin);
void fm_ranges_free(fm_ranges *ranges);
// The values whose range matters, by position; the others are read by nothing that computes.
int fm_ranges_count(const fm_ranges *ranges);
const char *fm_ranges_name(const fm_ranges *ranges, int index); // the layer's name, or the op's
fm_range fm_ranges_get(const fm_ranges *ranges, int index);
// Must be finite, low <= 0 <= high.
void fm_ranges_set(fm_ranges *ranges, int index, float low, float high);
int fm_ranges_find(const fm_ranges *ranges, const char *name); // -1 when there is none
bool fm_ranges_complete(const fm_ranges *ranges);              // all are known

// For plans: by the value's id. Observing widens the range to what the tensor holds; the version
// moves with every change.
fm_range fm_ranges_of(const fm_ranges *ranges, int value);
void fm_ranges_observe(fm_ranges *ranges, int value, const fm_tensor *tensor);
uint64_t fm_ranges_version(const fm_ranges *ranges);

#endif
