// Lists that have a name.
#include <string.h>

#include "base/options.h"
#include "data/augment/augment.h"

static const struct {
  const char *name, *text;
} presets[] = {
    // The notebook's chain: OneOf(Emboss, Sharpen), Rotate, MotionBlur.
    {"notebook", "[{\"min_visibility\": 0.3}, "
                 "{\"one_of\": {\"p\": 0.5, \"transforms\": [{\"emboss\": {\"alpha\": [0.2, 0.5], "
                 "\"strength\": [0.2, 0.7]}}, "
                 "{\"sharpen\": {\"alpha\": [0.2, 0.5], \"lightness\": [0.5, 1]}}]}}, "
                 "{\"rotate\": {\"p\": 0.5, \"limit\": [-35, 35]}}, "
                 "{\"motion_blur\": {\"p\": 0.3, \"kernel\": [3, 7]}}]"},
    // For accuracy: other places, sizes, neighbours and light, and more of the rare classes.
    {"strong",
     "[{\"min_visibility\": 0.3}, {\"copy_paste\": {\"p\": 0.4}}, {\"mosaic\": {\"p\": 0.3}}, "
     "{\"horizontal_flip\": {\"p\": 0.5}}, {\"scale_jitter\": {\"p\": 0.5}}, "
     "{\"random_crop\": {\"p\": 0.3}}, {\"rotate\": {\"p\": 0.1, \"limit\": [-15, 15]}}, "
     "{\"hsv\": {\"p\": 0.5}}, {\"brightness_contrast\": {\"p\": 0.3}}, "
     "{\"one_of\": {\"p\": 0.2, \"transforms\": [\"motion_blur\", \"gaussian_blur\", \"noise\", "
     "\"jpeg\"]}}, {\"grayscale\": {\"p\": 0.05}}, {\"cutout\": {\"p\": 0.2}}]"},
};

enum { PRESETS = sizeof presets / sizeof presets[0] };

fm_status fm_augment_preset(const char *name, const char **text) {
  const char *words[PRESETS + 1] = {0};
  for (size_t i = 0; i < PRESETS; i++) {
    if (strcmp(presets[i].name, name) == 0) {
      *text = presets[i].text;
      return FM_OK;
    }
    words[i] = presets[i].name;
  }
  const char *near = fm_nearest_word(name, words);
  return fm_fail(
      FM_ERR_ARGUMENT,
      "augment: \"%s\" is neither a list, such as [{horizontal_flip: {p: 0.5}}], nor the "
      "name of one; %s %s?",
      name, near ? "did you mean" : "how about", near ? near : words[0]);
}
