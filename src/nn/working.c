// Working copies of parameters, and folding a norm into them.
#include "nn/working.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "nn/library.h"
#include "nn/params_layout.h"
#include "nn/primitive.h"
#include "nn/profile.h"
#include "nn/rows.h"

enum {
  WORKING_MOST = 127, // of a whole number
  WORKING_LANES = 16,
  WORKING_TURNED_ROWS = 64,
};
// A channel whose largest weight is below is zero.
static const float WORKING_LEAST = 1e-12f;

struct fm_working {
  fm_working *next;
  fm_params *params;
  fm_working_spec spec;
  void *memory;  // NULL: the master itself serves
  float *scales; // [channels] of whole numbers
  fm_primitive reorder;
  int turned_rows;          // that the reorder takes at a time
  _Atomic uint64_t version; // of the parameters it was made from; 0: never
};

// Several threads may detect with the same parameters; making a copy is rare, so one lock serves
// all.
static pthread_mutex_t working_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool working_folds(const fm_working_spec *spec) {
  return spec->fold.gamma >= 0;
}

static bool working_is_int8(const fm_working_spec *spec) {
  return spec->weight >= 0 && spec->wanted.data_type == dnnl_s8;
}

static bool working_same(const fm_working_spec *a, const fm_working_spec *b) {
  return a->weight == b->weight && a->bias == b->bias && a->channels == b->channels &&
         a->turned == b->turned && a->group == b->group && a->packing == b->packing &&
         a->fold.gamma == b->fold.gamma && a->fold.beta == b->fold.beta &&
         a->fold.eps == b->fold.eps && // the same bits, as both come from the same option
         dnnl_memory_desc_equal(&a->wanted, &b->wanted);
}

static void working_free(fm_working *working) {
  fm_primitive_release(&working->reorder);
  free(working->memory);
  free(working->scales);
  free(working);
}

void fm_working_free_all(fm_working *working) {
  while (working) {
    fm_working *next = working->next;
    working_free(working);
    working = next;
  }
}

// Of packed weights: inputs of a product, the kernel's side of a filter.
static int working_packed_inputs(const fm_working_spec *spec) {
  const dnnl_memory_desc_t *master = &spec->master;
  int inputs = 1;
  for (int i = 0; i < master->ndims; ++i)
    inputs *= (int)master->dims[i];
  return inputs / spec->channels;
}
static int working_packed_kernel(const fm_working_spec *spec) {
  return (int)spec->master.dims[spec->master.ndims - 1];
}

static size_t working_bytes(const fm_working_spec *spec) {
  switch (spec->packing) {
  case FM_PACKING_PRODUCT:
    return fm_rows_product_bytes(working_packed_inputs(spec), spec->channels);
  case FM_PACKING_FILTER:
    return fm_rows_filter_bytes(spec->channels, working_packed_kernel(spec));
  default:
    return dnnl_memory_desc_get_size(&spec->wanted);
  }
}

size_t fm_working_group_bytes(const fm_working *working) {
  return (working_bytes(&working->spec) + 63) / 64 * 64;
}

// Groups are changed one by one; what is wanted as it was turned is not changed any more.
static fm_status working_prepare_groups(fm_working *working) {
  const fm_working_spec *spec = &working->spec;
  working->turned_rows = spec->group;
  return dnnl_memory_desc_equal(&spec->master, &spec->wanted)
             ? FM_OK
             : fm_primitive_reorder(&working->reorder, &spec->master, &spec->wanted);
}

// What a turned weight's rows are in the primitive's eyes: (inputs, channels), or channels first.
static bool working_has_columns(const fm_working_spec *spec) {
  return spec->master.format_desc.blocking.strides[0] == 1;
}

// As many rows as are turned at a time, from row `first` on, of what is wanted.
static dnnl_status_t working_rows_desc(dnnl_memory_desc_t *out, const fm_working *working,
                                       dnnl_dim_t first) {
  const fm_working_spec *spec = &working->spec;
  const bool columns = working_has_columns(spec);
  dnnl_dims_t dims = {spec->master.dims[0], spec->master.dims[1]}, at = {0, 0};
  dims[columns] = working->turned_rows;
  at[columns] = first;
  *out = spec->wanted;
  return working->turned_rows == spec->channels
             ? dnnl_success
             : dnnl_memory_desc_init_submemory(out, &spec->wanted, dims, at);
}

// Rows are turned a few at a time: weights that detection reads once shall not be there twice.
static fm_status working_prepare_turned(fm_working *working) {
  const fm_working_spec *spec = &working->spec;
  FM_ASSERT(!working_folds(spec) && spec->master.ndims == 2);
  // Some layouts of whole numbers end with a sum of each row, which only a reorder of all writes.
  const bool parts = spec->channels % WORKING_TURNED_ROWS == 0 && !spec->wanted.extra.flags;
  working->turned_rows = parts ? WORKING_TURNED_ROWS : spec->channels;
  dnnl_memory_desc_t from = spec->master, to;
  from.dims[working_has_columns(spec)] = working->turned_rows;
  from.padded_dims[working_has_columns(spec)] = working->turned_rows;
  FM_DNNL(working_rows_desc(&to, working, 0));
  return fm_primitive_reorder(&working->reorder, &from, &to);
}

static fm_status working_prepare(fm_working *working) {
  const fm_working_spec *spec = &working->spec;
  if (spec->weight < 0) {
    // Rounded up to whole cache lines; oneDNN reads biases in vectors.
    working->memory = aligned_alloc(64, ((size_t)spec->channels * 4 + 127) / 64 * 64);
    FM_CHECK_ALLOC(working->memory);
    return FM_OK;
  }
  if (!working_folds(spec) && !spec->turned && dnnl_memory_desc_equal(&spec->master, &spec->wanted))
    return FM_OK;
  if (working_is_int8(spec)) {
    working->scales = calloc((size_t)spec->channels, sizeof *working->scales);
    FM_CHECK_ALLOC(working->scales);
  }
  const int groups = spec->group ? spec->channels / spec->group : 1;
  working->memory = aligned_alloc(64, fm_working_group_bytes(working) * (size_t)groups);
  FM_CHECK_ALLOC(working->memory);
  if (spec->group)
    return working_prepare_groups(working);
  if (spec->turned && !spec->packing)
    return working_prepare_turned(working);
  return spec->packing || dnnl_memory_desc_equal(&spec->master, &spec->wanted)
             ? FM_OK
             : fm_primitive_reorder(&working->reorder, &spec->master, &spec->wanted);
}

static fm_status working_make(fm_working **out, fm_params *params, const fm_working_spec *spec) {
  fm_working *working = calloc(1, sizeof *working);
  FM_CHECK_ALLOC(working);
  working->params = params;
  working->spec = *spec;
  const fm_status status = working_prepare(working);
  if (status < 0) {
    working_free(working);
    return status;
  }
  *out = working;
  return FM_OK;
}

fm_status fm_working_get(fm_working **out, fm_params *params, const fm_working_spec *spec) {
  fm_status status = FM_OK;
  pthread_mutex_lock(&working_mutex);
  fm_working **head = fm_params_working(params);
  fm_working *found = *head;
  while (found && !working_same(&found->spec, spec))
    found = found->next;
  if (!found) {
    status = working_make(&found, params, spec);
    if (status == FM_OK) {
      found->next = *head;
      *head = found;
    }
  }
  pthread_mutex_unlock(&working_mutex);
  *out = found;
  return status;
}

void fm_fold_scale(fm_params *params, const fm_fold *fold, int channels, float *scale) {
  if (fold->gamma < 0) {
    for (int c = 0; c < channels; ++c)
      scale[c] = 1;
    return;
  }
  const float *gamma = fm_params_value(params, fold->gamma);
  const float *variance = fm_params_value(params, fold->variance);
  for (int c = 0; c < channels; ++c)
    scale[c] = gamma[c] / sqrtf(variance[c] + fold->eps);
}

static void working_fold_bias(fm_working *working) {
  const fm_working_spec *spec = &working->spec;
  float *out = working->memory;
  fm_fold_scale(working->params, &spec->fold, spec->channels, out);
  const float *bias = spec->bias >= 0 ? fm_params_value(working->params, spec->bias) : NULL;
  const float *beta =
      working_folds(spec) ? fm_params_value(working->params, spec->fold.beta) : NULL;
  const float *mean =
      working_folds(spec) ? fm_params_value(working->params, spec->fold.mean) : NULL;
  for (int c = 0; c < spec->channels; ++c) {
    const float own = bias ? bias[c] : 0;
    out[c] = beta ? beta[c] + (own - mean[c]) * out[c] : own;
  }
}

static fm_status working_reorder(fm_working *working, const float *source) {
  fm_primitive_set(&working->reorder, DNNL_ARG_FROM, (void *)(uintptr_t)source);
  fm_primitive_set(&working->reorder, DNNL_ARG_TO, working->memory); // zeroes padding, too
  return fm_primitive_run(&working->reorder);
}

// In lanes: a maximum of all is not made a vector.
FM_KERNEL static float working_most(const float *row, size_t count) {
  float most[WORKING_LANES] = {0};
  size_t at = 0;
  for (; at + WORKING_LANES <= count; at += WORKING_LANES)
    for (size_t k = 0; k < WORKING_LANES; ++k)
      most[k] = fabsf(row[at + k]) > most[k] ? fabsf(row[at + k]) : most[k];
  for (; at < count; ++at)
    most[0] = fabsf(row[at]) > most[0] ? fabsf(row[at]) : most[0];
  for (size_t k = 1; k < WORKING_LANES; ++k)
    most[0] = most[k] > most[0] ? most[k] : most[0];
  return most[0];
}

// The most that two weights which meet the largest inputs add up to, `step` apart and each in one
// pair.
static float working_most_pair(const float *row, size_t count, size_t step) {
  float most = 0;
  for (size_t first = 0; first < count; first += 2 * step)
    for (size_t i = first; i < first + step && i < count; ++i) {
      const float a = row[i], b = i + step < count ? row[i + step] : 0;
      const float pair = a * b > 0 ? fabsf(a + b) : fmaxf(fabsf(a), fabsf(b));
      most = pair > most ? pair : most;
    }
  return most;
}

// What becomes the largest whole number. Without VNNI oneDNN adds the products of two neighbouring
// input channels (of a plain matrix: of two neighbours in its row) in 16 bits, with inputs of up to
// 255: two weights may come to 128 together. Products of single channels are added in 32 bits, and
// some layouts halve their numbers on the way in, for the same reason.
static float working_reach(const fm_working_spec *spec, const float *row, size_t count) {
  const bool grouped = spec->master.ndims == 5;
  const size_t channels = (size_t)spec->master.dims[grouped ? 2 : 1];
  const bool halves = spec->wanted.extra.flags & dnnl_memory_extra_flag_scale_adjust;
  if (halves || channels == 1 || fm_nn_has_vnni())
    return working_most(row, count);
  const float of_channels = working_most_pair(row, count, count / channels);
  const float of_neighbours = working_most_pair(row, count, 1);
  return of_channels > of_neighbours ? of_channels : of_neighbours;
}

// What a row of plain weights is multiplied by, the norm's scale being `scale`; for whole numbers
// so that its largest weight becomes the largest of them.
static float working_factor(fm_working *working, int channel, const float *row, size_t count,
                            float scale) {
  if (!working->scales)
    return scale;
  const float unit = working_reach(&working->spec, row, count) * fabsf(scale) / WORKING_MOST;
  const bool any = unit >= WORKING_LEAST;
  working->scales[channel] = any ? unit : 1;
  return any ? scale / unit : 0;
}

// Each row of plain weights by its factor.
static void working_scale(fm_working *working, const float *source, float *out) {
  const fm_working_spec *spec = &working->spec;
  const size_t row = fm_params_elements(working->params, spec->weight) / (size_t)spec->channels;
  const bool folds = working_folds(spec);
  const float *gamma = folds ? fm_params_value(working->params, spec->fold.gamma) : NULL;
  const float *variance = folds ? fm_params_value(working->params, spec->fold.variance) : NULL;
#pragma omp parallel for schedule(static)
  for (int c = 0; c < spec->channels; ++c) {
    const float *from = source + (size_t)c * row;
    const float scale = working_factor(working, c, from, row,
                                       gamma ? gamma[c] / sqrtf(variance[c] + spec->fold.eps) : 1);
    for (size_t i = 0; i < row; ++i)
      out[(size_t)c * row + i] = from[i] * scale;
  }
}

// Some channels at a time, so that what is read stays in the first cache.
FM_KERNEL static void working_turn_tile(float *restrict out, const float *restrict from,
                                        size_t area, size_t step, float factor) {
  for (size_t pixel = 0; pixel < area; ++pixel)
    for (size_t c = 0; c < WORKING_LANES; ++c)
      out[pixel * step + c] = from[c * area + pixel] * factor;
}

// A row from (c, h, w) to (h, w, c), pixels being `step` apart, by its factor.
static void working_turn_row(fm_working *working, size_t row, float *out, size_t step,
                             const float *from) {
  const fm_working_spec *spec = &working->spec;
  const size_t channels = (size_t)spec->turned;
  const size_t count = fm_params_elements(working->params, spec->weight) / (size_t)spec->channels;
  const size_t area = count / channels;
  const float factor = working_factor(working, (int)row, from, count, 1);
  size_t c = 0;
  for (; c + WORKING_LANES <= channels; c += WORKING_LANES)
    working_turn_tile(out + c, from + c * area, area, step, factor);
  for (; c < channels; ++c)
    for (size_t pixel = 0; pixel < area; ++pixel)
      out[pixel * step + c] = from[c * area + pixel] * factor;
}

// `count` rows of plain weights from `first` on, behind each other or together as a group.
static void working_turn_rows(fm_working *working, size_t first, size_t count, const float *source,
                              float *out) {
  const fm_working_spec *spec = &working->spec;
  const size_t row = fm_params_elements(working->params, spec->weight) / (size_t)spec->channels;
  const size_t channels = (size_t)spec->turned;
  const size_t step = spec->group ? count * channels : channels;
  const size_t apart = spec->group ? channels : row; // from row to row
#pragma omp parallel for schedule(static)
  for (size_t r = 0; r < count; ++r)
    working_turn_row(working, first + r, out + r * apart, step, source + (first + r) * row);
}

// Rows from `first` on, to the primitive's layout.
static fm_status working_put_rows(fm_working *working, size_t first, float *turned) {
  const fm_working_spec *spec = &working->spec;
  size_t offset = first / (size_t)working->turned_rows * fm_working_group_bytes(working);
  if (!spec->group) {
    dnnl_memory_desc_t part;
    FM_TRY(fm_dnnl_check(working_rows_desc(&part, working, (dnnl_dim_t)first),
                         "dnnl_memory_desc_init_submemory"));
    offset = (size_t)part.offset0 * dnnl_data_type_size(spec->wanted.data_type);
  }
  fm_primitive_set(&working->reorder, DNNL_ARG_FROM, turned);
  fm_primitive_set(&working->reorder, DNNL_ARG_TO, (uint8_t *)working->memory + offset);
  return fm_primitive_run(&working->reorder);
}

static fm_status working_turn(fm_working *working, const float *source) {
  const fm_working_spec *spec = &working->spec;
  const size_t row = fm_params_elements(working->params, spec->weight) / (size_t)spec->channels;
  const size_t rows = (size_t)working->turned_rows;
  const bool reorders = working->reorder.handle != NULL;
  float *buffer = NULL;
  if (reorders) {
    buffer = aligned_alloc(64, (rows * row * sizeof *buffer + 63) / 64 * 64);
    FM_CHECK_ALLOC(buffer);
  }
  fm_status status = FM_OK;
  for (size_t first = 0; first < (size_t)spec->channels && status == FM_OK; first += rows) {
    uint8_t *group = (uint8_t *)working->memory + first / rows * fm_working_group_bytes(working);
    float *turned = reorders ? buffer : (float *)(void *)group;
    working_turn_rows(working, first, rows, source, turned);
    if (reorders)
      status = working_put_rows(working, first, turned);
  }
  free(buffer);
  return status;
}

// Scaled weights, each a whole number but for rounding, into place.
static fm_status working_put(fm_working *working, const float *scaled) {
  const fm_working_spec *spec = &working->spec;
  switch (spec->packing) {
  case FM_PACKING_PRODUCT:
    fm_rows_pack_product(working->memory, scaled, working_packed_inputs(spec), spec->channels);
    return FM_OK;
  case FM_PACKING_FILTER:
    fm_rows_pack_filter(working->memory, scaled, spec->channels, working_packed_kernel(spec));
    return FM_OK;
  default:
    return working_reorder(working, scaled);
  }
}

static fm_status working_fold_weight(fm_working *working) {
  const fm_working_spec *spec = &working->spec;
  const float *source = fm_params_value(working->params, spec->weight);
  fm_status status = FM_OK;
  if (spec->turned && !spec->packing) {
    status = working_turn(working, source);
  } else if (dnnl_memory_desc_equal(&spec->master, &spec->wanted)) {
    working_scale(working, source, working->memory); // in plain order: nothing to turn
  } else if (working_folds(spec) || working->scales) {
    // Not kept: for detection it is needed once, and in steps malloc finds the same place again.
    const size_t bytes = dnnl_memory_desc_get_size(&spec->master);
    float *scaled = aligned_alloc(64, (bytes + 63) / 64 * 64);
    FM_CHECK_ALLOC(scaled);
    if (spec->turned)
      working_turn_rows(working, 0, (size_t)spec->channels, source, scaled);
    else
      working_scale(working, source, scaled);
    status = working_put(working, scaled);
    free(scaled);
  } else {
    status = working_reorder(working, source);
  }
  fm_params_done_reading(working->params, spec->weight);
  return status;
}

fm_status fm_working_data(fm_working *working, void **data) {
  if (!working->memory) {
    *data = (void *)(uintptr_t)fm_params_value(working->params, working->spec.weight);
    return FM_OK;
  }
  *data = working->memory;
  const uint64_t version = fm_params_version(working->params);
  if (atomic_load_explicit(&working->version, memory_order_acquire) == version)
    return FM_OK;
  fm_status status = FM_OK;
  pthread_mutex_lock(&working_mutex);
  fm_section section;
  fm_section_begin(&section);
  if (atomic_load_explicit(&working->version, memory_order_relaxed) != version) {
    if (working->spec.weight < 0)
      working_fold_bias(working);
    else
      status = working_fold_weight(working);
    if (status == FM_OK)
      atomic_store_explicit(&working->version, version, memory_order_release);
  }
  fm_section_end_named(&section, "folding of norms into working weights");
  pthread_mutex_unlock(&working_mutex);
  return status;
}

fm_status fm_working_scales(fm_working *working, const float **scales) {
  FM_ASSERT(working->scales);
  void *data;
  FM_TRY(fm_working_data(working, &data));
  *scales = working->scales;
  return FM_OK;
}
