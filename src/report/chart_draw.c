// Runs gnuplot on a chart's script. It is started without a shell, in the chart's folder, with
// temporary names for the pictures, which replace the real ones only when they are whole.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "report/chart_parts.h"

enum { DRAW_MESSAGE_BYTES = 512, DRAW_PICTURE_BYTES_MAX = 1 << 28, DRAW_NAME_BYTES = 300 };

typedef void (*draw_writer)(const fm_chart *chart, FILE *out);

// The path of the chart's file of a kind: folder/NAME.extension.
static char *draw_path(const fm_chart *chart, const char *folder, const char *extension) {
  char name[DRAW_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", chart->name, extension);
  return fm_path_join(folder, name);
}

static fm_status draw_write(const fm_chart *chart, const char *folder, const char *extension,
                            draw_writer write) {
  char *path = draw_path(chart, folder, extension);
  FM_CHECK_ALLOC(path);
  fm_atomic_file file;
  fm_status status = fm_atomic_file_open(&file, path);
  free(path);
  FM_TRY(status);
  write(chart, file.stream);
  return fm_atomic_file_commit(&file);
}

// What gnuplot says on standard error, until it closes it; the first lines are kept, as one.
static void draw_listen(int fd, char message[DRAW_MESSAGE_BYTES]) {
  size_t used = 0;
  char chunk[256];
  for (;;) {
    const ssize_t count = read(fd, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      break;
    for (ssize_t i = 0; i < count && used + 1 < DRAW_MESSAGE_BYTES; i++)
      if (chunk[i] >= ' ' || (used && message[used - 1] != ' '))
        message[used++] = chunk[i] < ' ' ? ' ' : chunk[i];
  }
  message[used] = 0;
}

static fm_status draw_spawn(pid_t *child, const char *folder, char *const arguments[], int error) {
  posix_spawn_file_actions_t actions;
  int failure = posix_spawn_file_actions_init(&actions);
  if (failure)
    return fm_fail(FM_ERR_MEMORY, "cannot start gnuplot: %s", strerror(failure));
  failure = posix_spawn_file_actions_addchdir_np(&actions, folder);
  if (!failure)
    failure = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!failure)
    failure = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (!failure)
    failure = posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
  if (!failure)
    failure = posix_spawnp(child, arguments[0], &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT)
    return fm_fail(FM_ERR_UNSUPPORTED,
                   "gnuplot, which draws the charts, is not installed; on Debian it is in the "
                   "package gnuplot-nox");
  if (failure)
    return fm_fail(FM_ERR_IO, "cannot start gnuplot: %s", strerror(failure));
  return FM_OK;
}

static fm_status draw_wait(pid_t child, const char *script, const char *message) {
  int code;
  while (waitpid(child, &code, 0) < 0)
    if (errno != EINTR)
      return fm_fail(FM_ERR_IO, "gnuplot: %s", strerror(errno));
  if (WIFEXITED(code) && WEXITSTATUS(code) == 0)
    return FM_OK;
  return fm_fail(FM_ERR_IO, "%s: gnuplot failed: %s", script,
                 *message ? message : "it says nothing");
}

static fm_status draw_run(const char *folder, const char *script, const char *stem) {
  char define[DRAW_NAME_BYTES + 16], name[DRAW_NAME_BYTES];
  snprintf(define, sizeof define, "stem='%s'", stem);
  snprintf(name, sizeof name, "%s", script);
  char program[] = "gnuplot", no_start_files[] = "-d", expression[] = "-e";
  char *const arguments[] = {program, no_start_files, expression, define, name, NULL};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return fm_fail(FM_ERR_IO, "cannot start gnuplot: %s", strerror(errno));
  pid_t child;
  fm_status status = draw_spawn(&child, folder, arguments, ends[1]);
  close(ends[1]);
  if (status == FM_OK) {
    char message[DRAW_MESSAGE_BYTES];
    draw_listen(ends[0], message);
    status = draw_wait(child, script, message);
  }
  close(ends[0]);
  return status;
}

// Puts the picture gnuplot wrote under a temporary name in its place.
static fm_status draw_take(const fm_chart *chart, const char *folder, const char *stem,
                           const char *extension) {
  char name[DRAW_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", stem, extension);
  char *from = fm_path_join(folder, name), *to = draw_path(chart, folder, extension);
  fm_bytes bytes = {0};
  fm_status status = from && to ? fm_file_read(&bytes, from, DRAW_PICTURE_BYTES_MAX)
                                : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status == FM_OK && bytes.size == 0)
    status = fm_fail(FM_ERR_IO, "%s: gnuplot wrote nothing", from);
  if (status == FM_OK)
    status = fm_file_write(to, bytes.data, bytes.size);
  if (from)
    unlink(from);
  free(bytes.data);
  free(from);
  free(to);
  return status;
}

fm_status fm_chart_draw(const fm_chart *chart, const char *folder) {
  FM_TRY(fm_chart_check(chart));
  if (strlen(chart->name) > DRAW_NAME_BYTES / 2)
    return fm_fail(FM_ERR_ARGUMENT, "chart %s: the name is too long", chart->name);
  FM_TRY(fm_folder_make(folder));
  FM_TRY(draw_write(chart, folder, "csv", fm_chart_write_csv));
  FM_TRY(draw_write(chart, folder, "gp", fm_chart_write_gnuplot));
  char script[DRAW_NAME_BYTES], stem[DRAW_NAME_BYTES];
  snprintf(script, sizeof script, "%s.gp", chart->name);
  snprintf(stem, sizeof stem, ".%s.%ld", chart->name, (long)getpid());
  FM_TRY(draw_run(folder, script, stem));
  const fm_status png = draw_take(chart, folder, stem, "png");
  const fm_status svg = draw_take(chart, folder, stem, "svg");
  return png < 0 ? png : svg;
}

fm_status fm_chart_show_drawn(void *user, const fm_chart *chart) {
  return fm_chart_draw(chart, *(const char **)user);
}
