// Opening, cutting and appending to event files.
#include "format/event_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "format/event_private.h"
#include "format/event_record.h"

static const char event_prefix[] = "events.out.tfevents.";
enum { EVENT_NAME_BYTES = 512, EVENT_STRING = 7, EVENT_CLASS_TENSOR = 2, EVENT_RGB = 3 };

struct fm_event_file {
  int fd;
  char *path;
  uint64_t bytes;
};

double fm_event_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

fm_status fm_event_file_find(char **out, const char *folder) {
  fm_name_list list;
  FM_TRY(fm_folder_list(&list, folder));
  const char *newest = NULL;
  for (size_t i = 0; i < list.count; i++)
    if (strncmp(list.names[i], event_prefix, sizeof event_prefix - 1) == 0)
      newest = list.names[i];
  *out = newest ? fm_path_join(folder, newest) : NULL;
  const bool failed = newest && !*out;
  fm_name_list_release(&list);
  return failed ? fm_fail(FM_ERR_MEMORY, "out of memory") : FM_OK;
}

static fm_status event_make_path(char **out, const char *folder) {
  char host[256] = "localhost", name[EVENT_NAME_BYTES];
  if (gethostname(host, sizeof host - 1) != 0 || !host[0])
    snprintf(host, sizeof host, "localhost");
  snprintf(name, sizeof name, "%s%010lld.%s.%ld.0", event_prefix, (long long)time(NULL), host,
           (long)getpid());
  *out = fm_path_join(folder, name);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

fm_status fm_event_file_open(fm_event_file **out, const char *folder) {
  *out = NULL;
  FM_TRY(fm_folder_make(folder));
  fm_event_file *file = calloc(1, sizeof *file);
  FM_CHECK_ALLOC(file);
  file->fd = -1;
  fm_status status = fm_event_file_find(&file->path, folder);
  if (status >= 0 && !file->path)
    status = event_make_path(&file->path, folder);
  if (status >= 0) {
    file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file->fd < 0)
      status = fm_fail(FM_ERR_IO, "%s: cannot open: %s", file->path, strerror(errno));
  }
  if (status < 0)
    fm_event_file_free(file);
  else
    *out = file;
  return status;
}

void fm_event_file_free(fm_event_file *file) {
  if (!file)
    return;
  if (file->fd >= 0)
    close(file->fd);
  free(file->path);
  free(file);
}

uint64_t fm_event_file_bytes(const fm_event_file *file) {
  return file->bytes;
}

const char *fm_event_file_path(const fm_event_file *file) {
  return file->path;
}

fm_status fm_event_file_sync(fm_event_file *file) {
  if (fsync(file->fd) != 0)
    return fm_fail(FM_ERR_IO, "%s: cannot sync: %s", file->path, strerror(errno));
  return FM_OK;
}

static fm_status event_write(fm_event_file *file, const uint8_t *data, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = write(file->fd, data + done, size - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fm_fail(FM_ERR_IO, "%s: cannot write: %s", file->path, strerror(errno));
    done += (size_t)count;
  }
  file->bytes += size;
  return FM_OK;
}

static fm_status event_append(fm_event_file *file, const Tensorboard__Event *event) {
  const size_t size = tensorboard__event__get_packed_size(event);
  uint8_t *record = malloc(size + FM_RECORD_HEAD_BYTES + FM_RECORD_FOOT_BYTES);
  FM_CHECK_ALLOC(record);
  uint8_t *data = record + FM_RECORD_HEAD_BYTES;
  tensorboard__event__pack(event, data);
  fm_record_frame(record, data + size, data, size);
  const fm_status status =
      event_write(file, record, size + FM_RECORD_HEAD_BYTES + FM_RECORD_FOOT_BYTES);
  free(record);
  return status;
}

// The length of the whole records that lie in the first `bytes` bytes.
static fm_status event_whole(const fm_event_file *file, uint64_t bytes, uint64_t *out) {
  *out = 0;
  struct stat info;
  if (fstat(file->fd, &info) != 0)
    return fm_fail(FM_ERR_IO, "%s: %s", file->path, strerror(errno));
  if (bytes == 0 || info.st_size == 0)
    return FM_OK;
  fm_mapping mapping;
  FM_TRY(fm_mapping_open(&mapping, file->path));
  const size_t size = bytes < mapping.size ? (size_t)bytes : mapping.size;
  size_t at = 0;
  fm_record record;
  while (fm_record_next(&record, mapping.data, size, &at))
    continue;
  fm_mapping_release(&mapping);
  *out = at;
  return FM_OK;
}

fm_status fm_event_file_cut(fm_event_file *file, uint64_t bytes) {
  FM_TRY(event_whole(file, bytes, &file->bytes));
  if (ftruncate(file->fd, (off_t)file->bytes) != 0 || lseek(file->fd, 0, SEEK_END) < 0)
    return fm_fail(FM_ERR_IO, "%s: cannot cut: %s", file->path, strerror(errno));
  if (file->bytes > 0)
    return FM_OK;
  Tensorboard__Event event = TENSORBOARD__EVENT__INIT;
  char version[] = "brain.Event:2";
  event.wall_time = fm_event_now();
  event.what_case = TENSORBOARD__EVENT__WHAT_FILE_VERSION;
  event.file_version = version;
  return event_append(file, &event);
}

fm_status fm_event_file_put(fm_event_file *file, int64_t step, Tensorboard__Summary__Value **values,
                            size_t count) {
  Tensorboard__Summary summary = TENSORBOARD__SUMMARY__INIT;
  summary.value = values;
  summary.n_value = count;
  Tensorboard__Event event = TENSORBOARD__EVENT__INIT;
  event.wall_time = fm_event_now();
  event.step = step;
  event.what_case = TENSORBOARD__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  return event_append(file, &event);
}

fm_status fm_event_file_scalars(fm_event_file *file, int64_t step, const fm_event_scalar *scalars,
                                size_t count) {
  Tensorboard__Summary__Value *values = calloc(count + 1, sizeof *values);
  Tensorboard__Summary__Value **list = calloc(count + 1, sizeof *list);
  fm_status status = values && list ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; status >= 0 && i < count; i++) {
    tensorboard__summary__value__init(&values[i]);
    values[i].tag = (char *)scalars[i].tag; // packing only reads
    values[i].value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    values[i].simple_value = (float)scalars[i].value;
    list[i] = &values[i];
  }
  if (status >= 0)
    status = fm_event_file_put(file, step, list, count);
  free(list);
  free(values);
  return status;
}

fm_status fm_event_file_image(fm_event_file *file, int64_t step, const fm_event_image *image) {
  Tensorboard__Summary__Image content = TENSORBOARD__SUMMARY__IMAGE__INIT;
  content.width = image->width;
  content.height = image->height;
  content.colorspace = EVENT_RGB;
  content.encoded_image_string =
      (ProtobufCBinaryData){.len = image->png_bytes, .data = (uint8_t *)image->png};
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT;
  value.tag = (char *)image->tag;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_IMAGE;
  value.image = &content;
  return fm_event_file_put(file, step, &(Tensorboard__Summary__Value *){&value}, 1);
}

fm_status fm_event_file_text(fm_event_file *file, int64_t step, const char *tag, const char *text) {
  Tensorboard__SummaryMetadata__PluginData plugin =
      TENSORBOARD__SUMMARY_METADATA__PLUGIN_DATA__INIT;
  char name[] = "text";
  plugin.plugin_name = name;
  Tensorboard__SummaryMetadata metadata = TENSORBOARD__SUMMARY_METADATA__INIT;
  metadata.plugin_data = &plugin;
  metadata.data_class = EVENT_CLASS_TENSOR;
  Tensorboard__TensorShape shape = TENSORBOARD__TENSOR_SHAPE__INIT; // no dimensions: one text
  Tensorboard__Tensor tensor = TENSORBOARD__TENSOR__INIT;
  ProtobufCBinaryData content = {.len = strlen(text), .data = (uint8_t *)text};
  tensor.dtype = EVENT_STRING;
  tensor.tensor_shape = &shape;
  tensor.string_val = &content;
  tensor.n_string_val = 1;
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT;
  value.tag = (char *)tag;
  value.metadata = &metadata;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_TENSOR;
  value.tensor = &tensor;
  return fm_event_file_put(file, step, &(Tensorboard__Summary__Value *){&value}, 1);
}
