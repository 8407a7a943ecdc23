// Appending to and cutting the files of a run.
#include "train/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"

enum { RUN_LOG_LINE_BYTES = 1024 };

static const char run_log_header[] =
    "epoch,step,lr,loss,loss_classifier,loss_box_reg,loss_objectness,loss_rpn_box_reg,valid_loss,"
    "valid_loss_classifier,valid_loss_box_reg,valid_loss_objectness,valid_loss_rpn_box_reg,mAP,"
    "mAP50,mAP75,seconds\n";

static fm_status run_log_append(int fd, const char *path, const char *text, double *bytes) {
  size_t size = strlen(text), done = 0;
  while (done < size) {
    ssize_t count = write(fd, text + done, size - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fm_fail(FM_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
    done += (size_t)count;
  }
  *bytes += (double)size;
  return FM_OK;
}

static fm_status run_log_open_one(int *fd, const char *path) {
  *fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (*fd < 0)
    return fm_fail(FM_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  return FM_OK;
}

static fm_status run_log_cut_one(int fd, const char *path, double *bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(errno));
  if ((double)info.st_size < *bytes) {
    fm_say("%s holds less than the checkpoint knows; it goes on from there", path);
    *bytes = (double)info.st_size;
  }
  if (ftruncate(fd, (off_t)*bytes) != 0 || lseek(fd, 0, SEEK_END) < 0)
    return fm_fail(FM_ERR_IO, "%s: cannot cut: %s", path, strerror(errno));
  return FM_OK;
}

fm_status fm_run_log_open(fm_run_log *log, const char *folder) {
  *log = (fm_run_log){.steps = -1, .metrics = -1};
  log->steps_path = fm_path_join(folder, "steps.jsonl");
  log->metrics_path = fm_path_join(folder, "metrics.csv");
  fm_status status = FM_OK;
  if (!log->steps_path || !log->metrics_path)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0)
    status = run_log_open_one(&log->steps, log->steps_path);
  if (status >= 0 && flock(log->steps, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    status = fm_fail(FM_ERR_IO, "%s: another program is training here", folder);
  if (status >= 0)
    status = run_log_open_one(&log->metrics, log->metrics_path);
  if (status < 0)
    fm_run_log_release(log);
  return status;
}

fm_status fm_run_log_cut(fm_run_log *log, double steps_bytes, double metrics_bytes) {
  log->steps_bytes = steps_bytes;
  log->metrics_bytes = metrics_bytes;
  FM_TRY(run_log_cut_one(log->steps, log->steps_path, &log->steps_bytes));
  FM_TRY(run_log_cut_one(log->metrics, log->metrics_path, &log->metrics_bytes));
  if (log->metrics_bytes > 0)
    return FM_OK;
  return run_log_append(log->metrics, log->metrics_path, run_log_header, &log->metrics_bytes);
}

void fm_run_log_release(fm_run_log *log) {
  if (log->steps >= 0)
    close(log->steps);
  if (log->metrics >= 0)
    close(log->metrics);
  free(log->steps_path);
  free(log->metrics_path);
  *log = (fm_run_log){.steps = -1, .metrics = -1};
}

fm_status fm_run_log_sync(fm_run_log *log) {
  if (fsync(log->steps) != 0)
    return fm_fail(FM_ERR_IO, "%s: cannot sync: %s", log->steps_path, strerror(errno));
  if (fsync(log->metrics) != 0)
    return fm_fail(FM_ERR_IO, "%s: cannot sync: %s", log->metrics_path, strerror(errno));
  return FM_OK;
}

fm_status fm_run_log_step(fm_run_log *log, const fm_step_line *line) {
  const fm_losses *losses = &line->losses;
  char text[RUN_LOG_LINE_BYTES];
  snprintf(text, sizeof text,
           "{\"step\": %d, \"epoch\": %d, \"loss\": %.17g, \"loss_classifier\": %.17g, "
           "\"loss_box_reg\": %.17g, \"loss_objectness\": %.17g, \"loss_rpn_box_reg\": %.17g, "
           "\"lr\": %.7g, \"images\": %zu, \"seconds\": %.6f, \"data_seconds\": %.6f}\n",
           line->step, line->epoch, losses->loss, losses->classifier, losses->box_reg,
           losses->objectness, losses->rpn_box_reg, line->lr, line->images, line->seconds,
           line->data_seconds);
  return run_log_append(log->steps, log->steps_path, text, &log->steps_bytes);
}

fm_status fm_run_log_metrics(fm_run_log *log, const fm_metrics_row *row) {
  const fm_losses *train = &row->train, *valid = &row->valid;
  char validation[RUN_LOG_LINE_BYTES] = ",,,,,,,"; // eight empty columns
  if (row->has_valid)
    snprintf(validation, sizeof validation, "%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g", valid->loss,
             valid->classifier, valid->box_reg, valid->objectness, valid->rpn_box_reg, row->mAP,
             row->mAP50, row->mAP75);
  char text[2 * RUN_LOG_LINE_BYTES];
  snprintf(text, sizeof text, "%d,%d,%.7g,%.9g,%.9g,%.9g,%.9g,%.9g,%s,%.3f\n", row->epoch,
           row->step, row->lr, train->loss, train->classifier, train->box_reg, train->objectness,
           train->rpn_box_reg, validation, row->seconds);
  return run_log_append(log->metrics, log->metrics_path, text, &log->metrics_bytes);
}
