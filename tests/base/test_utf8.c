// Lines of text for people: whole characters, no control characters, an end that is seen.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static void a_text_with_room_is_copied(void **state) {
  (void)state;
  char out[16];
  fm_utf8_line(out, sizeof out, "маска 1");
  assert_string_equal(out, "маска 1");
  fm_utf8_line(out, 8, "1234567"); // seven bytes and the end
  assert_string_equal(out, "1234567");
  fm_utf8_line(out, sizeof out, "");
  assert_string_equal(out, "");
}

static void what_cannot_be_read_becomes_a_question_mark(void **state) {
  (void)state;
  char out[32];
  fm_utf8_line(out, sizeof out,
               "a\nb\x1b[1m\xff"
               "c\xc2\x85\xd0");
  assert_string_equal(out, "a?b?[1m?c??");
}

static void a_text_without_room_ends_in_an_ellipsis_behind_a_whole_character(void **state) {
  (void)state;
  static const char text[] = "12\xd0\xbc\xf0\x9f\x98\xb7\xd0\xb0zzzzzzzzzzzzzzzzzz";
  for (size_t capacity = 4; capacity < sizeof text; ++capacity) {
    char out[sizeof text + 1];
    memset(out, 'x', sizeof out);
    fm_utf8_line(out, capacity, text);
    const size_t length = strlen(out);
    assert_true(length < capacity);
    assert_true(length >= 3 && memcmp(out + length - 3, "\xe2\x80\xa6", 3) == 0);
    assert_memory_equal(out, text, length - 3);
    for (const char *at = out; *at; at += fm_utf8_sequence(at))
      assert_int_not_equal(fm_utf8_sequence(at), 0);
    assert_int_equal(out[capacity], 'x');
  }
}

static void a_long_name_keeps_its_beginning_and_its_end(void **state) {
  (void)state;
  char out[64];
  fm_utf8_middle(out, sizeof out, "mask_worn_wrongly_01", 10);
  assert_string_equal(out, "mask_w\xe2\x80\xa6_01");
  fm_utf8_middle(out, sizeof out, "ten_letter", 10);
  assert_string_equal(out, "ten_letter");
  fm_utf8_middle(out, sizeof out, "\xd0\xbc\xd0\xb0\xd1\x81\xd0\xba\xd0\xb0_\xff_1", 6);
  assert_string_equal(out, "\xd0\xbc\xd0\xb0\xd1\x81\xe2\x80\xa6_1");
  fm_utf8_middle(out, sizeof out, "mask\xc2\x85worn_wrongly_01", 10);
  assert_string_equal(out, "mask?w\xe2\x80\xa6_01");
  for (size_t capacity = 4; capacity < 20; ++capacity) {
    memset(out, 'x', sizeof out);
    fm_utf8_middle(out, capacity, "mask_worn_wrongly_01", 10);
    assert_true(strlen(out) < capacity);
    assert_int_equal(out[capacity], 'x');
  }
}

static void markup_has_none_left_of_the_text(void **state) {
  (void)state;
  char written[128] = "";
  FILE *out = fmemopen(written, sizeof written, "w");
  fm_utf8_markup(out, "<a href=\"x\" b='c'>&amp;\n\t\x01\xff\xc3\xa9</a>");
  fclose(out);
  assert_string_equal(
      written, "&lt;a href=&quot;x&quot; b=&#39;c&#39;&gt;&amp;amp;\n\t??\xc3\xa9&lt;/a&gt;");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_text_with_room_is_copied),
      cmocka_unit_test(what_cannot_be_read_becomes_a_question_mark),
      cmocka_unit_test(a_text_without_room_ends_in_an_ellipsis_behind_a_whole_character),
      cmocka_unit_test(markup_has_none_left_of_the_text),
      cmocka_unit_test(a_long_name_keeps_its_beginning_and_its_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
