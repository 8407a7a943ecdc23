// Greedy placement by size (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net
// Inference").
#include "nn/arena.h"

#include <stdint.h>
#include <stdlib.h>

fm_status fm_arena_add(fm_arena *arena, size_t bytes, int first, int last, int *index) {
  *index = -1;
  if (bytes == 0)
    return FM_OK;
  if (bytes > SIZE_MAX / 4)
    return fm_fail(FM_ERR_MEMORY, "a tensor is too large");
  if (arena->count == arena->capacity) {
    const int capacity = arena->capacity ? arena->capacity * 2 : 256;
    fm_arena_buffer *grown = realloc(arena->buffers, (size_t)capacity * sizeof *grown);
    FM_CHECK_ALLOC(grown);
    arena->buffers = grown;
    arena->capacity = capacity;
  }
  const size_t rounded = (bytes + FM_ARENA_ALIGN - 1) / FM_ARENA_ALIGN * FM_ARENA_ALIGN;
  arena->buffers[arena->count] = (fm_arena_buffer){rounded, 0, first, last};
  *index = arena->count++;
  return FM_OK;
}

void fm_arena_extend(fm_arena *arena, int index, int last) {
  if (index >= 0 && arena->buffers[index].last < last)
    arena->buffers[index].last = last;
}

static int arena_compare_size(const void *a, const void *b) {
  const fm_arena_buffer *x = *(fm_arena_buffer *const *)a, *y = *(fm_arena_buffer *const *)b;
  if (x->bytes != y->bytes)
    return x->bytes > y->bytes ? -1 : 1;
  return x < y ? -1 : x > y;
}

static int arena_compare_offset(const void *a, const void *b) {
  const fm_arena_buffer *x = *(fm_arena_buffer *const *)a, *y = *(fm_arena_buffer *const *)b;
  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

// The lowest gap of enough bytes between the placed buffers that are alive with `buffer`.
static size_t arena_gap(fm_arena_buffer **alive, int count, size_t bytes) {
  qsort(alive, (size_t)count, sizeof *alive, arena_compare_offset);
  size_t offset = 0;
  for (int i = 0; i < count; ++i) {
    if (alive[i]->offset >= offset + bytes)
      break;
    const size_t end = alive[i]->offset + alive[i]->bytes;
    if (end > offset)
      offset = end;
  }
  return offset;
}

fm_status fm_arena_place(fm_arena *arena) {
  const size_t n = (size_t)arena->count;
  fm_arena_buffer **order = malloc((n ? n : 1) * sizeof *order);
  fm_arena_buffer **alive = malloc((n ? n : 1) * sizeof *alive);
  if (!order || !alive) {
    free(order);
    free(alive);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  for (size_t i = 0; i < n; ++i)
    order[i] = &arena->buffers[i];
  qsort(order, n, sizeof *order, arena_compare_size);
  arena->bytes = 0;
  for (size_t i = 0; i < n; ++i) {
    int count = 0;
    for (size_t j = 0; j < i; ++j)
      if (order[j]->first <= order[i]->last && order[i]->first <= order[j]->last)
        alive[count++] = order[j];
    order[i]->offset = arena_gap(alive, count, order[i]->bytes);
    if (order[i]->offset + order[i]->bytes > arena->bytes)
      arena->bytes = order[i]->offset + order[i]->bytes;
  }
  free(order);
  free(alive);
  return FM_OK;
}

void fm_arena_release(fm_arena *arena) {
  free(arena->buffers);
  *arena = (fm_arena){0};
}
