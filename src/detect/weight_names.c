// Tables of names.
#include "detect/weight_names.h"

#include <stdio.h>
#include <string.h>

bool fm_weight_name_modernise(char out[FM_PARAM_NAME_BYTES], const char *name) {
  // The layers of FeaturePyramidNetwork and RPNHead, both of version 1, were no sequences yet.
  static const struct {
    const char *layer, *inserted;
  } old[] = {{"backbone.fpn.inner_blocks.", ".0"},
             {"backbone.fpn.layer_blocks.", ".0"},
             {"rpn.head.conv", ".0.0"}};
  const char *last = strrchr(name, '.');
  for (size_t i = 0; last && i < sizeof old / sizeof *old; i++) {
    const size_t length = strlen(old[i].layer);
    // Between the layer and its tensor only the number of a level.
    if (strncmp(name, old[i].layer, length) == 0 &&
        strcspn(name + length, ".") == (size_t)(last - name) - length)
      return snprintf(out, FM_PARAM_NAME_BYTES, "%.*s%s%s", (int)(last - name), name,
                      old[i].inserted, last) < FM_PARAM_NAME_BYTES;
  }
  return false;
}

static bool names_is_resnet(int arch) {
  return arch == FM_ARCH_RESNET50_FPN;
}

static bool names_is_mobilenet_v2(int arch) {
  return arch == FM_ARCH_MOBILENET_V2_FPN;
}

const fm_weight_naming fm_weight_namings[] = {
    {.family = "names of torchvision's detectors",
     .signature = "backbone.body.",
     .from = "",
     .to = "",
     .has_arch = fm_arch_detects},
    {.family = "names of efficientnet-lite-pytorch",
     .signature = "_conv_stem.weight",
     .from = "",
     .to = "backbone.body.",
     .dropped = {"_conv_head.", "_bn1.", "_fc."},
     .has_arch = fm_arch_is_efficientnet_lite},
    {.family = "names of torchvision's ResNet",
     .signature = "layer1.0.conv1.weight",
     .from = "",
     .to = "backbone.body.",
     .dropped = {"fc."},
     .has_arch = names_is_resnet},
    {.family = "names of torchvision's MobileNetV2",
     .signature = "features.1.conv.0.0.weight",
     .from = "features.",
     .to = "backbone.body.",
     .dropped = {"classifier."},
     .has_arch = names_is_mobilenet_v2},
    {.family = "names of torchvision's MobileNetV3",
     .signature = "features.0.0.weight",
     .from = "features.",
     .to = "backbone.body.",
     .dropped = {"classifier."},
     .has_arch = fm_arch_is_mobilenet_v3},
    {.family = NULL},
};

bool fm_weight_name_translate(const fm_weight_naming *naming, char out[FM_PARAM_NAME_BYTES],
                              const char *name) {
  for (const char *const *dropped = naming->dropped; *dropped; dropped++)
    if (strncmp(name, *dropped, strlen(*dropped)) == 0)
      return false;
  if (fm_weight_name_modernise(out, name))
    return true;
  const size_t from = strlen(naming->from);
  return strncmp(name, naming->from, from) == 0 &&
         snprintf(out, FM_PARAM_NAME_BYTES, "%s%s", naming->to, name + from) < FM_PARAM_NAME_BYTES;
}
