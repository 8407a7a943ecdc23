// Scales a row, which is an output channel, as detection in int8 has them too.
#include "detect/weight_bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MOST 127

fm_status fm_weight_scales(const fm_st_tensor **out, const fm_safetensors *file,
                           const fm_st_tensor *tensor, const char *path) {
  *out = NULL;
  if (tensor->dtype != FM_ST_I8)
    return FM_OK;
  char *name;
  if (asprintf(&name, "%s" FM_WEIGHT_SCALES, tensor->name) < 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  *out = fm_safetensors_find(file, name);
  free(name);
  if (!*out)
    return FM_OK;
  if ((*out)->dtype == FM_ST_F32 && (*out)->rank == 1 && tensor->rank >= 1 &&
      (*out)->dims[0] == tensor->dims[0])
    return FM_OK;
  return fm_fail(FM_ERR_FORMAT, "%s: tensor %s is not one F32 for each row of %s", path,
                 (*out)->name, tensor->name);
}

bool fm_weight_is_scales(const fm_safetensors *file, const fm_st_tensor *tensor) {
  const size_t length = strlen(tensor->name), end = sizeof FM_WEIGHT_SCALES - 1;
  if (length <= end || strcmp(tensor->name + length - end, FM_WEIGHT_SCALES) != 0)
    return false;
  char *name = strndup(tensor->name, length - end);
  const fm_st_tensor *scaled = name ? fm_safetensors_find(file, name) : NULL;
  free(name);
  return scaled && scaled->dtype == FM_ST_I8;
}

fm_status fm_weight_to_f32(const fm_st_tensor *tensor, const fm_st_tensor *scales, float *out) {
  FM_TRY(fm_st_tensor_to_f32(tensor, out));
  if (!scales || tensor->bytes == 0)
    return FM_OK;
  const size_t rows = (size_t)tensor->dims[0], columns = tensor->bytes / rows;
  for (size_t row = 0; row < rows; row++) {
    float scale;
    memcpy(&scale, (const char *)scales->data + row * sizeof scale, sizeof scale);
    for (size_t i = 0; i < columns; i++)
      out[row * columns + i] *= scale;
  }
  return FM_OK;
}

void fm_weight_to_bytes(const float *values, size_t rows, size_t columns, int8_t *out,
                        float *scales) {
  for (size_t row = 0; row < rows; row++) {
    const float *from = values + row * columns;
    float most = 0;
    for (size_t i = 0; i < columns; i++)
      most = fmaxf(most, fabsf(from[i]));
    const float scale = most / BYTES_MOST;
    scales[row] = scale > 0 ? scale : 1; // a row of zeros, or of numbers too small to tell from it
    for (size_t i = 0; i < columns; i++)
      out[row * columns + i] =
          (int8_t)fmaxf(fminf(roundf(from[i] / scales[row]), BYTES_MOST), -BYTES_MOST);
  }
}
