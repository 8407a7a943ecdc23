// Options as YAML: nesting, dotted keys, lines in messages, files that read back, lists that no
// table holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/options.h"
#include "base/yaml_json.h"

typedef struct settings {
  int epochs, depth;
  float rate;
  char name[FM_OPTION_STRING_BYTES];
  fm_float_list mean;
  fm_float_table sizes;
} settings;

static const fm_option table[] = {
    {"train.epochs", FM_OPTION_INT, offsetof(settings, epochs), 1, 1000, "20", NULL, ""},
    {"train.rate", FM_OPTION_FLOAT, offsetof(settings, rate), 0, 10, "0.005", NULL, ""},
    {"name", FM_OPTION_STRING, offsetof(settings, name), 0, 0, "run", NULL, ""},
    {"model.mean", FM_OPTION_FLOATS, offsetof(settings, mean), -9, 9, "[1, 2]", NULL, ""},
    {"model.sizes", FM_OPTION_TABLE, offsetof(settings, sizes), 1, 999, "[[8], [9]]", NULL, ""},
    {"model.head.depth", FM_OPTION_INT, offsetof(settings, depth), 0, 9, "1", NULL, ""},
    {0},
};

static settings made(void) {
  settings s;
  memset(&s, 0, sizeof s);
  assert_int_equal(fm_options_defaults(table, &s), FM_OK);
  return s;
}

static fm_status parse(settings *s, const char *text) {
  return fm_options_parse_yaml(table, s, text, "c.yaml", NULL, NULL);
}

static void nested_maps_and_dotted_keys_are_the_same(void **state) {
  (void)state;
  settings nested = made(), dotted = made(), flow = made();
  assert_int_equal(parse(&nested, "# a comment\ntrain:\n  epochs: 5\n  rate: 1e-2\nname: 'a b'\n"
                                  "model:\n  mean: [3, 4.5]\n  sizes:\n  - [1, 2]\n  - [3]\n"
                                  "  head:\n    depth: 4\n"),
                   FM_OK);
  assert_int_equal(parse(&dotted, "train.epochs: 5\ntrain.rate: 0.01\nname: a b\n"
                                  "model.mean:\n- 3\n- 4.5\nmodel.sizes: [[1, 2], [3]]\n"
                                  "model.head.depth: 4\n"),
                   FM_OK);
  assert_int_equal(parse(&flow, "{train: {epochs: 5, rate: 0.01}, name: \"a\\u0020b\", model: "
                                "{mean: [3, 4.5], sizes: [[1, 2], [3]], head.depth: 4}}"),
                   FM_OK);
  assert_int_equal(nested.epochs, 5);
  assert_int_equal(nested.depth, 4);
  assert_int_equal(nested.sizes.rows[0].count, 2);
  assert_memory_equal(&nested, &dotted, sizeof nested);
  assert_memory_equal(&nested, &flow, sizeof nested);
}

static void an_empty_file_changes_nothing(void **state) {
  (void)state;
  settings s = made(), untouched = made();
  assert_int_equal(parse(&s, ""), FM_OK);
  assert_int_equal(parse(&s, "# only a comment\n"), FM_OK);
  assert_memory_equal(&s, &untouched, sizeof s);
}

static const struct {
  const char *text;
  fm_status status;
  const char *words;
} refused[] = {
    {"train:\n  epochs: 5\n  epoch: 6\n", FM_ERR_ARGUMENT,
     "c.yaml:3: unknown key train.epoch (did"},
    {"train:\n  epochs: 0\n", FM_ERR_ARGUMENT, "c.yaml:2: train.epochs: 0 is outside"},
    {"name: a\n\nname: b\n", FM_ERR_FORMAT, "c.yaml:3: name stands twice"},
    {"train:\n  epochs: 5\ntrain.epochs: 6\n", FM_ERR_FORMAT,
     "c.yaml:3: train.epochs stands twice"},
    {"train:\n  epochs: {a: 1}\n", FM_ERR_FORMAT, "c.yaml:2: a map where a value"},
    {"train:\n  epochs: 5\n---\nnonsense: 3\n", FM_ERR_FORMAT, "c.yaml:4: a second document"},
    {"- 1\n- 2\n", FM_ERR_FORMAT, "c.yaml:1: not a map"},
    {"just text", FM_ERR_FORMAT, "c.yaml:1: not a map"},
    {"a: [1, 2\n", FM_ERR_FORMAT, "c.yaml:2:"},
    {"a: b: c\n", FM_ERR_FORMAT, "c.yaml:1:"},
    {"[1]: 2\n", FM_ERR_FORMAT, "c.yaml:1: not a key"},
    {"model.mean: &a [1, *a]\n", FM_ERR_FORMAT, "nested too deeply"},
    {"model: &a\n  head: *a\n", FM_ERR_FORMAT, "a map where a value"},
    {"augment: [flip]\n", FM_ERR_ARGUMENT, "c.yaml:1: unknown key augment"},
};

static void what_is_refused_is_said_with_file_and_line(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) {
    settings s = made();
    const fm_status status = parse(&s, refused[i].text);
    if (status != refused[i].status || !strstr(fm_error_message(), refused[i].words))
      fail_msg("%s: status %d, \"%s\"", refused[i].text, status, fm_error_message());
  }
}

static void a_list_that_unfolds_without_end_is_refused(void **state) {
  (void)state;
  settings s = made();
  assert_int_equal(parse(&s, "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                             "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nmodel.mean: [*c,*c,*c,*c,*c]\n"),
                   FM_ERR_ARGUMENT); // a is an unknown key already
  assert_int_equal(
      parse(&s, "model.mean: &c [&b [&a [1,1,1,1,1,1,1,1,1],*a,*a,*a,*a,*a,*a,*a,*a],*b,*b,*b,*b,"
                "*b,*b,*b,*b,"
                "*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"),
      FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "longer than"));
}

static void what_is_written_reads_back(void **state) {
  (void)state;
  static const char *const names[] = {"plain",
                                      "",
                                      "a: \"b\" # c",
                                      "tab\there\nand a line",
                                      "back\\slash 'quoted'",
                                      "\xc3\xa9\x01\x1f\x7f",
                                      "null",
                                      "[1, 2]"};
  char path[] = "/tmp/facemask-yaml-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    settings s = made(), again = made();
    assert_int_equal(fm_options_set(table, &s, "name", names[i]), FM_OK);
    assert_int_equal(fm_options_set(table, &s, "train.rate", "0.1"), FM_OK);
    assert_int_equal(fm_options_set(table, &s, "model.head.depth", "3"), FM_OK);
    FILE *out = fopen(path, "w");
    assert_int_equal(fm_options_write_yaml(table, &s, out), FM_OK);
    assert_int_equal(fclose(out), 0);
    if (fm_options_read_yaml(table, &again, path, NULL, NULL) < 0)
      fail_msg("\"%s\": %s", names[i], fm_error_message());
    assert_memory_equal(&s, &again, sizeof s);
  }
  unlink(path);
}

static void a_missing_file_is_named(void **state) {
  (void)state;
  settings s = made();
  assert_int_equal(fm_options_read_yaml(table, &s, "/nowhere.yaml", NULL, NULL), FM_ERR_IO);
  assert_non_null(strstr(fm_error_message(), "/nowhere.yaml"));
}

typedef struct taken {
  char name[64], json[512];
  size_t capacity;
} taken;

static fm_status take_json(void *user, const char *name, void *document, void *node) {
  taken *t = user;
  snprintf(t->name, sizeof t->name, "%s", name);
  if (!fm_yaml_to_json(t->json, t->capacity ? t->capacity : sizeof t->json, document, node))
    return fm_fail(FM_ERR_FORMAT, "too long or too deep");
  return FM_OK;
}

static void assert_json(const char *yaml, const char *expected) {
  settings s = made();
  taken t = {0};
  if (fm_options_parse_yaml(table, &s, yaml, "c.yaml", take_json, &t) < 0)
    fail_msg("%s: %s", yaml, fm_error_message());
  json_error_t error;
  json_t *ours = json_loads(t.json, JSON_DECODE_ANY, &error);
  json_t *theirs = json_loads(expected, JSON_DECODE_ANY, &error);
  assert_non_null(theirs);
  if (!ours || !json_equal(ours, theirs))
    fail_msg("%s became %s, expected %s", yaml, t.json, expected);
  json_decref(ours);
  json_decref(theirs);
}

static void lists_that_no_table_holds_become_json(void **state) {
  (void)state;
  assert_json("augment: [flip, {rotate: {limit: 35, p: 0.5}}]\n",
              "[\"flip\", {\"rotate\": {\"limit\": 35, \"p\": 0.5}}]");
  assert_json("augment: []\n", "[]");
  assert_json("augment:\n- a: true\n  b: null\n  c: ~\n  d: 1e-3\n  e: '1'\n  f: yes it is\n",
              "[{\"a\": true, \"b\": null, \"c\": null, \"d\": 0.001, \"e\": \"1\", "
              "\"f\": \"yes it is\"}]");
  assert_json("augment: [\"a\\\"b\\\\c\\n\\u00e9\\u0001\"]\n",
              "[\"a\\\"b\\\\c\\n\\u00e9\\u0001\"]");
  assert_json("augment: [nan, .inf, -0.1, 0.30000001192092896]\n",
              "[\"nan\", \".inf\", -0.1, 0.30000001192092896]");
}

static void json_that_does_not_fit_is_refused(void **state) {
  (void)state;
  settings s = made();
  taken t = {.capacity = 8};
  assert_int_equal(fm_options_parse_yaml(table, &s, "augment: [1, 2]\n", "c.yaml", take_json, &t),
                   FM_OK);
  assert_string_equal(t.json, "[1, 2]");
  assert_int_equal(fm_options_parse_yaml(table, &s, "augment: [1, 234]\n", "c.yaml", take_json, &t),
                   FM_ERR_FORMAT);
  t.capacity = 0;
  assert_int_equal(fm_options_parse_yaml(table, &s, "augment: &a [*a]\n", "c.yaml", take_json, &t),
                   FM_ERR_FORMAT);
  assert_int_equal(
      fm_options_parse_yaml(table, &s, "augment: [{[1]: 2}]\n", "c.yaml", take_json, &t),
      FM_ERR_FORMAT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nested_maps_and_dotted_keys_are_the_same),
      cmocka_unit_test(an_empty_file_changes_nothing),
      cmocka_unit_test(what_is_refused_is_said_with_file_and_line),
      cmocka_unit_test(a_list_that_unfolds_without_end_is_refused),
      cmocka_unit_test(what_is_written_reads_back),
      cmocka_unit_test(a_missing_file_is_named),
      cmocka_unit_test(lists_that_no_table_holds_become_json),
      cmocka_unit_test(json_that_does_not_fit_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
