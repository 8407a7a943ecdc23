// The parameters of the models against torchvision's state_dicts, as tests/parity/state_dicts.py
// printed them.
#include "detect/model/model.h"

#include <stdio.h>

#include "support.h"

enum { ENTRIES_MAX = 4096 };

typedef struct entry {
  char arch[64], norm[16], name[FM_PARAM_NAME_BYTES];
  int rank, dims[FM_PARAM_RANK_MAX];
  int trains_from; // trainable_backbone_layers with which it trains; -1: it is a buffer
} entry;

static entry entries[ENTRIES_MAX];
static size_t entry_count;

static void parse_dims(entry *e, char *text) {
  for (char *part = strtok(text, "x"); part && strcmp(part, "scalar") != 0;
       part = strtok(NULL, "x")) {
    assert_true(e->rank < FM_PARAM_RANK_MAX);
    e->dims[e->rank++] = atoi(part);
  }
}

static int read_entries(void **state) {
  (void)state;
  FILE *file = fopen(STATE_DICTS, "r");
  char dims[64], trains[16];
  if (!file)
    return -1;
  for (;; entry_count++) {
    assert_true(entry_count < ENTRIES_MAX);
    entry *e = &entries[entry_count];
    if (fscanf(file, "%63s %15s %159s %63s %15s", e->arch, e->norm, e->name, dims, trains) != 5)
      break;
    parse_dims(e, dims);
    e->trains_from = strcmp(trains, "-") == 0 ? -1 : atoi(trains);
  }
  fclose(file);
  return 0;
}

static void check_entry(const fm_params *params, const entry *e, int layers) {
  const int id = fm_params_find(params, e->name);
  if (id < 0)
    fail_msg("%s %s has no %s", e->arch, e->norm, e->name);
  const fm_param_spec *spec = fm_params_spec(params, id);
  assert_int_equal(spec->rank, e->rank);
  assert_memory_equal(spec->dims, e->dims, (size_t)e->rank * sizeof *e->dims);
  const fm_param_kind kind = e->trains_from < 0         ? FM_PARAM_BUFFER
                             : layers >= e->trains_from ? FM_PARAM_TRAINED
                                                        : FM_PARAM_FROZEN;
  if (spec->kind != kind)
    fail_msg("%s %s, %d layers: %s is of kind %d instead of %d", e->arch, e->norm, layers, e->name,
             (int)spec->kind, (int)kind);
}

static void check_model(fm_arch arch, const char *arch_name, const char *norm, int layers) {
  fm_model_config config;
  fm_params *params;
  fm_model model;
  fm_model_config_preset(&config, arch);
  assert_int_equal(fm_options_set(fm_model_options, &config, "model.norm", norm), FM_OK);
  config.trainable_backbone_layers = layers;
  assert_int_equal(fm_model_config_check(&config), FM_OK);
  assert_int_equal(fm_params_new(&params), FM_OK);
  assert_int_equal(fm_model_build(&model, params, &config, 3), FM_OK);
  int count = 0;
  for (size_t i = 0; i < entry_count; i++) {
    if (strcmp(entries[i].arch, arch_name) != 0 || strcmp(entries[i].norm, norm) != 0)
      continue;
    check_entry(params, &entries[i], layers);
    count++;
  }
  assert_true(count > 200);
  assert_int_equal(fm_params_count(params), count);
  fm_model_release(&model);
  fm_params_free(params);
}

static void check_arch(fm_arch arch, const char *name, int layers) {
  for (int trained = 0; trained <= layers; trained++) {
    check_model(arch, name, "frozen", trained);
    check_model(arch, name, "batch", trained);
  }
}

static void resnet50_has_torchvisions_parameters(void **state) {
  (void)state;
  check_arch(FM_ARCH_RESNET50_FPN, "fasterrcnn_resnet50_fpn", 5);
}

static void mobilenet_v3_has_torchvisions_parameters(void **state) {
  (void)state;
  check_arch(FM_ARCH_MOBILENET_V3_LARGE_FPN, "fasterrcnn_mobilenet_v3_large_fpn", 6);
  check_arch(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, "fasterrcnn_mobilenet_v3_large_320_fpn", 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(resnet50_has_torchvisions_parameters),
      cmocka_unit_test(mobilenet_v3_has_torchvisions_parameters),
  };
  return cmocka_run_group_tests(tests, read_entries, NULL);
}
