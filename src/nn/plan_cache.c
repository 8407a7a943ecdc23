// A bounded cache of plans, the least recently used out first.
#include <stdlib.h>
#include <string.h>

#include "nn/params_layout.h"
#include "nn/plan_private.h"

typedef struct cache_slot {
  fm_plan *plan;
  uint64_t used;
} cache_slot;

struct fm_plan_cache {
  const fm_graph *graph;
  cache_slot *slots;
  int capacity;
  uint64_t clock;
};

fm_status fm_plan_cache_new(fm_plan_cache **out, const fm_graph *graph, int capacity) {
  *out = calloc(1, sizeof **out);
  FM_CHECK_ALLOC(*out);
  (*out)->graph = graph;
  (*out)->capacity = capacity;
  (*out)->slots = calloc((size_t)capacity, sizeof *(*out)->slots);
  if (!(*out)->slots) {
    free(*out);
    *out = NULL;
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  return FM_OK;
}

void fm_plan_cache_free(fm_plan_cache *cache) {
  if (!cache)
    return;
  for (int i = 0; i < cache->capacity; ++i)
    fm_plan_free(cache->slots[i].plan);
  free(cache->slots);
  free(cache);
}

static bool plan_cache_same(const fm_plan *plan, const fm_plan_options *options) {
  if (plan->options.purpose != options->purpose || plan->options.precision != options->precision ||
      plan->options.workspace != options->workspace || plan->options.ranges != options->ranges ||
      plan->options.observes != options->observes ||
      plan->options.input_count != options->input_count)
    return false;
  for (int i = 0; i < options->input_count; ++i) {
    const fm_tensor *a = &plan->inputs[i], *b = &options->inputs[i];
    if (a->dtype != b->dtype || a->block != b->block || a->shape.n != b->shape.n ||
        (fm_dtype_is_int8(a->dtype) && a->scale != b->scale) || a->shape.c != b->shape.c ||
        a->shape.h != b->shape.h || a->shape.w != b->shape.w)
      return false;
  }
  return options->precision != FM_S8 ||
         (plan->params_version == fm_params_version(plan->graph->params) &&
          plan->ranges_version == fm_ranges_version(options->ranges));
}

fm_status fm_plan_cache_get(fm_plan_cache *cache, const fm_plan_options *options, fm_plan **out) {
  cache_slot *oldest = &cache->slots[0];
  for (int i = 0; i < cache->capacity; ++i) {
    cache_slot *slot = &cache->slots[i];
    if (slot->plan && plan_cache_same(slot->plan, options)) {
      slot->used = ++cache->clock;
      *out = slot->plan;
      return FM_OK;
    }
    if (slot->used < oldest->used)
      oldest = slot;
  }
  fm_plan *plan;
  FM_TRY(fm_plan_new(&plan, cache->graph, options));
  fm_plan_free(oldest->plan);
  *oldest = (cache_slot){plan, ++cache->clock};
  *out = plan;
  return FM_OK;
}
