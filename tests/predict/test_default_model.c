// Which weights files stand for the model where none are named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "predict/default_model.h"

static bool ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void the_environment_names_files(void **state) {
  (void)state;
  fm_default_model model;
  setenv("FACEMASK_MODEL", "/a/detector.safetensors:classifier.safetensors:", 1);
  assert_int_equal(fm_default_model_find(&model), FM_OK);
  assert_int_equal(model.count, 2);
  assert_string_equal(model.paths[0], "/a/detector.safetensors");
  assert_string_equal(model.paths[1], "classifier.safetensors");
  fm_default_model_release(&model);
  setenv("FACEMASK_MODEL", "a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a:a", 1);
  assert_int_equal(fm_default_model_find(&model), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "more than 16"));
  assert_int_equal(model.count, 0);
}

// Built beside the sources the program finds models/, elsewhere it says what is missing.
static void detector_and_classifiers_lie_beside_the_program(void **state) {
  (void)state;
  static const char *const nothing[] = {NULL, "", ":"};
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; ++i) {
    fm_default_model model;
    if (nothing[i])
      setenv("FACEMASK_MODEL", nothing[i], 1);
    else
      unsetenv("FACEMASK_MODEL");
    if (fm_default_model_find(&model) == FM_OK) {
      static const char *const files[] = {"/models/default.safetensors",
                                          "/models/classifier.safetensors",
                                          "/models/second_classifier.safetensors"};
      assert_int_equal(model.count, 3);
      for (int k = 0; k < model.count; ++k)
        assert_true(ends_with(model.paths[k], files[k]) && fm_path_exists(model.paths[k]));
    } else {
      assert_non_null(strstr(fm_error_message(), "no models/default.safetensors"));
    }
    fm_default_model_release(&model);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_environment_names_files),
      cmocka_unit_test(detector_and_classifiers_lie_beside_the_program),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
