// Lays buffers with known lifetimes into one range of memory. Private to nn.
#ifndef FM_NN_ARENA_H
#define FM_NN_ARENA_H

#include <stddef.h>

#include "base/status.h"

enum { FM_ARENA_ALIGN = 64 };

// Times are moments of a plan's run; a buffer is alive from first to last, both included.
typedef struct fm_arena_buffer {
  size_t bytes, offset;
  int first, last;
} fm_arena_buffer;

typedef struct fm_arena {
  fm_arena_buffer *buffers;
  int count, capacity;
  size_t bytes; // of the whole, after fm_arena_place
} fm_arena;

// *index is -1 for no bytes.
FM_MUST_USE fm_status fm_arena_add(fm_arena *arena, size_t bytes, int first, int last, int *index);
void fm_arena_extend(fm_arena *arena, int index,
                     int last); // lives at least until `last`; index -1 is ignored
// Gives every buffer its offset: the largest first, each at the lowest place that no buffer alive
// at the same time takes.
FM_MUST_USE fm_status fm_arena_place(fm_arena *arena);
void fm_arena_release(fm_arena *arena);

#endif
