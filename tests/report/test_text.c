// Text from outside in each kind of file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "report/text.h"

static char written[512];

static FILE *start(void) {
  memset(written, 0, sizeof written);
  return fmemopen(written, sizeof written, "w");
}

static void json_reads_back_and_cannot_end_a_script(void **state) {
  (void)state;
  static const char text[] = "</script><!-- \"\\ & 'é' \xf0\x9f\x98\xb7";
  FILE *out = start();
  fm_text_json(out, text);
  fclose(out);
  assert_null(strpbrk(written, "<>&"));
  json_t *value = json_loads(written, JSON_DECODE_ANY, NULL);
  assert_string_equal(json_string_value(value), text);
  json_decref(value);
}

static void csv_quotes_what_needs_it(void **state) {
  (void)state;
  FILE *out = start();
  fm_text_csv(out, "plain_name");
  fputc(' ', out);
  fm_text_csv(out, "a,\"b\"\n");
  fclose(out);
  assert_string_equal(written, "plain_name \"a,\"\"b\"\"?\"");
}

static void gnuplot_strings_stay_one_string_and_are_shortened_by_characters(void **state) {
  (void)state;
  FILE *out = start();
  fm_text_gnuplot(out, "it's\n", 10);
  fm_text_gnuplot(out, "маска", 5);
  fm_text_gnuplot(out, "без_маски", 6);
  fm_text_gnuplot(out, "'", 5);
  fm_text_gnuplot(out, "worn_under_the_chin_07", 12);
  fclose(out);
  assert_string_equal(written, "'it’s?''маска''без…ки''’''worn_un…n_07'");
}

static void numbers_that_are_none_are_told_apart(void **state) {
  (void)state;
  FILE *out = start();
  fm_text_json_number(out, NAN);
  fm_text_csv_number(out, INFINITY);
  fm_text_json_number(out, 0.25);
  fm_text_csv_number(out, -123456789);
  fclose(out);
  assert_string_equal(written, "nullNaN0.25-123456789");
}

// By Unicode 15, table 3-7: the well-formed sequences.
static int well_formed(unsigned a, unsigned b, unsigned c) {
  const int tail_b = b >= 0x80 && b <= 0xbf, tail_c = c >= 0x80 && c <= 0xbf;
  if (a < 0x80)
    return 1;
  if (a >= 0xc2 && a <= 0xdf)
    return tail_b ? 2 : 0;
  if (a == 0xe0)
    return b >= 0xa0 && b <= 0xbf && tail_c ? 3 : 0;
  if (a == 0xed)
    return b >= 0x80 && b <= 0x9f && tail_c ? 3 : 0;
  if (a >= 0xe1 && a <= 0xef)
    return tail_b && tail_c ? 3 : 0;
  return 0;
}

static void sequences_are_those_of_unicode(void **state) {
  (void)state;
  for (unsigned a = 1; a < 256; a++)
    for (unsigned b = 0; b < 256; b++)
      for (unsigned c = 0; c < 256; c += 3) {
        const char text[] = {(char)a, (char)b, (char)c, 0};
        assert_int_equal(fm_utf8_sequence(text), well_formed(a, b, c));
      }
  assert_int_equal(fm_utf8_sequence("\xf0\x90\x80\x80"), 4);
  assert_int_equal(fm_utf8_sequence("\xf0\x8f\xbf\xbf"), 0);
  assert_int_equal(fm_utf8_sequence("\xf4\x8f\xbf\xbf"), 4);
  assert_int_equal(fm_utf8_sequence("\xf4\x90\x80\x80"), 0);
  assert_int_equal(fm_utf8_sequence("\xf0\x90\x80"), 0);
  assert_int_equal(fm_utf8_printable("\x1b"), 0);
  assert_int_equal(fm_utf8_printable("\xc2\x9b"), 0);
  assert_int_equal(fm_utf8_count("маска\xff"), 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_reads_back_and_cannot_end_a_script),
      cmocka_unit_test(csv_quotes_what_needs_it),
      cmocka_unit_test(gnuplot_strings_stay_one_string_and_are_shortened_by_characters),
      cmocka_unit_test(numbers_that_are_none_are_told_apart),
      cmocka_unit_test(sequences_are_those_of_unicode),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
