// Mutates valid inputs, always in the same way, and hands them to a parser. Run under the address
// sanitizer to see more than crashes (meson setup -Db_sanitize=address,undefined).
#ifndef FM_TESTS_FUZZ_H
#define FM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_input {
  uint8_t *data; // heap
  size_t size;
} fuzz_input;

typedef struct fuzz_target {
  const char *name;
  size_t iterations; // by default; the program's first argument replaces it
  // Repairs sums that would hide the mutation from the parser; NULL for none. Called for half of
  // the inputs.
  void (*repair)(uint8_t *data, size_t size);
  void (*run)(const uint8_t *data, size_t size); // aborts when a promise of the parser is broken
} fuzz_target;

fuzz_input fuzz_copy(const void *data, size_t size);
// Frees the seeds; returns the exit status of main.
int fuzz_main(const fuzz_target *target, fuzz_input *seeds, size_t seed_count, int argc,
              char **argv);
// Says what does not hold and aborts.
void fuzz_require(int condition, const char *what);

#endif
