// The coding of boxes and its gradient.
#include "detect/box.h"

const fm_box_coder fm_box_coder_rpn = {{1, 1, 1, 1}};
const fm_box_coder fm_box_coder_head = {{10, 10, 5, 5}};

void fm_box_encode(const fm_box_coder *coder, fm_box reference, fm_box box, float *deltas) {
  float width = reference.x2 - reference.x1, height = reference.y2 - reference.y1;
  float x = reference.x1 + 0.5f * width, y = reference.y1 + 0.5f * height;
  float box_width = box.x2 - box.x1, box_height = box.y2 - box.y1;
  float box_x = box.x1 + 0.5f * box_width, box_y = box.y1 + 0.5f * box_height;
  deltas[0] = coder->weights[0] * (box_x - x) / width;
  deltas[1] = coder->weights[1] * (box_y - y) / height;
  deltas[2] = coder->weights[2] * logf(box_width / width);
  deltas[3] = coder->weights[3] * logf(box_height / height);
}

// exp's argument; NaN stays NaN.
static float box_log_size(float delta, float weight) {
  float value = delta / weight;
  return value > FM_BOX_CODER_CLIP ? FM_BOX_CODER_CLIP : value;
}

fm_box fm_box_decode(const fm_box_coder *coder, fm_box reference, const float *deltas) {
  float width = reference.x2 - reference.x1, height = reference.y2 - reference.y1;
  float x = reference.x1 + 0.5f * width, y = reference.y1 + 0.5f * height;
  float box_x = deltas[0] / coder->weights[0] * width + x;
  float box_y = deltas[1] / coder->weights[1] * height + y;
  float half_width = 0.5f * (expf(box_log_size(deltas[2], coder->weights[2])) * width);
  float half_height = 0.5f * (expf(box_log_size(deltas[3], coder->weights[3])) * height);
  return (fm_box){box_x - half_width, box_y - half_height, box_x + half_width, box_y + half_height};
}

void fm_box_decode_gradient(const fm_box_coder *coder, fm_box reference, const float *deltas,
                            const float *dbox, float *ddeltas) {
  const float *weights = coder->weights;
  float width = reference.x2 - reference.x1, height = reference.y2 - reference.y1;
  ddeltas[0] = (dbox[0] + dbox[2]) * width / weights[0];
  ddeltas[1] = (dbox[1] + dbox[3]) * height / weights[1];
  for (int i = 0; i < 2; i++) {
    float log_size = deltas[2 + i] / weights[2 + i], side = i == 0 ? width : height;
    float dside = 0.5f * (dbox[2 + i] - dbox[i]);
    // Beyond the cut the size is constant.
    ddeltas[2 + i] =
        log_size <= FM_BOX_CODER_CLIP ? dside * expf(log_size) * side / weights[2 + i] : 0;
  }
}

double fm_box_decimal(float value) {
  return rint((double)value * 1e7) / 1e7;
}
