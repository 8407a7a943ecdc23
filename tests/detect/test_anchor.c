// Anchors against those that torchvision's AnchorGenerator makes.
#include "detect/anchor.h"

#include "detect/box.h"
#include "support.h"

static const fm_float_table sizes = {3, {{1, {32}}, {1, {128}}, {1, {512}}}};
static const fm_float_table ratios = {3, {{3, {0.5f, 1, 2}}, {3, {0.5f, 1, 2}}, {3, {0.5f, 1, 2}}}};
// A picture of 160 x 96 at strides 8 and 32, and the level that a pooling of stride 2 makes of 5
// x 3.
static const fm_anchor_grid grid = {3, {12, 3, 2}, {20, 5, 3}, 96, 160};

static void assert_box(const fm_anchors *anchors, size_t index, const float *expected) {
  const fm_box box = fm_anchors_box(anchors, index);
  const float values[4] = {box.x1, box.y1, box.x2, box.y2};
  for (int i = 0; i < 4; i++) {
    if (values[i] != expected[i])
      fail_msg("anchor %zu, coordinate %d: %g is not %g", index, i, (double)values[i],
               (double)expected[i]);
  }
  assert_true(anchors->area[index] == fm_box_area(box));
}

static void anchors_lie_where_torchvision_puts_them(void **state) {
  (void)state;
  static const struct {
    size_t index;
    float box[4];
  } expected[] = {
      {0, {-23, -11, 23, 11}},      {1, {-16, -16, 16, 16}},       {2, {-11, -23, 11, 23}},
      {3, {-15, -11, 31, 11}},      {61, {-16, -8, 16, 24}},       {62, {-11, -15, 11, 31}},
      {719, {141, 65, 163, 111}},   {720, {-91, -45, 91, 45}},     {721, {-64, -64, 64, 64}},
      {764, {83, -27, 173, 155}},   {765, {-362, -181, 362, 181}}, {766, {-256, -256, 256, 256}},
      {782, {-75, -314, 287, 410}},
  };
  fm_anchors anchors = {0};
  assert_int_equal(fm_anchors_make(&anchors, &sizes, &ratios, &grid), FM_OK);
  assert_int_equal(anchors.count, 783);
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    assert_box(&anchors, expected[i].index, expected[i].box);
  static const size_t firsts[] = {0, 720, 765}, counts[] = {720, 45, 18};
  for (int level = 0; level < 3; level++) {
    assert_int_equal(anchors.levels[level].first, firsts[level]);
    assert_int_equal(anchors.levels[level].count, counts[level]);
    assert_int_equal(anchors.levels[level].per_place, 3);
  }
  fm_anchors_release(&anchors);
}

static void several_sizes_a_place_run_inside_the_ratios(void **state) {
  (void)state;
  static const float expected[15][4] = {
      {-23, -11, 23, 11},     {-45, -23, 45, 23},     {-91, -45, 91, 45},    {-181, -91, 181, 91},
      {-362, -181, 362, 181}, {-16, -16, 16, 16},     {-32, -32, 32, 32},    {-64, -64, 64, 64},
      {-128, -128, 128, 128}, {-256, -256, 256, 256}, {-11, -23, 11, 23},    {-23, -45, 23, 45},
      {-45, -91, 45, 91},     {-91, -181, 91, 181},   {-181, -362, 181, 362}};
  const fm_float_table many = {1, {{5, {32, 64, 128, 256, 512}}}};
  const fm_float_table three = {1, {{3, {0.5f, 1, 2}}}};
  const fm_anchor_grid one = {1, {1}, {1}, 32, 32};
  fm_anchors anchors = {0};
  assert_int_equal(fm_anchors_make(&anchors, &many, &three, &one), FM_OK);
  assert_int_equal(anchors.count, 15);
  for (size_t i = 0; i < 15; i++)
    assert_box(&anchors, i, expected[i]);
  fm_anchors_release(&anchors);
}

static void another_grid_makes_other_anchors_and_the_first_again(void **state) {
  (void)state;
  const fm_anchor_grid wider = {3, {12, 3, 2}, {40, 10, 5}, 96, 320};
  // The same maps over another picture lie further apart.
  const fm_anchor_grid larger = {3, {12, 3, 2}, {20, 5, 3}, 192, 320};
  static const float right[4] = {301, 65, 323, 111}, far[4] = {293, 153, 315, 199};
  static const float first[4] = {141, 65, 163, 111};
  fm_anchors anchors = {0};
  for (int round = 0; round < 2; round++) {
    assert_int_equal(fm_anchors_make(&anchors, &sizes, &ratios, &grid), FM_OK);
    assert_box(&anchors, 719, first);
    assert_int_equal(fm_anchors_make(&anchors, &sizes, &ratios, &wider), FM_OK);
    assert_box(&anchors, 1439, right);
    assert_int_equal(fm_anchors_make(&anchors, &sizes, &ratios, &larger), FM_OK);
    assert_box(&anchors, 719, far);
  }
  fm_anchors_release(&anchors);
}

static void tables_of_other_lengths_than_the_pyramid_are_refused(void **state) {
  (void)state;
  fm_float_table less = sizes;
  less.count = 2;
  fm_anchors anchors = {0};
  assert_int_equal(fm_anchors_make(&anchors, &less, &ratios, &grid), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "3 pyramid levels, 2 rows of anchor sizes"));
  fm_anchors_release(&anchors);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(anchors_lie_where_torchvision_puts_them),
      cmocka_unit_test(several_sizes_a_place_run_inside_the_ratios),
      cmocka_unit_test(another_grid_makes_other_anchors_and_the_first_again),
      cmocka_unit_test(tables_of_other_lengths_than_the_pyramid_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
