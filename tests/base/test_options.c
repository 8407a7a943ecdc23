// Tables of options: defaults, values of every type, what is refused and how, and text that reads
// back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/random.h"

typedef struct settings {
  bool flip;
  int count, kind;
  float rate;
  double exact;
  char name[FM_OPTION_STRING_BYTES];
  fm_float_list mean;
  fm_float_table sizes;
} settings;

#define ROW(field, type, low, high, initial, words) \
  { "part." #field, type, offsetof(settings, field), low, high, initial, words, "" }
static const fm_option table[] = {
    ROW(flip, FM_OPTION_BOOL, 0, 0, "true", NULL),
    ROW(count, FM_OPTION_INT, -5, 1000000, "7", NULL),
    ROW(kind, FM_OPTION_ENUM, 0, 0, "sgd", "adam|sgd|adamw"),
    ROW(rate, FM_OPTION_FLOAT, 0, 1e300, "0.005", NULL),
    ROW(exact, FM_OPTION_DOUBLE, -DBL_MAX, DBL_MAX, "1e-9", NULL),
    ROW(name, FM_OPTION_STRING, 0, 0, "run", NULL),
    ROW(mean, FM_OPTION_FLOATS, -10, 10, "[0.485, 0.456]", NULL),
    ROW(sizes, FM_OPTION_TABLE, 1, 512, "[[32], [64, 128]]", NULL),
    {0},
};

static settings made(void) {
  settings s;
  memset(&s, 0, sizeof s);
  assert_int_equal(fm_options_defaults(table, &s), FM_OK);
  return s;
}

static void defaults_are_the_initial_texts(void **state) {
  (void)state;
  const settings s = made();
  assert_true(s.flip);
  assert_int_equal(s.count, 7);
  assert_int_equal(s.kind, 1);
  assert_true(s.rate == 0.005f && s.exact == 1e-9);
  assert_string_equal(s.name, "run");
  assert_int_equal(s.mean.count, 2);
  assert_true(s.mean.values[1] == 0.456f);
  assert_int_equal(s.sizes.count, 2);
  assert_int_equal(s.sizes.rows[1].count, 2);
  assert_true(s.sizes.rows[1].values[1] == 128);
}

static void every_type_is_set_from_text(void **state) {
  (void)state;
  settings s = made();
  static const char *const assignments[] = {
      "part.flip=off",         "part.count=-5",
      "part.kind=adamw",       "part.rate=1e-3",
      "part.exact=-2",         "part.name=a = \"b\", c",
      "part.mean= 1, 2 ,-3.5", "part.sizes=[[1],[2, 3 ]]",
  };
  for (size_t i = 0; i < sizeof assignments / sizeof *assignments; ++i)
    assert_int_equal(fm_options_assign(table, &s, assignments[i]), FM_OK);
  assert_true(!s.flip && s.count == -5 && s.kind == 2 && s.rate == 1e-3f && s.exact == -2);
  assert_string_equal(s.name, "a = \"b\", c");
  assert_true(s.mean.count == 3 && s.mean.values[2] == -3.5f);
  assert_true(s.sizes.count == 2 && s.sizes.rows[1].values[1] == 3);
  assert_int_equal(fm_options_assign(table, &s, "part.sizes=[8, 16, 32]"), FM_OK);
  assert_true(s.sizes.count == 3 && s.sizes.rows[2].count == 1 && s.sizes.rows[2].values[0] == 32);
  assert_int_equal(fm_options_assign(table, &s, "part.mean=[]"), FM_OK);
  assert_int_equal(s.mean.count, 0);
}

// What is refused leaves the words that tell why.
static const char *const refused[][2] = {
    {"part.count=1.5", "not a whole number"},
    {"part.count=1000001", "outside -5 to 1e+06"},
    {"part.count=99999999999999999999", "outside"},
    {"part.count=", "not a number"},
    {"part.count=7x", "not a number"},
    {"part.rate=nan", "not a number"},
    {"part.rate=inf", "not a number"},
    {"part.rate=-0.1", "outside"},
    {"part.rate=1e200", "not a number"}, // no float holds it
    {"part.exact=1e999", "not a number"},
    {"part.flip=maybe", "neither true nor false"},
    {"part.kind=adamx", "none of adam|sgd|adamw"},
    {"part.kind=ada", "none of"},
    {"part.kind=", "none of"},
    {"part.mean=[1, 2", "not closed"},
    {"part.mean=[1, 2] 3", "not a list"},
    {"part.mean=[1,,2]", "not a number"},
    {"part.mean=[1, 11]", "outside"},
    {"part.mean=[[1]]", "not a number"},
    {"part.sizes=[[1], 2]", "not a list of lists"},
    {"part.sizes=[[1]", "not a list of lists"},
    {"part.sizes=[[0]]", "outside"},
    {"part.sizes=[[1],[1],[1],[1],[1],[1],[1],[1],[1]]", "more than 8 rows"},
    {"part.sizes=[1,1,1,1,1,1,1,1,1]", "more than 8 rows"},
    {"part.cuont=3", "did you mean part.count?"},
    {"count=3", "unknown key count"},
    {"part.count", "is not key=value"},
    {"=3", "is not key=value"},
};

static void what_is_refused_is_said_with_its_key(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) {
    settings s = made();
    const fm_status status = fm_options_assign(table, &s, refused[i][0]);
    if (status != FM_ERR_ARGUMENT || !strstr(fm_error_message(), refused[i][1]))
      fail_msg("%s: status %d, \"%s\"", refused[i][0], status, fm_error_message());
    char key[32];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(refused[i][0], "="), refused[i][0]);
    assert_non_null(strstr(fm_error_message(), key));
  }
}

static void longer_than_it_fits_is_refused(void **state) {
  (void)state;
  settings s = made();
  char text[400] = "";
  memset(text, 'x', 255);
  assert_int_equal(fm_options_set(table, &s, "part.name", text), FM_OK);
  assert_int_equal(strlen(s.name), 255);
  text[255] = 'x';
  assert_int_equal(fm_options_set(table, &s, "part.name", text), FM_ERR_ARGUMENT);
  char list[400] = "1";
  for (int i = 1; i < FM_LIST_MAX; ++i)
    strcat(list, ",1");
  assert_int_equal(fm_options_set(table, &s, "part.mean", list), FM_OK);
  assert_int_equal(s.mean.count, FM_LIST_MAX);
  strcat(list, ",1");
  assert_int_equal(fm_options_set(table, &s, "part.mean", list), FM_ERR_ARGUMENT);
  memset(text, '1', 399);
  assert_int_equal(fm_options_set(table, &s, "part.mean", text), FM_ERR_ARGUMENT);
}

static float random_float(fm_random *random) {
  for (;;) {
    const uint32_t bits = (uint32_t)fm_random_bits(random);
    float value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value))
      return value;
  }
}

static void formatted_values_read_back_to_the_same_bits(void **state) {
  (void)state;
  static const fm_option wide[] = {
      ROW(rate, FM_OPTION_FLOAT, -FLT_MAX, FLT_MAX, NULL, NULL),
      ROW(exact, FM_OPTION_DOUBLE, -DBL_MAX, DBL_MAX, NULL, NULL),
      ROW(mean, FM_OPTION_FLOATS, -FLT_MAX, FLT_MAX, NULL, NULL),
      ROW(sizes, FM_OPTION_TABLE, -FLT_MAX, FLT_MAX, NULL, NULL),
      {0},
  };
  fm_random random = fm_random_make(3, 0, 0);
  for (int round = 0; round < 3000; ++round) {
    settings s, again;
    memset(&s, 0, sizeof s);
    memset(&again, 0, sizeof again);
    s.rate = random_float(&random);
    s.exact = ldexp(fm_random_uniform(&random) - 0.5, (int)fm_random_below(&random, 2000) - 1000);
    s.mean = (fm_float_list){2, {random_float(&random), random_float(&random)}};
    s.sizes.count = 2;
    s.sizes.rows[1] = (fm_float_list){1, {random_float(&random)}};
    for (const fm_option *row = wide; row->name; ++row) {
      char *text = fm_options_format(row, &s);
      assert_non_null(text);
      assert_int_equal(fm_options_set(wide, &again, row->name, text), FM_OK);
      free(text);
    }
    assert_memory_equal(&s, &again, sizeof s);
  }
}

static void short_numbers_are_formatted_short(void **state) {
  (void)state;
  const settings s = made();
  static const char *const texts[] = {"true",  "7",   "sgd", "0.005",
                                      "1e-09", "run", NULL,  "[[32], [64, 128]]"};
  for (size_t i = 0; table[i].name; ++i) {
    char *text = fm_options_format(&table[i], &s);
    if (texts[i])
      assert_string_equal(text, texts[i]);
    free(text);
  }
}

static void a_list_is_written_as_its_user_wrote_it(void **state) {
  (void)state;
  static const fm_option lists[] = {{"list", FM_OPTION_FLOATS, 0, -1e9, 1e9, "[]", NULL, ""},
                                    {NULL, FM_OPTION_COUNT, 0, 0, 0, NULL, NULL, NULL}};
  static const char text[] = "[1.1, 0.7, 0.485, 0.1, 8388609, 123.456, -0.3]";
  fm_float_list list;
  assert_int_equal(fm_options_set(lists, &list, "list", text), FM_OK);
  char *again = fm_options_format(&lists[0], &list);
  assert_string_equal(again, text);
  free(again);
}

static void the_nearest_word_is_a_likely_one(void **state) {
  (void)state;
  static const char *const words[] = {"train", "evaluate", "detect", "explore", NULL};
  assert_string_equal(fm_nearest_word("tain", words), "train");
  assert_string_equal(fm_nearest_word("evalute", words), "evaluate");
  assert_string_equal(fm_nearest_word("dettect", words), "detect");
  assert_null(fm_nearest_word("zzzzzz", words));
  static const char *const none[] = {NULL};
  assert_null(fm_nearest_word("train", none));
  char text[300];
  memset(text, 'a', sizeof text - 1);
  text[sizeof text - 1] = 0;
  assert_null(fm_nearest_word(text, none));
  fm_nearest_word(text, words);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_the_initial_texts),
      cmocka_unit_test(every_type_is_set_from_text),
      cmocka_unit_test(what_is_refused_is_said_with_its_key),
      cmocka_unit_test(longer_than_it_fits_is_refused),
      cmocka_unit_test(formatted_values_read_back_to_the_same_bits),
      cmocka_unit_test(short_numbers_are_formatted_short),
      cmocka_unit_test(a_list_is_written_as_its_user_wrote_it),
      cmocka_unit_test(the_nearest_word_is_a_likely_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
