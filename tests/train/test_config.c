// Tests of the configuration: defaults, the order of what overrides what, and that every failure
// names its key.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/augment/augment.h"
#include "train/config.h"

static fm_config *load(const char *file, const char *const *assignments, int count) {
  fm_config *config = malloc(sizeof *config);
  assert_non_null(config);
  fm_status status = fm_config_load(config, file, assignments, count, NULL);
  if (status < 0)
    fail_msg("%s", fm_error_message());
  return config;
}

static void refuses(const char *assignment, const char *key) {
  fm_config *config = malloc(sizeof *config);
  assert_int_equal(fm_config_load(config, NULL, &assignment, 1, NULL), FM_ERR_ARGUMENT);
  if (!strstr(fm_error_message(), key))
    fail_msg("\"%s\" does not name %s", fm_error_message(), key);
  free(config);
}

static void write_text(char *path, const char *text) {
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  assert_int_equal(fm_file_write(path, text, strlen(text)), FM_OK);
}

static void defaults_are_those_of_the_documentation(void **state) {
  (void)state;
  fm_config *config = load(NULL, NULL, 0);
  assert_int_equal(config->model.arch, FM_ARCH_MOBILENET_V3_LARGE_320_FPN);
  assert_int_equal(config->model.min_size, 320);
  assert_int_equal(config->train.epochs, 20);
  assert_int_equal(config->train.seed, 42);
  assert_true(config->train.lr == 0.005f);
  assert_true(config->train.shuffle);
  assert_string_equal(config->augment, "[{\"horizontal_flip\": {\"p\": 0.5}}]");
  free(config);
}

static void every_key_of_the_command_line_page_is_known(void **state) {
  (void)state;
  static const char *const keys[] = {"model.arch",
                                     "model.norm",
                                     "model.rpn_anchor_sizes",
                                     "model.box_positive_fraction",
                                     "loss.box",
                                     "loss.class",
                                     "train.epochs",
                                     "train.batch_size",
                                     "train.optimizer",
                                     "train.lr",
                                     "train.momentum",
                                     "train.weight_decay",
                                     "train.schedule",
                                     "train.step_size",
                                     "train.gamma",
                                     "train.warmup_steps",
                                     "train.clip_norm",
                                     "train.ema",
                                     "train.precision",
                                     "train.seed",
                                     "train.shuffle",
                                     "train.carry_weights",
                                     "train.repeat_threshold",
                                     "train.group_aspect",
                                     "log.every_steps",
                                     "log.tensorboard"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    const fm_option *row = fm_config_options();
    while (row->name && strcmp(row->name, keys[i]) != 0)
      row++;
    if (!row->name)
      fail_msg("%s is no row", keys[i]);
  }
}

static void the_preset_of_the_architecture_lies_under_the_other_keys(void **state) {
  (void)state;
  char path[] = "/tmp/fm_config_XXXXXX";
  write_text(path, "model: {min_size: 500}\naugment: []\ntrain:\n  lr: 0.25\n");
  const char *assignments[] = {"train.lr=0.5", "model.arch=fasterrcnn_resnet50_fpn"};
  fm_config *config = load(path, assignments, 2);
  assert_int_equal(config->model.arch, FM_ARCH_RESNET50_FPN);
  assert_int_equal(config->model.min_size, 500);
  assert_int_equal(config->model.max_size,
                   1333); // the preset of the architecture, not of the default one
  assert_true(config->train.lr == 0.5f);
  assert_string_equal(config->augment, "[]");
  unlink(path);
  free(config);
}

static void augment_reads_names_maps_and_parameters(void **state) {
  (void)state;
  const char *names = "augment=[horizontal_flip]", *map = "augment=[{horizontal_flip: {p: .25}}]";
  fm_config *config = load(NULL, &names, 1);
  assert_string_equal(config->augment, "[\"horizontal_flip\"]");
  free(config);
  config = load(NULL, &map, 1);
  assert_string_equal(config->augment, "[{\"horizontal_flip\": {\"p\": 0.25}}]");
  free(config);
  const char *name = "augment=strong", *text;
  assert_int_equal(fm_augment_preset("strong", &text), FM_OK);
  config = load(NULL, &name, 1);
  assert_string_equal(config->augment, text);
  free(config);
}

static void mistakes_name_the_key(void **state) {
  (void)state;
  refuses("train.epoch=3", "train.epochs");
  refuses("train.lr=fast", "train.lr");
  refuses("train.batch_size=0", "train.batch_size");
  refuses("train.optimizer=sdg", "sgd");
  refuses("train.schedule=multi_step", "train.milestones");
  refuses("augment=[horizontal_flop]", "horizontal_flip");
  refuses("augment=[{horizontal_flip: {q: 1}}]", "horizontal_flip");
  refuses("augment=[{horizontal_flip: {p: 2}}]", "horizontal_flip");
  refuses("augment=none", "augment");
  refuses("augment=stron", "strong");
  refuses("augment=\"\"", "augment");
  refuses("augment=", "augment");
  refuses("augment={horizontal_flip: 3}", "augment");
  refuses("train.repeat_threshold=1.5", "train.repeat_threshold");
  refuses("train.restarts=[5]", "train.schedule cosine");
}

static void restarts_lie_within_the_run(void **state) {
  (void)state;
  const char *const wrong[] = {"[0]", "[3, 3]", "[5, 3]", "[2.5]", "[20]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char restarts[64];
    snprintf(restarts, sizeof restarts, "train.restarts=%s", wrong[i]);
    const char *const assignments[] = {"train.schedule=cosine", "train.epochs=20", restarts};
    fm_config config;
    assert_int_equal(fm_config_load(&config, NULL, assignments, 3, NULL), FM_ERR_ARGUMENT);
    assert_non_null(strstr(fm_error_message(), "train.restarts"));
  }
}

static void what_is_written_reads_back_equal(void **state) {
  (void)state;
  const char *assignments[] = {"train.lr=0.0012345678",
                               "augment=[]",
                               "train.milestones=[3, 8]",
                               "train.ema=0.999",
                               "model.rpn_anchor_sizes=[[8, 16, 32]]",
                               "model.rpn_anchor_aspect_ratios=[[1, 2]]"};
  fm_config *config = load(NULL, assignments, 4);
  char path[] = "/tmp/fm_config_XXXXXX";
  write_text(path, "");
  assert_int_equal(fm_config_write(config, path), FM_OK);
  fm_config *again = load(path, NULL, 0);
  assert_int_equal(fm_config_compare(config, again), FM_OK);
  assert_int_equal(again->train.epochs, config->train.epochs);
  uint64_t first, second;
  assert_int_equal(fm_config_hash(config, &first), FM_OK);
  assert_int_equal(fm_config_hash(again, &second), FM_OK);
  assert_true(first == second);
  unlink(path);
  free(config);
  free(again);
}

static void a_resumed_run_may_have_more_epochs_where_its_steps_stay_the_same(void **state) {
  (void)state;
  fm_config *config = load(NULL, NULL, 0), *other = load(NULL, NULL, 0);
  other->train.epochs = config->train.epochs + 1;
  other->train.loader_threads = 3;
  assert_int_equal(fm_config_compare(config, other), FM_OK);
  assert_int_equal(fm_config_compare(other, config), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "only grow"));
  config->train.carry_weights = other->train.carry_weights = true;
  assert_int_equal(fm_config_compare(config, other), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "train.carry_weights"));
  config->train.carry_weights = other->train.carry_weights = false;
  config->train.schedule = other->train.schedule = FM_SCHEDULE_COSINE;
  assert_int_equal(fm_config_compare(config, other), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "cosine"));
  other->train.epochs = config->train.epochs;
  assert_int_equal(fm_config_compare(config, other), FM_OK);
  free(config);
  free(other);
}

static void a_difference_is_named_and_changes_the_fingerprint(void **state) {
  (void)state;
  const char *assignment = "train.momentum=0.8";
  fm_config *config = load(NULL, NULL, 0), *other = load(NULL, &assignment, 1);
  assert_int_equal(fm_config_compare(config, other), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "train.momentum"));
  uint64_t first, second;
  assert_int_equal(fm_config_hash(config, &first), FM_OK);
  assert_int_equal(fm_config_hash(other, &second), FM_OK);
  assert_true(first != second);
  other->train = config->train;
  other->train.epochs = 7;
  assert_int_equal(fm_config_hash(other, &second), FM_OK);
  assert_true(first == second);
  free(config);
  free(other);
}

static void keys_at_their_default_leave_the_fingerprint_as_it_is(void **state) {
  (void)state;
  fm_config config;
  const char *arch[] = {"model.arch=fasterrcnn_resnet50_fpn"};
  assert_int_equal(fm_config_load(&config, NULL, arch, 1, NULL), FM_OK);
  uint64_t hash, expected = 0xcbf29ce484222325u; // FNV-1a of the augmentation alone
  for (const char *c = config.augment;; c++) {
    expected = (expected ^ (unsigned char)*c) * 0x100000001b3u;
    if (!*c)
      break;
  }
  assert_int_equal(fm_config_hash(&config, &hash), FM_OK);
  assert_true(hash == expected);
}

static void training_may_see_pictures_in_sizes_of_its_own(void **state) {
  (void)state;
  fm_config config;
  const char *sizes[] = {"model.min_size=640", "model.max_size=800", "train.max_size=704"};
  assert_int_equal(fm_config_load(&config, NULL, sizes, 3, NULL), FM_OK);
  fm_model_config training;
  fm_config_training_model(&config, &training);
  assert_int_equal(training.min_size, 640);
  assert_int_equal(training.max_size, 704);
  assert_int_equal(config.model.max_size, 800);
  refuses("train.min_size=100000", "train.min_size");
  refuses("train.min_size=7000", "train.max_size");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_those_of_the_documentation),
      cmocka_unit_test(every_key_of_the_command_line_page_is_known),
      cmocka_unit_test(the_preset_of_the_architecture_lies_under_the_other_keys),
      cmocka_unit_test(augment_reads_names_maps_and_parameters),
      cmocka_unit_test(mistakes_name_the_key),
      cmocka_unit_test(restarts_lie_within_the_run),
      cmocka_unit_test(keys_at_their_default_leave_the_fingerprint_as_it_is),
      cmocka_unit_test(training_may_see_pictures_in_sizes_of_its_own),
      cmocka_unit_test(what_is_written_reads_back_equal),
      cmocka_unit_test(a_resumed_run_may_have_more_epochs_where_its_steps_stay_the_same),
      cmocka_unit_test(a_difference_is_named_and_changes_the_fingerprint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
