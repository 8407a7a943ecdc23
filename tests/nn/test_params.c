// The parameters' memory: values that a file lends, and what happens to them when they are written.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nn/params_layout.h"

enum { LENT = 37, OTHER = 5 };

typedef struct lender {
  float values[LENT];
  int releases, rests;
} lender;

static lender *rested;

static void lender_release(void *owner) {
  ++((lender *)owner)->releases;
}

static void lender_rest(const void *part, size_t bytes) {
  assert_ptr_equal(part, rested->values);
  assert_int_equal(bytes, sizeof rested->values);
  ++rested->rests;
}

static fm_params *params_of(lender *from, int *lent, int *other) {
  fm_params *params;
  assert_int_equal(fm_params_new(&params), FM_OK);
  const fm_param_spec specs[] = {
      {.name = "lent", .rank = 1, .dims = {LENT}, .init = FM_INIT_ONE},
      {.name = "other", .rank = 1, .dims = {OTHER}, .init = FM_INIT_ONE},
  };
  assert_int_equal(fm_params_add(params, &specs[0], lent), FM_OK);
  assert_int_equal(fm_params_add(params, &specs[1], other), FM_OK);
  assert_int_equal(fm_params_initialise(params, 1), FM_OK);
  for (int i = 0; i < LENT; ++i)
    from->values[i] = (float)i - 3;
  const fm_param_memory memory = {from, lender_release, lender_rest};
  assert_int_equal(fm_params_keep(params, &memory), FM_OK);
  const uint64_t version = fm_params_version(params);
  fm_params_lend(params, *lent, from->values);
  assert_true(fm_params_version(params) > version);
  rested = from;
  return params;
}

static void lent_values_are_read_in_place(void **state) {
  (void)state;
  lender from = {0};
  int lent, other;
  fm_params *params = params_of(&from, &lent, &other);
  assert_ptr_equal(fm_params_value(params, lent), from.values);
  float got[LENT];
  fm_params_get(params, lent, got);
  assert_memory_equal(got, from.values, sizeof got);
  fm_params_get(params, other, got);
  assert_float_equal(got[OTHER - 1], 1, 0);
  fm_params_done_reading(params, other);
  assert_int_equal(from.rests, 0);
  fm_params_done_reading(params, lent);
  assert_int_equal(from.rests, 1);
  assert_int_equal(from.releases, 0);
  fm_params_free(params);
  assert_int_equal(from.releases, 1);
}

static void training_copies_what_is_lent(void **state) {
  (void)state;
  lender from = {0};
  int lent, other;
  fm_params *params = params_of(&from, &lent, &other);
  assert_int_equal(fm_params_need_gradients(params), FM_OK);
  assert_int_equal(from.releases, 1);
  fm_params_own_value(params, lent)[2] = 99;
  assert_float_equal(from.values[2], -1, 0);
  float got[LENT];
  fm_params_get(params, lent, got);
  for (int i = 0; i < LENT; ++i)
    assert_float_equal(got[i], i == 2 ? 99 : (float)i - 3, 0);
  fm_params_free(params);
  assert_int_equal(from.releases, 1);
}

static void setting_a_value_leaves_the_lender_alone(void **state) {
  (void)state;
  lender from = {0};
  int lent, other;
  fm_params *params = params_of(&from, &lent, &other);
  float mine[LENT] = {7}, got[LENT];
  fm_params_set(params, lent, mine);
  fm_params_get(params, lent, got);
  assert_memory_equal(got, mine, sizeof got);
  assert_float_equal(from.values[0], -3, 0);
  fm_params_free(params);
}

static void blocks_grow_and_keep_their_values(void **state) {
  (void)state;
  fm_params *params;
  assert_int_equal(fm_params_new(&params), FM_OK);
  int first, id;
  fm_param_spec spec = {.name = "first", .rank = 1, .dims = {LENT}};
  assert_int_equal(fm_params_add(params, &spec, &first), FM_OK);
  float values[LENT], got[LENT];
  for (int i = 0; i < LENT; ++i)
    values[i] = (float)i;
  fm_params_set(params, first, values);
  assert_int_equal(fm_params_need_gradients(params), FM_OK);
  fm_params_gradient(params, first)[5] = 4;
  for (int i = 0; i < 8; ++i) { // from 256 KiB to 8 MiB
    snprintf(spec.name, sizeof spec.name, "large%d", i);
    spec.dims[0] = 1 << 18;
    assert_int_equal(fm_params_add(params, &spec, &id), FM_OK);
  }
  fm_params_get(params, first, got);
  assert_memory_equal(got, values, sizeof got);
  assert_float_equal(fm_params_gradient(params, first)[5], 4, 0);
  assert_float_equal(fm_params_gradient(params, id)[(1 << 18) - 1], 0, 0);
  fm_params_free(params);
}

static void a_large_gradient_counts_as_zero_whatever_lies_there(void **state) {
  (void)state;
  fm_params *params;
  assert_int_equal(fm_params_new(&params), FM_OK);
  const size_t count = (size_t)3 << 20;
  int id;
  fm_param_spec spec = {.name = "large", .rank = 1, .dims = {(int)count}};
  assert_int_equal(fm_params_add(params, &spec, &id), FM_OK);
  assert_int_equal(fm_params_need_gradients(params), FM_OK);
  float *got = malloc(count * sizeof *got);
  assert_non_null(got);
  for (int way = 0; way < 3; ++way) {
    float *gradient = fm_params_gradient_to_write(params, id);
    gradient[0] = gradient[count - 1] = 3;
    assert_float_equal(fm_params_gradient_norm(params), sqrt(18), 1e-12);
    fm_params_zero_gradients(params);
    assert_false(fm_params_gradient_written(params, id));
    if (way == 0) {
      fm_params_get_gradient(params, id, got);
      assert_float_equal(got[count - 1], 0, 0);
      assert_float_equal(fm_params_gradient_norm(params), 0, 0);
    } else if (way == 1) {
      assert_float_equal(fm_params_gradient(params, id)[count - 1], 0, 0);
    } else {
      assert_float_equal(fm_params_blocks(params).gradient[count - 1], 0, 0);
    }
  }
  free(got);
  fm_params_free(params);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lent_values_are_read_in_place),
      cmocka_unit_test(training_copies_what_is_lent),
      cmocka_unit_test(setting_a_value_leaves_the_lender_alone),
      cmocka_unit_test(blocks_grow_and_keep_their_values),
      cmocka_unit_test(a_large_gradient_counts_as_zero_whatever_lies_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
