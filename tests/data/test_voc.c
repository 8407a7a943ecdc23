// The Pascal VOC reader on good, broken and hostile files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "data/voc.h"

static fm_status parse(fm_voc *voc, const char *text) {
  return fm_voc_parse(voc, text, strlen(text), "a.xml");
}

static void a_kaggle_file_gives_size_names_and_boxes(void **state) {
  (void)state;
  static const char text[] =
      "<?xml version=\"1.0\"?>\n<annotation>\n  <folder>images</folder>\n"
      "  <filename> a.png </filename>\n"
      "  <size><width>512</width><height>366</height><depth>3</depth></size>\n"
      "  <object><name>with_mask</name><pose>Unspecified</pose><bndbox><xmin>79</xmin>"
      "<ymin>105</ymin><xmax>109</xmax><ymax>142.5</ymax></bndbox></object>\n"
      "  <object><bndbox><ymax>4</ymax><ymin>2</ymin><xmax>3</xmax><xmin>-1</xmin></bndbox>"
      "<name>\n b&amp;c </name><part><name>nose</name><bndbox><xmin>7</xmin></bndbox></part>"
      "</object></annotation>";
  fm_voc voc;
  assert_int_equal(parse(&voc, text), FM_OK);
  assert_string_equal(voc.file_name, "a.png");
  assert_int_equal(voc.width, 512);
  assert_int_equal(voc.height, 366);
  assert_int_equal(voc.object_count, 2);
  assert_string_equal(voc.objects[0].name, "with_mask");
  const fm_box first = {79, 105, 109, 142.5f}, second = {-1, 2, 3, 4};
  assert_memory_equal(&voc.objects[0].box, &first, sizeof first);
  assert_string_equal(voc.objects[1].name, "b&c");
  assert_memory_equal(&voc.objects[1].box, &second, sizeof second);
  fm_voc_release(&voc);
}

static void broken_files_are_refused_with_line_and_key(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "no element"},
      {"<annotation>", "line 1"},
      {"<annotation>\n\n<object></annotation>", "line 3: mismatched tag"},
      {"<html/>", "not <annotation>"},
      {"<annotation><object><name>a</name></object></annotation>", "no xmin"},
      {"<annotation><object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>1</xmax><ymax>1</ymax>"
       "</bndbox></object></annotation>",
       "no name"},
      {"<annotation>\n<size><width>wide</width></size></annotation>",
       "line 2: /annotation/size/width is not a number: \"wide\""},
      {"<annotation><size><width>-4</width></size></annotation>", "not a size"},
      {"<annotation><size><width>4.5</width></size></annotation>", "not a size"},
      {"<annotation><size><width>1e99</width></size></annotation>", "out of range"},
      {"<annotation><object><bndbox><xmin>nan</xmin></bndbox></object></annotation>",
       "not a number"},
      {"<annotation><object><bndbox><xmin>0x10</xmin></bndbox></object></annotation>",
       "not a number"},
      {"<annotation><object><bndbox><xmin></xmin></bndbox></object></annotation>", "not a number"},
      {"<annotation>\xff</annotation>", "line 1"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fm_voc voc;
    assert_int_equal(parse(&voc, cases[i].text), FM_ERR_FORMAT);
    assert_non_null(strstr(fm_error_message(), cases[i].message));
    assert_null(voc.objects);
  }
}

static void entity_bombs_are_refused_at_their_declaration(void **state) {
  (void)state;
  static const char bomb[] =
      "<!DOCTYPE annotation [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
      "<annotation><filename>&b;</filename></annotation>";
  static const char outside[] = "<!DOCTYPE annotation [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"
                                "<annotation><filename>&a;</filename></annotation>";
  fm_voc voc;
  assert_int_equal(parse(&voc, bomb), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "entity"));
  assert_int_equal(parse(&voc, outside), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "entity"));
}

static void depth_and_text_are_limited(void **state) {
  (void)state;
  enum { DEPTH = 10000 };
  char *text = malloc(3 * DEPTH + 200);
  strcpy(text, "<annotation>");
  for (int i = 0; i < DEPTH; i++)
    strcat(text + 12 + 3 * i, "<a>");
  fm_voc voc;
  assert_int_equal(parse(&voc, text), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "nested"));
  strcpy(text, "<annotation><filename>");
  memset(text + 22, 'x', DEPTH);
  strcpy(text + 22 + DEPTH, "</filename></annotation>");
  assert_int_equal(parse(&voc, text), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "too long"));
  strcpy(text, "<annotation><note>"); // which nobody reads
  memset(text + 18, 'x', DEPTH);
  strcpy(text + 18 + DEPTH, "</note><filename>a.png</filename></annotation>");
  assert_int_equal(parse(&voc, text), FM_OK);
  assert_string_equal(voc.file_name, "a.png");
  fm_voc_release(&voc);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_kaggle_file_gives_size_names_and_boxes),
      cmocka_unit_test(broken_files_are_refused_with_line_and_key),
      cmocka_unit_test(entity_bombs_are_refused_at_their_declaration),
      cmocka_unit_test(depth_and_text_are_limited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
