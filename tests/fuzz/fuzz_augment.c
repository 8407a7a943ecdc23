// Damaged lists of transforms.
#include <stdlib.h>
#include <string.h>

#include "data/augment/augment.h"
#include "fuzz.h"

static void run(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  fuzz_require(text != NULL, "memory");
  memcpy(text, data, size);
  text[size] = 0;
  fm_augment *augment;
  fm_status status = fm_augment_parse(&augment, text);
  free(text);
  fuzz_require((status == FM_OK) == (augment != NULL), "a list only from a text that was read");
  fuzz_require(status == FM_OK || fm_error_message()[0], "a failure has a message");
  if (status != FM_OK)
    return;
  fm_augment_picture picture = {.object_count = 1};
  fuzz_require(fm_image_new(&picture.image, 19, 13) == FM_OK, "memory");
  picture.objects = calloc(1, sizeof *picture.objects);
  fuzz_require(picture.objects != NULL, "memory");
  picture.objects[0] = (fm_object){{2, 3, 15, 9}, 1};
  fm_random random = fm_random_make(size, 1, 1);
  fuzz_require(fm_augment_apply(augment, &random, NULL, &picture) >= 0, "a list can be applied");
  fm_augment_picture_release(&picture);
  fm_augment_free(augment);
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"augment", 200000, NULL, run};
  const char *notebook = "[]", *strong = "[]";
  fuzz_require(fm_augment_preset("notebook", &notebook) == FM_OK, "the preset notebook");
  fuzz_require(fm_augment_preset("strong", &strong) == FM_OK, "the preset strong");
  static const char ranges[] = "[{\"gaussian_blur\":{\"p\":1,\"kernel\":[3,9],\"sigma\":[0,2]}},"
                               "{\"random_crop\":{\"scale\":0.5,\"ratio\":[1,2],\"tries\":3}},"
                               "{\"cutout\":{\"holes\":4,\"size\":0.3}},{\"jpeg\":{\"p\":1}}]";
  fuzz_input seeds[] = {fuzz_copy(notebook, strlen(notebook)), fuzz_copy(strong, strlen(strong)),
                        fuzz_copy(ranges, sizeof ranges - 1)};
  return fuzz_main(&target, seeds, 3, argc, argv);
}
