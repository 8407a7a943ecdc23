// A profile's sections, and the bound of its products.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/progress.h"
#include "nn/profile.h"

static void profile_spend(double seconds) {
  const double until = fm_clock() + seconds;
  while (fm_clock() < until) {
  }
}

static const fm_profile_row *profile_find(fm_profile *profile, const char *name) {
  size_t count;
  const fm_profile_row *rows = fm_profile_rows(profile, &count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(rows[i].name, name) == 0)
      return &rows[i];
  return NULL;
}

static void test_an_outer_section_is_charged_without_its_inner_ones(void **unused) {
  (void)unused;
  fm_profile *profile;
  assert_int_equal(fm_profile_new(&profile, false), FM_OK);
  fm_profile_use(profile);
  fm_section outer, inner;
  const double begun = fm_clock();
  fm_section_begin(&outer);
  profile_spend(0.002);
  for (int i = 0; i < 2; i++) {
    fm_section_begin(&inner);
    profile_spend(0.01);
    fm_section_end(&inner, &(fm_work){.name = "inner", .flops = 3});
  }
  fm_section_end_named(&outer, "outer");
  const double total = fm_clock() - begun;
  fm_profile_use(NULL);
  const fm_profile_row row = *profile_find(profile, "inner");
  assert_int_equal(row.calls, 2);
  assert_true(row.flops == 6);
  assert_true(row.seconds >= 0.02);
  const double outside = profile_find(profile, "outer")->seconds;
  assert_true(outside >= 0.002);
  assert_true(outside + row.seconds <= total);
  fm_profile_free(profile);
}

static void test_nothing_is_kept_without_a_profile(void **unused) {
  (void)unused;
  fm_profile *profile;
  fm_section section;
  size_t count;
  assert_int_equal(fm_profile_new(&profile, false), FM_OK);
  assert_false(fm_profile_is_on());
  fm_section_begin(&section);
  fm_section_end_named(&section, "lost");
  fm_profile_rows(profile, &count);
  assert_int_equal(count, 0);
  fm_profile_free(profile);
}

// Takes 4 ms the first time and 1 ms from then on.
static fm_status profile_product(void *user) {
  int *runs = user;
  profile_spend(++*runs == 1 ? 0.004 : 0.001);
  return FM_OK;
}

static void test_the_bound_is_the_shortest_run_of_each_product_times_its_calls(void **unused) {
  (void)unused;
  fm_profile *profile;
  assert_int_equal(fm_profile_new(&profile, false), FM_OK);
  fm_profile_use(profile);
  int runs[2] = {0};
  for (int i = 0; i < 5; i++) { // the first product three times, the second twice
    fm_section section;
    fm_section_begin(&section);
    profile_product(&runs[i % 2]);
    fm_section_end(
        &section,
        &(fm_work){.name = "product", .flops = 10, .run = profile_product, .user = &runs[i % 2]});
  }
  double seconds, flops;
  assert_int_equal(fm_profile_bound(profile, &seconds, &flops), FM_OK);
  assert_true(flops == 50);
  assert_true(seconds >= 0.005);
  assert_true(runs[0] > 3 && runs[1] > 2);
  assert_true(seconds < profile_find(profile, "product")->seconds);
  assert_false(fm_profile_is_on());
  fm_profile_free(profile);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_outer_section_is_charged_without_its_inner_ones),
      cmocka_unit_test(test_nothing_is_kept_without_a_profile),
      cmocka_unit_test(test_the_bound_is_the_shortest_run_of_each_product_times_its_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
