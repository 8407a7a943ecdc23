// Which of a graph's values need a range, how they are called, and what was seen of them.
#include "nn/ranges.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/graph_private.h"

enum { RANGES_LANES = 16 };
static const float RANGES_LEAST = 1e-20f;

typedef struct ranges_entry {
  char name[FM_RANGE_NAME_BYTES];
  int value;
  fm_range range;
} ranges_entry;

struct fm_ranges {
  const fm_graph *graph;
  ranges_entry *entries;
  int count;
  int *places;             // by value: of its entry, -1 for none
  const fm_ranges *origin; // whose entries they are; NULL: its own
  uint64_t version;
};

void fm_range_quantise(const fm_range *range, fm_tensor *tensor) {
  FM_ASSERT(range->known);
  const bool has_sign = range->low < 0;
  const float low = -range->low, most = has_sign && low > range->high ? low : range->high;
  tensor->dtype = has_sign ? FM_S8 : FM_U8;
  // A value that was zero all the time can have any scale.
  tensor->scale = most > RANGES_LEAST ? most / (has_sign ? 127.0f : 255.0f) : RANGES_LEAST;
}

// --- which values, and their names

static bool ranges_needs(const fm_graph *graph, int value) {
  const bool input = graph->values[value].input >= 0;
  for (int i = 0; i < graph->output_count; ++i)
    if (graph->outputs[i].value == value && !input &&
        !graph->nodes[graph->values[value].producer].op->exact)
      return true;
  for (int n = 0; n < graph->node_count; ++n) {
    const fm_node *node = &graph->nodes[n];
    for (int i = 0; i < node->input_count; ++i)
      if (node->inputs[i] == value && (input ? node->op->quantises : !node->op->exact))
        return true;
  }
  return false;
}

static void ranges_base_name(char *out, const fm_graph *graph, int value) {
  const fm_graph_value *v = &graph->values[value];
  if (v->input >= 0) {
    snprintf(out, FM_RANGE_NAME_BYTES, "%s", graph->inputs[v->input].name);
    return;
  }
  const fm_node *node = &graph->nodes[v->producer];
  if (!node->op->quantises) {
    snprintf(out, FM_RANGE_NAME_BYTES, "%s", node->op->name);
    return;
  }
  const char *weight = fm_params_spec(graph->params, node->params[0])->name;
  snprintf(out, FM_RANGE_NAME_BYTES, "%.*s", (int)(strlen(weight) - strlen(".weight")), weight);
}

// Layers that share their weights, and ops without any, are told apart by a number.
static void ranges_add(fm_ranges *self, int value) {
  ranges_entry *entry = &self->entries[self->count];
  char base[FM_RANGE_NAME_BYTES];
  ranges_base_name(base, self->graph, value);
  int number = 1;
  memcpy(entry->name, base, sizeof base);
  while (fm_ranges_find(self, entry->name) >= 0)
    snprintf(entry->name, sizeof entry->name, "%.*s#%d", FM_PARAM_NAME_BYTES, base, ++number);
  entry->value = value;
  self->places[value] = self->count++;
}

fm_status fm_ranges_new(fm_ranges **out, const fm_graph *graph) {
  *out = NULL;
  FM_TRY(fm_graph_status(graph));
  fm_ranges *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->graph = graph;
  self->entries = calloc((size_t)graph->value_count, sizeof *self->entries);
  self->places = calloc((size_t)graph->value_count, sizeof *self->places);
  if (!self->entries || !self->places) {
    fm_ranges_free(self);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  self->places[0] = -1;
  for (int value = 1; value < graph->value_count; ++value) {
    self->places[value] = -1;
    if (ranges_needs(graph, value))
      ranges_add(self, value);
  }
  *out = self;
  return FM_OK;
}

fm_status fm_ranges_view(fm_ranges **out, const fm_graph *graph, const fm_ranges *origin) {
  FM_TRY(fm_ranges_new(out, graph));
  fm_ranges *self = *out;
  self->origin = origin;
  for (int value = 0; value < graph->value_count; ++value)
    if (self->places[value] >= 0)
      self->places[value] = fm_ranges_find(origin, self->entries[self->places[value]].name);
  return FM_OK;
}

void fm_ranges_free(fm_ranges *ranges) {
  if (!ranges)
    return;
  free(ranges->entries);
  free(ranges->places);
  free(ranges);
}

int fm_ranges_count(const fm_ranges *ranges) {
  return ranges->count;
}

const char *fm_ranges_name(const fm_ranges *ranges, int index) {
  return ranges->entries[index].name;
}

fm_range fm_ranges_get(const fm_ranges *ranges, int index) {
  return ranges->entries[index].range;
}

void fm_ranges_set(fm_ranges *ranges, int index, float low, float high) {
  FM_ASSERT(isfinite(low) && isfinite(high) && low <= 0 && high >= 0);
  ranges->entries[index].range = (fm_range){low, high, true};
  ++ranges->version;
}

int fm_ranges_find(const fm_ranges *ranges, const char *name) {
  for (int i = 0; i < ranges->count; ++i)
    if (strcmp(ranges->entries[i].name, name) == 0)
      return i;
  return -1;
}

bool fm_ranges_complete(const fm_ranges *ranges) {
  for (int i = 0; i < ranges->count; ++i)
    if (!ranges->entries[i].range.known)
      return false;
  return true;
}

fm_range fm_ranges_of(const fm_ranges *ranges, int value) {
  const int place = ranges->places[value];
  const fm_ranges *owner = ranges->origin ? ranges->origin : ranges;
  return place >= 0 ? owner->entries[place].range : (fm_range){0, 0, false};
}

uint64_t fm_ranges_version(const fm_ranges *ranges) {
  return ranges->origin ? ranges->origin->version : ranges->version;
}

// --- observing

// In lanes: a minimum of all is not made a vector.
FM_KERNEL static void ranges_widen(const float *values, size_t count, float *low, float *high) {
  float least[RANGES_LANES] = {0}, most[RANGES_LANES] = {0};
  size_t at = 0;
  for (; at + RANGES_LANES <= count; at += RANGES_LANES) {
    for (size_t k = 0; k < RANGES_LANES; ++k)
      least[k] = values[at + k] < least[k] ? values[at + k] : least[k];
    for (size_t k = 0; k < RANGES_LANES; ++k)
      most[k] = values[at + k] > most[k] ? values[at + k] : most[k];
  }
  for (; at < count; ++at) {
    least[0] = values[at] < least[0] ? values[at] : least[0];
    most[0] = values[at] > most[0] ? values[at] : most[0];
  }
  *low = *high = 0;
  for (size_t k = 0; k < RANGES_LANES; ++k) {
    *low = least[k] < *low ? least[k] : *low;
    *high = most[k] > *high ? most[k] : *high;
  }
}

void fm_ranges_observe(fm_ranges *ranges, int value, const fm_tensor *tensor) {
  const int place = ranges->places[value];
  if (place < 0)
    return;
  float low = ranges->entries[place].range.low, high = ranges->entries[place].range.high;
  const size_t total = fm_tensor_elements(tensor);
#pragma omp parallel for schedule(static) reduction(min : low) reduction(max : high)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float buffer[FM_CHUNK], least, most;
    const size_t count = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    ranges_widen(fm_chunk_read(tensor, tensor, start, count, buffer), count, &least, &most);
    low = least < low ? least : low;
    high = most > high ? most : high;
  }
  if (isfinite(low) && isfinite(high))
    fm_ranges_set(ranges, place, low, high);
}
