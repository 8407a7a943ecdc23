// Tests of the checkpoint file: everything comes back to the bit, and what does not fit is named.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "train/average.h"
#include "train/checkpoint.h"

static const fm_checkpoint_slots ALL_SLOTS = {
    .moments = {true, true}, .average = true, .mean = true};

static const fm_param_spec SPECS[] = {
    {"body.conv.weight", 4, {8, 3, 3, 3}, FM_PARAM_TRAINED, FM_INIT_NORMAL, 0.5f, false},
    {"body.conv.bias", 1, {8}, FM_PARAM_TRAINED, FM_INIT_NORMAL, 0.5f, true},
    {"body.bn.running_mean", 1, {8}, FM_PARAM_BUFFER, FM_INIT_NORMAL, 1, false},
    {"stem.weight", 2, {5, 7}, FM_PARAM_FROZEN, FM_INIT_NORMAL, 1, false},
};
enum { SPEC_COUNT = sizeof SPECS / sizeof SPECS[0], ELEMENTS_MAX = 8 * 3 * 3 * 3 };

static fm_params *make_params(int count, uint64_t seed) {
  fm_params *params;
  assert_int_equal(fm_params_new(&params), FM_OK);
  for (int i = 0; i < count; i++) {
    int id;
    assert_int_equal(fm_params_add(params, &SPECS[i], &id), FM_OK);
    assert_int_equal(id, i);
  }
  assert_int_equal(fm_params_initialise(params, seed), FM_OK);
  return params;
}

static void fill_moments(fm_params *params, uint64_t seed) {
  float values[ELEMENTS_MAX];
  for (int id = 0; id < fm_params_count(params); id++) {
    for (int slot = 0; slot < FM_MOMENT_SLOTS; slot++) {
      bool trained = fm_params_spec(params, id)->kind == FM_PARAM_TRAINED;
      bool kept = slot < 2 ? trained : fm_params_spec(params, id)->kind != FM_PARAM_FROZEN;
      if (!kept)
        continue;
      fm_random random = fm_random_make(seed, (uint64_t)slot, (uint64_t)id);
      for (size_t i = 0; i < fm_params_elements(params, id); i++)
        values[i] = (float)fm_random_normal(&random) * 1e-20f; // subnormal squares survive too
      assert_int_equal(fm_params_set_moment(params, slot, id, values), FM_OK);
    }
  }
}

static void assert_same(const fm_params *a, const fm_params *b, int slot) {
  float x[ELEMENTS_MAX], y[ELEMENTS_MAX];
  for (int id = 0; id < fm_params_count(a); id++) {
    if (slot < 0) {
      fm_params_get(a, id, x);
      fm_params_get(b, id, y);
    } else {
      fm_params_get_moment(a, slot, id, x);
      fm_params_get_moment(b, slot, id, y);
    }
    assert_memory_equal(x, y, fm_params_elements(a, id) * sizeof *x);
  }
}

static char *temporary_path(void) {
  char *path = strdup("/tmp/fm_checkpoint_XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  return path;
}

static void remove_path(char *path) {
  unlink(path);
  free(path);
}

static fm_train_state some_state(void) {
  fm_train_state state;
  fm_train_state_init(&state);
  state.step = 123456;
  state.epoch = 7;
  state.batch = 3;
  state.epoch_loss = 1.0 / 3.0;
  state.epoch_box_reg = 5e-324;
  state.best_metric = -0.1234567890123456789;
  state.best_mAP = 0.7;
  state.steps_bytes = 9007199254740991.0;
  strcpy(state.config_hash, "00ff00ff00ff00ff");
  return state;
}

static void everything_comes_back_to_the_bit(void **unused) {
  (void)unused;
  char *path = temporary_path();
  fm_params *params = make_params(SPEC_COUNT, 1), *other = make_params(SPEC_COUNT, 2);
  fill_moments(params, 3);
  const fm_train_state state = some_state();
  assert_int_equal(fm_checkpoint_write(path, params, ALL_SLOTS, &state), FM_OK);
  fm_train_state read;
  if (fm_checkpoint_read(path, other, ALL_SLOTS, &read) < 0)
    fail_msg("%s", fm_error_message());
  for (int slot = -1; slot < FM_MOMENT_SLOTS; slot++)
    assert_same(params, other, slot);
  assert_memory_equal(&state, &read, sizeof state);
  assert_int_equal(fm_checkpoint_read_state(path, &read), FM_OK);
  assert_memory_equal(&state, &read, sizeof state);
  fm_params_free(params);
  fm_params_free(other);
  remove_path(path);
}

static void the_same_state_gives_the_same_bytes(void **unused) {
  (void)unused;
  char *path = temporary_path();
  fm_params *params = make_params(SPEC_COUNT, 1);
  fm_train_state state = some_state();
  fm_bytes first, second;
  assert_int_equal(fm_checkpoint_write(path, params, ALL_SLOTS, &state), FM_OK);
  assert_int_equal(fm_file_read(&first, path, 1 << 20), FM_OK);
  assert_int_equal(fm_checkpoint_write(path, params, ALL_SLOTS, &state), FM_OK);
  assert_int_equal(fm_file_read(&second, path, 1 << 20), FM_OK);
  assert_int_equal(first.size, second.size);
  assert_memory_equal(first.data, second.data, first.size);
  free(first.data);
  free(second.data);
  fm_params_free(params);
  remove_path(path);
}

static void a_value_that_is_not_finite_is_named_and_the_file_stays(void **unused) {
  (void)unused;
  char *path = temporary_path();
  fm_params *params = make_params(SPEC_COUNT, 1);
  fm_train_state state = some_state(), read;
  assert_int_equal(fm_checkpoint_write(path, params, ALL_SLOTS, &state), FM_OK);
  const float wild[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < 3; i++) {
    float values[8] = {0, 0, 0, 0, 0, 0, 0, wild[i]};
    fm_params_set(params, 1, values);
    state.step = 1;
    assert_int_equal(fm_checkpoint_write(path, params, ALL_SLOTS, &state), FM_ERR_NUMERIC);
    assert_non_null(strstr(fm_error_message(), "body.conv.bias"));
    assert_int_equal(fm_checkpoint_read_state(path, &read), FM_OK);
    assert_int_equal(read.step, 123456);
  }
  fm_params_free(params);
  remove_path(path);
}

static void a_tensor_that_is_missing_or_of_another_shape_is_named(void **unused) {
  (void)unused;
  char *path = temporary_path();
  fm_params *params = make_params(2, 1), *more = make_params(SPEC_COUNT, 1);
  fm_train_state state = some_state(), read;
  const fm_checkpoint_slots none = {0};
  assert_int_equal(fm_checkpoint_write(path, params, none, &state), FM_OK);
  assert_int_equal(fm_checkpoint_read(path, more, none, &read), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "body.bn.running_mean"));
  assert_int_equal(fm_checkpoint_read(path, params, ALL_SLOTS, &read), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "moment0/body.conv.weight"));
  fm_params *odd;
  assert_int_equal(fm_params_new(&odd), FM_OK);
  fm_param_spec spec = SPECS[0];
  spec.dims[0] = 9;
  int id;
  assert_int_equal(fm_params_add(odd, &spec, &id), FM_OK);
  assert_int_equal(fm_params_initialise(odd, 1), FM_OK);
  assert_int_equal(fm_checkpoint_read(path, odd, none, &read), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "shape"));
  fm_params_free(odd);
  fm_params_free(params);
  fm_params_free(more);
  remove_path(path);
}

static void a_cut_file_is_refused(void **unused) {
  (void)unused;
  char *path = temporary_path();
  fm_params *params = make_params(SPEC_COUNT, 1);
  fm_train_state state = some_state(), read;
  assert_int_equal(fm_checkpoint_write(path, params, ALL_SLOTS, &state), FM_OK);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
  for (size_t size = 0; size < bytes.size; size += 97) {
    assert_int_equal(fm_file_write(path, bytes.data, size), FM_OK);
    assert_true(fm_checkpoint_read(path, params, ALL_SLOTS, &read) < 0);
  }
  free(bytes.data);
  fm_params_free(params);
  remove_path(path);
}

// Of the values, of their moving average, of the values again; what is frozen has none.
static void the_mean_is_that_of_all_that_were_included(void **unused) {
  (void)unused;
  fm_params *params = make_params(SPEC_COUNT, 1);
  fill_moments(params, 3);
  float first[8], average[8], third[8], mean[8];
  fm_params_get(params, 1, first);
  fm_params_get_moment(params, FM_MOMENT_AVERAGE, 1, average);
  assert_int_equal(fm_average_include(params, FM_MOMENT_NONE, 0), FM_OK);
  fm_params_get_moment(params, FM_MOMENT_MEAN, 1, mean);
  for (int i = 0; i < 8; i++)
    assert_true(fabsf(mean[i] - first[i]) < 1e-6f);
  assert_int_equal(fm_average_include(params, FM_MOMENT_AVERAGE, 1), FM_OK);
  for (int i = 0; i < 8; i++)
    third[i] = (float)i;
  fm_params_set(params, 1, third);
  assert_int_equal(fm_average_include(params, FM_MOMENT_NONE, 2), FM_OK);
  fm_params_get_moment(params, FM_MOMENT_MEAN, 1, mean);
  for (int i = 0; i < 8; i++)
    assert_true(fabsf(mean[i] - (first[i] + average[i] + third[i]) / 3) < 1e-6f);
  float frozen[5 * 7];
  fm_params_get_moment(params, FM_MOMENT_MEAN, 3, frozen);
  for (int i = 0; i < 5 * 7; i++)
    assert_true(frozen[i] == 0);
  fm_params_free(params);
}

static void swapping_the_average_twice_changes_nothing(void **unused) {
  (void)unused;
  fm_params *params = make_params(SPEC_COUNT, 1), *same = make_params(SPEC_COUNT, 1);
  fill_moments(params, 3);
  fill_moments(same, 3);
  assert_int_equal(fm_average_swap(params, FM_MOMENT_AVERAGE), FM_OK);
  float value[8], average[8];
  fm_params_get(params, 1, value);
  fm_params_get_moment(same, 2, 1, average);
  assert_memory_equal(value, average, sizeof value);
  assert_int_equal(fm_average_swap(params, FM_MOMENT_AVERAGE), FM_OK);
  for (int slot = -1; slot < FM_MOMENT_SLOTS; slot++)
    assert_same(params, same, slot);
  fm_params_free(params);
  fm_params_free(same);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_comes_back_to_the_bit),
      cmocka_unit_test(the_same_state_gives_the_same_bytes),
      cmocka_unit_test(a_value_that_is_not_finite_is_named_and_the_file_stays),
      cmocka_unit_test(a_tensor_that_is_missing_or_of_another_shape_is_named),
      cmocka_unit_test(a_cut_file_is_refused),
      cmocka_unit_test(the_mean_is_that_of_all_that_were_included),
      cmocka_unit_test(swapping_the_average_twice_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
