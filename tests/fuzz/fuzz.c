// The mutations and the loop.
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { FUZZ_MUTATIONS_MAX = 4, FUZZ_GROWTH = 256 };

void fuzz_require(int condition, const char *what) {
  if (condition)
    return;
  fprintf(stderr, "fuzz: does not hold: %s\n", what);
  abort();
}

fuzz_input fuzz_copy(const void *data, size_t size) {
  fuzz_input input = {malloc(size + 1), size};
  fuzz_require(input.data != NULL, "memory");
  memcpy(input.data, data, size);
  return input;
}

static void fuzz_overwrite(uint8_t *data, size_t size, fm_random *random) {
  static const uint32_t values[] = {0,      1,      0x7f,       0x80,       0xff,
                                    0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  uint32_t value = values[fm_random_below(random, sizeof values / sizeof *values)];
  size_t width = 1 + fm_random_below(random, 4), at = fm_random_below(random, size);
  int big_endian = (int)fm_random_below(random, 2);
  for (size_t i = 0; i < width && at + i < size; i++)
    data[at + i] = (uint8_t)(value >> 8 * (big_endian ? width - 1 - i : i));
}

// Copies or moves a range within the data; may make it shorter or longer.
static size_t fuzz_splice(uint8_t *data, size_t size, size_t capacity, fm_random *random) {
  size_t from = fm_random_below(random, size), to = fm_random_below(random, size);
  size_t length = 1 + fm_random_below(random, 32);
  length = length < size - from ? length : size - from;
  if (fm_random_below(random, 2)) { // remove
    memmove(data + from, data + from + length, size - from - length);
    return size - length;
  }
  if (length > capacity - size)
    return size;
  uint8_t part[32];
  memcpy(part, data + from, length);
  memmove(data + to + length, data + to, size - to);
  memcpy(data + to, part, length);
  return size + length;
}

static size_t fuzz_mutate(uint8_t *data, size_t size, size_t capacity, fm_random *random) {
  size_t count = 1 + fm_random_below(random, FUZZ_MUTATIONS_MAX);
  for (size_t i = 0; i < count && size > 0; i++) {
    size_t at = fm_random_below(random, size);
    switch (fm_random_below(random, 8)) {
    case 0:
      if (fm_random_below(random, 4) == 0)
        size = at;
      break;
    case 1:
    case 2:
      data[at] ^= (uint8_t)(1u << fm_random_below(random, 8));
      break;
    case 3:
    case 4:
      data[at] = (uint8_t)fm_random_bits(random);
      break;
    case 5:
      size = fuzz_splice(data, size, capacity, random);
      break;
    default:
      fuzz_overwrite(data, size, random);
      break;
    }
  }
  return size;
}

static void fuzz_once(const fuzz_target *target, const fuzz_input *seed, fm_random *random) {
  size_t capacity = seed->size + FUZZ_GROWTH;
  uint8_t *work = malloc(capacity);
  fuzz_require(work != NULL, "memory");
  memcpy(work, seed->data, seed->size);
  size_t size = fuzz_mutate(work, seed->size, capacity, random);
  if (target->repair && fm_random_below(random, 2))
    target->repair(work, size);
  fuzz_input exact = fuzz_copy(work, size); // no room behind: a sanitizer sees reads past the end
  free(work);
  target->run(exact.data, exact.size);
  free(exact.data);
}

int fuzz_main(const fuzz_target *target, fuzz_input *seeds, size_t seed_count, int argc,
              char **argv) {
  size_t iterations = argc > 1 ? strtoul(argv[1], NULL, 10) : target->iterations;
  for (size_t i = 0; i < seed_count; i++)
    target->run(seeds[i].data, seeds[i].size);
  for (size_t i = 0; i < iterations; i++) {
    fm_random random = fm_random_make(1, 0, i);
    fuzz_once(target, &seeds[i % seed_count], &random);
  }
  for (size_t i = 0; i < seed_count; i++)
    free(seeds[i].data);
  printf("%s: %zu inputs survived\n", target->name, iterations);
  return 0;
}
