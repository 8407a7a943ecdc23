// How long OpenMP's threads wait for one another awake. libgomp spins for some 16 ms, which on
// cores shared with the loader or with other programs keeps the very thread from running that is
// waited for: steps take up to three times as long. After about 0.1 ms a thread had better sleep.
// libgomp reads the environment once, before main, and has no call for it, so the program starts
// itself again.
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/common.h"

void fm_cli_openmp_wait(char **argv) {
  static const char self[] = "/proc/self/exe";
  char path[PATH_MAX];
  if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
    return;
  if (setenv("GOMP_SPINCOUNT", "3000", 1))
    return;
  // A process is named after the path it was started by, and by the link it would be called "exe".
  const ssize_t length = readlink(self, path, sizeof path - 1);
  if (length > 0) {
    path[length] = '\0';
    execv(path, argv);
  }
  execv(self, argv); // when this fails too, the program is merely slower
}
