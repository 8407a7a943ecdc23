// How long OpenMP's threads wait for one another awake. libgomp spins for some 16 ms, which on
// cores shared with the loader or with other programs keeps the very thread from running that is
// waited for: steps take up to three times as long. After about 0.1 ms a thread had better sleep.
// libgomp reads the environment once, before main, and has no call for it, so the program starts
// itself again.
#include <stdlib.h>
#include <unistd.h>

#include "cli/common.h"

void fm_cli_openmp_wait(char **argv) {
  if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
    return;
  if (setenv("GOMP_SPINCOUNT", "3000", 1) == 0)
    execv("/proc/self/exe", argv); // when it fails, the program is merely slower
}
