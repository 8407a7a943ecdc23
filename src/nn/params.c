// The parameters: names, kinds, start values, and the flat blocks they lie in.
#include "nn/params.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clones.h"
#include "base/hash.h"
#include "nn/params_layout.h"

enum {
  PARAM_ALIGN = 16,      // floats: every parameter starts on a cache line
  PARAM_PIECE = 1 << 16, // that a thread takes at a time
  PARAM_LARGE = 1 << 20, // a gradient that is not zeroed before a layer asks for it
};

typedef struct param_lender {
  struct param_lender *next;
  fm_param_memory memory;
} param_lender;

typedef struct param_entry {
  fm_param_spec spec;
  size_t offset, count;
  const float *lent; // values in the lender's memory, read only; NULL: in the block
  const param_lender *lender;
  bool written; // the gradient, since it was last zero
  bool stale;   // it is zero, but its memory is not yet
} param_entry;

struct fm_params {
  param_entry *entries;
  int count, capacity;
  size_t total, reserved; // floats
  float *value, *gradient, *moment[FM_MOMENT_SLOTS];
  param_lender *lenders;
  uint64_t version;
  fm_working *working; // copies for the ops, see working.h
};

fm_status fm_params_new(fm_params **out) {
  *out = calloc(1, sizeof **out);
  FM_CHECK_ALLOC(*out);
  (*out)->version = 1;
  return FM_OK;
}

static void params_release_lenders(fm_params *params) {
  while (params->lenders) {
    param_lender *next = params->lenders->next;
    params->lenders->memory.release(params->lenders->memory.owner);
    free(params->lenders);
    params->lenders = next;
  }
}

static size_t params_block_bytes(size_t floats) {
  return (floats ? floats : PARAM_ALIGN) * sizeof(float);
}

static void params_block_free(const fm_params *params, float *block) {
  if (block)
    munmap(block, params_block_bytes(params->reserved));
}

void fm_params_free(fm_params *params) {
  if (!params)
    return;
  fm_working_free_all(params->working);
  params_block_free(params, params->value);
  params_block_free(params, params->gradient);
  for (int slot = 0; slot < FM_MOMENT_SLOTS; ++slot)
    params_block_free(params, params->moment[slot]);
  params_release_lenders(params);
  free(params->entries);
  free(params);
}

// Pages of zeros that take no memory until they are written: detectors whose values are all lent
// never do.
static float *params_block(size_t floats) {
  void *block = mmap(NULL, params_block_bytes(floats), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED)
    return NULL;
  madvise(block, params_block_bytes(floats), MADV_HUGEPAGE); // a hint, as in workspace.c
  return block;
}

// Grows one block from `used` to `reserved` floats, keeping its content.
static fm_status params_grow_block(float **block, size_t used, size_t reserved) {
  if (!*block) {
    *block = params_block(reserved);
    FM_CHECK_ALLOC(*block);
    return FM_OK;
  }
  void *grown =
      mremap(*block, params_block_bytes(used), params_block_bytes(reserved), MREMAP_MAYMOVE);
  if (grown == MAP_FAILED)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  *block = grown;
  return FM_OK;
}

static fm_status params_reserve(fm_params *params, size_t total) {
  if (total <= params->reserved)
    return FM_OK;
  const size_t before = params->reserved;
  size_t reserved = before ? before : 1 << 16;
  while (reserved < total)
    reserved *= 2;
  FM_TRY(params_grow_block(&params->value, before, reserved));
  if (params->gradient)
    FM_TRY(params_grow_block(&params->gradient, before, reserved));
  for (int slot = 0; slot < FM_MOMENT_SLOTS; ++slot)
    if (params->moment[slot])
      FM_TRY(params_grow_block(&params->moment[slot], before, reserved));
  params->reserved = reserved;
  return FM_OK;
}

static fm_status params_find_same(fm_params *params, const fm_param_spec *spec, int *id) {
  const fm_param_spec *known = &params->entries[*id].spec;
  bool same = known->rank == spec->rank;
  for (int i = 0; same && i < spec->rank; ++i)
    same = known->dims[i] == spec->dims[i];
  return same ? FM_OK : fm_fail(FM_ERR_SHAPE, "parameter %s is used with two shapes", spec->name);
}

fm_status fm_params_add(fm_params *params, const fm_param_spec *spec, int *id) {
  *id = fm_params_find(params, spec->name);
  if (*id >= 0)
    return params_find_same(params, spec, id);
  if (spec->rank < 0 || spec->rank > FM_PARAM_RANK_MAX || !spec->name[0])
    return fm_fail(FM_ERR_SHAPE, "parameter \"%s\" has rank %d", spec->name, spec->rank);
  size_t count = 1;
  for (int i = 0; i < spec->rank; ++i) {
    if (spec->dims[i] <= 0 || count > SIZE_MAX / 64 / (size_t)spec->dims[i])
      return fm_fail(FM_ERR_SHAPE, "parameter %s has no valid shape", spec->name);
    count *= (size_t)spec->dims[i];
  }
  if (params->count == params->capacity) {
    const int capacity = params->capacity ? params->capacity * 2 : 64;
    param_entry *grown = realloc(params->entries, (size_t)capacity * sizeof *grown);
    FM_CHECK_ALLOC(grown);
    params->entries = grown;
    params->capacity = capacity;
  }
  const size_t padded = (count + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
  FM_TRY(params_reserve(params, params->total + padded));
  *id = params->count++;
  params->entries[*id] = (param_entry){.spec = *spec, .offset = params->total, .count = count};
  params->total += padded;
  return FM_OK;
}

int fm_params_count(const fm_params *params) {
  return params->count;
}

const fm_param_spec *fm_params_spec(const fm_params *params, int id) {
  return &params->entries[id].spec;
}

int fm_params_find(const fm_params *params, const char *name) {
  for (int i = 0; i < params->count; ++i)
    if (strcmp(params->entries[i].spec.name, name) == 0)
      return i;
  return -1;
}

size_t fm_params_elements(const fm_params *params, int id) {
  return params->entries[id].count;
}

static void params_fill(float *out, const param_entry *entry, uint64_t seed) {
  const fm_param_spec *spec = &entry->spec;
  const uint64_t stream = fm_hash(FM_HASH_START, spec->name, strlen(spec->name));
  fm_random random = fm_random_make(seed, stream, 0);
  double fan_in = 1, fan_out = 1;
  for (int i = 0; i < spec->rank; ++i) {
    if (i != 0)
      fan_in *= spec->dims[i];
    if (i != 1)
      fan_out *= spec->dims[i];
  }
  double normal = 0, uniform = 0;
  switch (spec->init) {
  case FM_INIT_ZERO:
    break;
  case FM_INIT_ONE:
    for (size_t i = 0; i < entry->count; ++i)
      out[i] = 1;
    return;
  case FM_INIT_NORMAL:
    normal = (double)spec->init_scale;
    break;
  case FM_INIT_KAIMING_UNIFORM:
    uniform = sqrt(6.0 / ((1.0 + (double)spec->init_scale * (double)spec->init_scale) * fan_in));
    break;
  case FM_INIT_KAIMING_NORMAL_FAN_OUT:
    normal = sqrt(2.0 / fan_out);
    break;
  case FM_INIT_UNIFORM:
    uniform = (double)spec->init_scale;
    break;
  }
  for (size_t i = 0; i < entry->count; ++i)
    out[i] = (float)(normal != 0    ? normal * fm_random_normal(&random)
                     : uniform != 0 ? fm_random_range(&random, -uniform, uniform)
                                    : 0);
}

fm_status fm_params_initialise(fm_params *params, uint64_t seed) {
  for (int i = 0; i < params->count; ++i) {
    params_fill(params->value + params->entries[i].offset, &params->entries[i], seed);
    params->entries[i].lent = NULL;
  }
  fm_params_touch(params);
  return FM_OK;
}

static const float *params_read(const fm_params *params, const param_entry *entry) {
  return entry->lent ? entry->lent : params->value + entry->offset;
}

void fm_params_get(const fm_params *params, int id, float *out) {
  const param_entry *entry = &params->entries[id];
  memcpy(out, params_read(params, entry), entry->count * sizeof *out);
}

void fm_params_set(fm_params *params, int id, const float *values) {
  param_entry *entry = &params->entries[id];
  memcpy(params->value + entry->offset, values, entry->count * sizeof *values);
  entry->lent = NULL;
  fm_params_touch(params);
}

fm_status fm_params_keep(fm_params *params, const fm_param_memory *memory) {
  param_lender *lender = malloc(sizeof *lender);
  FM_CHECK_ALLOC(lender);
  *lender = (param_lender){params->lenders, *memory};
  params->lenders = lender;
  return FM_OK;
}

void fm_params_lend(fm_params *params, int id, const float *values) {
  FM_ASSERT(params->lenders);
  params->entries[id].lent = values;
  params->entries[id].lender = params->lenders;
  fm_params_touch(params);
}

// Takes all values into the block, so that they may be written.
static void params_own(fm_params *params) {
  for (int i = 0; i < params->count; ++i) {
    param_entry *entry = &params->entries[i];
    if (entry->lent)
      memcpy(params->value + entry->offset, entry->lent, entry->count * sizeof *entry->lent);
    entry->lent = NULL;
  }
  params_release_lenders(params);
}

void fm_params_done_reading(const fm_params *params, int id) {
  const param_entry *entry = &params->entries[id];
  if (entry->lent && entry->lender->memory.rest)
    entry->lender->memory.rest(entry->lent, entry->count * sizeof *entry->lent);
}

void fm_params_get_gradient(const fm_params *params, int id, float *out) {
  const param_entry *entry = &params->entries[id];
  if (params->gradient && !entry->stale)
    memcpy(out, params->gradient + entry->offset, entry->count * sizeof *out);
  else
    memset(out, 0, entry->count * sizeof *out);
}

void fm_params_get_moment(const fm_params *params, int slot, int id, float *out) {
  const param_entry *entry = &params->entries[id];
  if (slot == FM_MOMENT_NONE)
    fm_params_get(params, id, out);
  else if (params->moment[slot])
    memcpy(out, params->moment[slot] + entry->offset, entry->count * sizeof *out);
  else
    memset(out, 0, entry->count * sizeof *out);
}

fm_status fm_params_set_moment(fm_params *params, int slot, int id, const float *values) {
  FM_TRY(fm_params_need_moment(params, slot));
  const param_entry *entry = &params->entries[id];
  memcpy(params->moment[slot] + entry->offset, values, entry->count * sizeof *values);
  return FM_OK;
}

// The gradients of trained parameters, without stale ones, in pieces, which threads share out.
typedef void param_visit(float *gradient, size_t count, double *out);

static void params_each_piece(const fm_params *params, param_visit *visit, double *partial) {
#pragma omp parallel
  {
    const size_t threads = (size_t)omp_get_num_threads(), thread = (size_t)omp_get_thread_num();
    size_t piece = 0;
    for (int i = 0; i < params->count; ++i) {
      const param_entry *entry = &params->entries[i];
      const bool visited = entry->spec.kind == FM_PARAM_TRAINED && !entry->stale;
      const size_t count = visited ? entry->count : 0;
      for (size_t start = 0; start < count; start += PARAM_PIECE, ++piece)
        if (piece % threads == thread)
          visit(params->gradient + entry->offset + start,
                count - start < PARAM_PIECE ? count - start : PARAM_PIECE,
                partial ? partial + piece : NULL);
    }
  }
}

static void params_zero_piece(float *gradient, size_t count, double *unused) {
  (void)unused;
  memset(gradient, 0, count * sizeof *gradient);
}

void fm_params_zero_gradients(fm_params *params) {
  if (!params->gradient)
    return;
  for (int i = 0; i < params->count; ++i) {
    param_entry *entry = &params->entries[i];
    // Large ones are those of layers that write the first gradient of a step over what is there.
    entry->stale = entry->stale || (entry->written && entry->count >= PARAM_LARGE);
    entry->written = false;
  }
  params_each_piece(params, params_zero_piece, NULL);
}

// What no layer wrote.
static void params_settle(fm_params *params) {
  for (int i = 0; i < params->count; ++i)
    if (params->entries[i].stale)
      fm_params_gradient(params, i);
}

void fm_params_freeze(fm_params *params, const char *prefix, bool frozen) {
  for (int i = 0; i < params->count; ++i) {
    fm_param_spec *spec = &params->entries[i].spec;
    if (spec->kind != FM_PARAM_BUFFER && strncmp(spec->name, prefix, strlen(prefix)) == 0)
      spec->kind = frozen ? FM_PARAM_FROZEN : FM_PARAM_TRAINED;
  }
}

FM_KERNEL static void params_square_piece(float *gradient, size_t count, double *out) {
  double lanes[8] = {0};
  size_t at = 0;
  for (; at + 8 <= count; at += 8)
    for (size_t lane = 0; lane < 8; ++lane)
      lanes[lane] += (double)gradient[at + lane] * (double)gradient[at + lane];
  for (; at < count; ++at)
    lanes[0] += (double)gradient[at] * (double)gradient[at];
  for (size_t lane = 0; lane < 8; ++lane)
    *out += lanes[lane];
}

double fm_params_gradient_norm(const fm_params *params) {
  // One partial sum a piece, added in their order: the same on any number of threads.
  // There are no more pieces than this; the rest adds nothing.
  const size_t pieces = params->total / PARAM_PIECE + (size_t)params->count;
  double *partial = calloc(pieces + 1, sizeof *partial);
  if (!partial || !params->gradient) {
    free(partial);
    return 0;
  }
  params_each_piece(params, params_square_piece, partial);
  double sum = 0;
  for (size_t i = 0; i < pieces; ++i)
    sum += partial[i];
  free(partial);
  return sqrt(sum);
}

fm_param_blocks fm_params_blocks(fm_params *params) {
  params_own(params);
  params_settle(params);
  fm_param_blocks blocks = {params->value, params->gradient, {0}, params->total};
  for (int slot = 0; slot < FM_MOMENT_SLOTS; ++slot)
    blocks.moment[slot] = params->moment[slot];
  return blocks;
}

fm_status fm_params_need_gradients(fm_params *params) {
  params_own(params);
  if (params->gradient)
    return FM_OK;
  params->gradient = params_block(params->reserved);
  FM_CHECK_ALLOC(params->gradient);
  return FM_OK;
}

fm_status fm_params_need_moment(fm_params *params, int slot) {
  if (params->moment[slot])
    return FM_OK;
  params->moment[slot] = params_block(params->reserved);
  FM_CHECK_ALLOC(params->moment[slot]);
  return FM_OK;
}

void fm_params_each_range(const fm_params *params,
                          void (*visit)(void *user, const fm_param_range *range), void *user) {
  for (int i = 0; i < params->count; ++i) {
    const param_entry *entry = &params->entries[i];
    const fm_param_range range = {entry->offset, entry->count, entry->spec.kind,
                                  entry->spec.no_decay};
    visit(user, &range);
  }
}

void fm_params_touch(fm_params *params) {
  ++params->version;
}

uint64_t fm_params_version(const fm_params *params) {
  return params->version;
}

const float *fm_params_value(const fm_params *params, int id) {
  return params_read(params, &params->entries[id]);
}

float *fm_params_own_value(fm_params *params, int id) {
  FM_ASSERT(!params->entries[id].lent);
  return params->value + params->entries[id].offset;
}

float *fm_params_gradient(fm_params *params, int id) {
  param_entry *entry = &params->entries[id];
  FM_ASSERT(params->gradient);
  if (entry->stale)
    memset(params->gradient + entry->offset, 0, entry->count * sizeof(float));
  return fm_params_gradient_to_write(params, id);
}

float *fm_params_gradient_to_write(fm_params *params, int id) {
  param_entry *entry = &params->entries[id];
  FM_ASSERT(params->gradient);
  entry->written = true;
  entry->stale = false;
  return params->gradient + entry->offset;
}

bool fm_params_gradient_written(const fm_params *params, int id) {
  return params->entries[id].written;
}

fm_working **fm_params_working(fm_params *params) {
  return &params->working;
}
