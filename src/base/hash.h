// FNV-1a of 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv): tells versions of data apart. It is no
// protection against who means to forge one.
#ifndef FM_BASE_HASH_H
#define FM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define FM_HASH_START 0xcbf29ce484222325u

// The hash of what came before, `size` bytes further on.
static inline uint64_t fm_hash(uint64_t hash, const void *data, size_t size) {
  const uint8_t *bytes = (const uint8_t *)data;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

#endif
