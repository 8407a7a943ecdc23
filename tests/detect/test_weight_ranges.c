// int8 detection as a whole: near fp32's, from ranges that a weights file keeps; and files whose
// ranges are not what they should be.
#include "detect/weight_ranges.h"

#include <unistd.h>

#include "detect/box.h"
#include "detect/weights.h"
#include "support.h"

enum { CLASS_COUNT = 3, PICTURES = 3, COMPARED = 60, SETTLING = 12 };

static const char *const names[] = {"without_mask", "with_mask", "mask_weared_incorrect"};
static char path[] = "/tmp/facemask-test-XXXXXX";

typedef struct problem {
  fm_model_config config;
  fm_detector *fp32, *int8; // of the same weights
  fm_input inputs[PICTURES];
} problem;

// Every anchor is a proposal and every proposal a detection, so that no choice between near-equal
// scores hides what is compared.
static fm_model_config tiny_config(fm_arch arch, int stages) {
  fm_model_config config;
  fm_model_config_preset(&config, arch);
  config.min_size = 64;
  config.max_size = 96;
  config.fpn_channels = 24;
  config.box_head_features = 32;
  config.cascade_stages = stages;
  config.norm = FM_CONFIG_NORM_BATCH;
  config.box_batch_size_per_image = 16;
  config.rpn_pre_nms_top_n_test = config.rpn_post_nms_top_n_test = 4000;
  config.rpn_nms_thresh = 1;
  config.rpn_score_thresh = 0;
  config.box_nms_thresh = 1;
  config.box_score_thresh = 0;
  config.box_detections_per_img = 100000;
  return config;
}

static fm_detector *detector_of(const fm_model_config *config, fm_dtype precision) {
  const fm_detector_options options = {.config = config,
                                       .class_count = CLASS_COUNT,
                                       .precision = precision,
                                       .training = precision == FM_F32,
                                       .seed = 7};
  fm_detector *detector;
  assert_int_equal(fm_detector_new(&detector, &options), FM_OK);
  return detector;
}

static fm_input random_input(const fm_model_config *config, uint64_t seed) {
  fm_random random = fm_random_make(seed, 0, 0);
  fm_image image;
  assert_int_equal(fm_image_new(&image, 90, 64), FM_OK);
  for (int y = 0; y < 64; y++)
    for (int x = 0; x < 90; x++)
      for (int c = 0; c < 3; c++) // blocks of 8 pixels, and some noise
        image.pixels[(y * 90 + x) * 3 + c] =
            (uint8_t)((x / 8 * 53 + y / 8 * 91 + c * 37 + (int)seed * 29) % 200 +
                      (int)fm_random_below(&random, 50));
  fm_input input;
  assert_int_equal(fm_input_make(&input, config, &image, NULL, NULL, 0), FM_OK);
  fm_image_release(&image);
  return input;
}

static problem make_problem(fm_arch arch, int stages) {
  problem p = {.config = tiny_config(arch, stages)};
  p.fp32 = detector_of(&p.config, FM_F32);
  p.int8 = detector_of(&p.config, FM_S8);
  for (int i = 0; i < PICTURES; i++)
    p.inputs[i] = random_input(&p.config, (uint64_t)i + 1);
  return p;
}

// Lets the norms learn the statistics of the pictures, without which values fade or explode from
// layer to layer, and makes what tells places apart larger than start values are.
static void settle(problem *p) {
  fm_params *params = fm_detector_params(p->fp32), *copy = fm_detector_params(p->int8);
  for (int i = 0; i < SETTLING; i++) {
    fm_random random = fm_random_make(3, 0, 0);
    fm_losses losses;
    assert_int_equal(fm_detector_train(p->fp32, p->inputs, PICTURES, &random, &losses), FM_OK);
  }
  for (int id = 0; id < fm_params_count(params); id++) {
    const fm_param_spec *spec = fm_params_spec(params, id);
    const size_t count = fm_params_elements(params, id);
    float *values = test_alloc(count, sizeof *values);
    fm_params_get(params, id, values);
    const bool rpn = strncmp(spec->name, "rpn", 3) == 0;
    const bool head = strncmp(spec->name, "roi_heads.box_predictor", 23) == 0;
    for (size_t i = 0; i < count && spec->rank > 1; i++)
      values[i] *= rpn ? 5 : head ? 2 : 1;
    fm_params_set(params, id, values);
    fm_params_set(copy, id, values);
    free(values);
  }
}

static void release_problem(problem *p) {
  fm_detector_free(p->fp32);
  fm_detector_free(p->int8);
  for (int i = 0; i < PICTURES; i++)
    fm_input_release(&p->inputs[i]);
}

static fm_detections detect(fm_detector *detector, const fm_input *input) {
  fm_detections found;
  const fm_status status = fm_detector_detect(detector, input, 1, &found);
  if (status < 0)
    fail_msg("%s", fm_error_message());
  return found;
}

static float box_iou(fm_box a, fm_box b) {
  return fm_box_iou(a, fm_box_area(a), b, fm_box_area(b));
}

static const fm_detection *nearest(const fm_detections *list, const fm_detection *wanted,
                                   float *overlap) {
  const fm_detection *best = NULL;
  *overlap = 0;
  for (size_t i = 0; i < list->count; i++) {
    const float iou = box_iou(list->items[i].box, wanted->box);
    if (list->items[i].label == wanted->label && iou > *overlap) {
      *overlap = iou;
      best = &list->items[i];
    }
  }
  return best;
}

// The surest of `a` are in `b`, nearly where and as sure as there.
static void assert_found_in(const fm_detections *a, const fm_detections *b) {
  assert_true(a->count > COMPARED);
  double overlaps = 0, differences = 0;
  for (int i = 0; i < COMPARED; i++) {
    float overlap;
    const fm_detection *other = nearest(b, &a->items[i], &overlap);
    assert_non_null(other);
    overlaps += (double)overlap / COMPARED;
    differences += fabs((double)(other->score - a->items[i].score)) / COMPARED;
  }
  if (overlaps < 0.96 || differences > 0.003)
    fail_msg("mean overlap %g, mean difference of scores %g", overlaps, differences);
}

static void check_agreement(fm_arch arch, int stages) {
  problem p = make_problem(arch, stages);
  settle(&p);
  assert_false(fm_weight_ranges_complete(p.int8));
  assert_int_equal(fm_detector_calibrate(p.int8, p.inputs, PICTURES - 1), FM_OK);
  assert_true(fm_weight_ranges_complete(p.int8));
  for (int i = 0; i < PICTURES; i++) {
    fm_detections wide = detect(p.fp32, &p.inputs[i]), narrow = detect(p.int8, &p.inputs[i]);
    fm_detections again = detect(p.int8, &p.inputs[i]);
    assert_found_in(&wide, &narrow);
    assert_true(wide.items[0].score != narrow.items[0].score); // int8 it was
    assert_int_equal(again.count, narrow.count);
    assert_memory_equal(again.items, narrow.items, narrow.count * sizeof *narrow.items);
    fm_detections_release(&wide);
    fm_detections_release(&narrow);
    fm_detections_release(&again);
  }
  release_problem(&p);
}

static void test_int8_detection_is_near_fp32(void **unused) {
  (void)unused;
  check_agreement(FM_ARCH_MOBILENET_V2_FPN, 2);
}

static void test_ranges_of_a_weights_file_detect_as_those_measured(void **unused) {
  (void)unused;
  problem p = make_problem(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, 2);
  assert_int_equal(fm_detector_calibrate(p.int8, p.inputs, PICTURES), FM_OK);
  assert_int_equal(fm_weights_save(p.int8, path, names, CLASS_COUNT, FM_MOMENT_NONE), FM_OK);
  fm_detector *loaded = detector_of(&p.config, FM_S8);
  fm_weights_report report;
  assert_int_equal(fm_weights_load(loaded, path, &report), FM_OK);
  fm_weights_report_release(&report);
  assert_int_equal(fm_weight_ranges_load(loaded, path), FM_OK);
  fm_detections a = detect(p.int8, &p.inputs[0]), b = detect(loaded, &p.inputs[0]);
  assert_int_equal(a.count, b.count);
  assert_memory_equal(a.items, b.items, a.count * sizeof *a.items);
  fm_detections_release(&a);
  fm_detections_release(&b);
  fm_detector_free(loaded);
  release_problem(&p);
}

static void test_weights_that_change_are_rounded_anew(void **unused) {
  (void)unused;
  problem p = make_problem(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, 1);
  assert_int_equal(fm_detector_calibrate(p.int8, p.inputs, PICTURES), FM_OK);
  fm_detections before = detect(p.int8, &p.inputs[0]);
  float bias[CLASS_COUNT + 1] = {-4, 0, 6, 0};
  fm_params *params = fm_detector_params(p.int8);
  fm_params_set(params, fm_params_find(params, "roi_heads.box_predictor.cls_score.bias"), bias);
  fm_detections after = detect(p.int8, &p.inputs[0]);
  assert_true(after.items[0].score > before.items[0].score + 0.1f);
  assert_int_equal(after.items[0].label, 2);
  fm_detections_release(&before);
  fm_detections_release(&after);
  release_problem(&p);
}

static void test_a_file_without_ranges_says_how_to_measure_them(void **unused) {
  (void)unused;
  problem p = make_problem(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, 1);
  assert_int_equal(fm_weights_save(p.fp32, path, names, CLASS_COUNT, FM_MOMENT_NONE), FM_OK);
  assert_int_equal(fm_weight_ranges_load(p.int8, path), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), path));
  assert_non_null(strstr(fm_error_message(), "facemask export --weights"));
  release_problem(&p);
}

// `text` with its first `from` replaced; heap.
static char *replaced(const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  assert_non_null(at);
  char *out = malloc(strlen(text) + strlen(to) + 1);
  sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  return out;
}

static void test_wrong_ranges_are_named_in_one_line(void **unused) {
  (void)unused;
  problem p = make_problem(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, 1);
  assert_int_equal(fm_detector_calibrate(p.int8, p.inputs, 1), FM_OK);
  char *good;
  assert_int_equal(fm_weight_ranges_format(&good, p.int8), FM_OK);
  assert_int_equal(fm_weight_ranges_parse(p.int8, good, "w"), FM_OK);
  static const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"{\"trunk\":", "[{\"trunk\":", "no JSON object"},
      {"\"picture\":[", "\"picture\":[NaN,", "no JSON object"},
      {"\"picture\":[", "\"picture\":[-1e999,", "no JSON object"},
      {"\"picture\":[", "\"picture\":[-1e300,1],\"was\":[", "the range of picture"},
      {"\"picture\":[", "\"picture\":[1,2],\"was\":[", "the range of picture"},
      {"\"picture\":[", "\"picture\":[-2,-1],\"was\":[", "the range of picture"},
      {"\"picture\":[", "\"picture\":[0],\"was\":[", "the range of picture"},
      {"\"picture\":[", "\"picture\":[0,\"1\"],\"was\":[", "the range of picture"},
      {"\"picture\":[", "\"picture\":null,\"was\":[", "the range of picture"},
      {"\"picture\":[", "\"image\":[", "name image in trunk"},
      {"\"picture\":[", "\"roi_align\":[0,1],\"picture\":[", "name roi_align in trunk"},
      {"\"head\":", "\"neck\":", "no object head"},
      {"{\"trunk\":", "{\"more\":{},\"trunk\":", "more parts"},
      {"{\"trunk\":{", "{\"trunk\":7,\"was\":{", "no object trunk"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *bad = replaced(good, cases[i].from, cases[i].to);
    assert_int_equal(fm_weight_ranges_parse(p.int8, bad, "w"), FM_ERR_FORMAT);
    const char *message = fm_error_message();
    if (strncmp(message, "w: ", 3) != 0 || !strstr(message, cases[i].message) ||
        strchr(message, '\n'))
      fail_msg("%s: %s", cases[i].to, message);
    free(bad);
  }
  assert_int_equal(fm_weight_ranges_parse(p.int8, "{\"trunk\":{},\"head\":{}}", "w"),
                   FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "the range of picture in trunk is missing"));
  free(good);
  release_problem(&p);
}

// Ranges of nothing, and of everything there is: what is found is of no use, but it is found.
static void test_extreme_ranges_do_no_harm(void **unused) {
  (void)unused;
  problem p = make_problem(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, 1);
  static const float ends[][2] = {{0, 0}, {0, 1e-30f}, {-3e38f, 3e38f}, {0, 3e38f}};
  for (size_t i = 0; i < 4; i++) {
    fm_ranges *ranges;
    for (int part = 0; (ranges = fm_detector_ranges(p.int8, part)); part++)
      for (int k = 0; k < fm_ranges_count(ranges); k++)
        fm_ranges_set(ranges, k, ends[(i + (size_t)k % 2) % 4][0],
                      ends[(i + (size_t)k % 2) % 4][1]);
    fm_detections found;
    const fm_status status = fm_detector_detect(p.int8, &p.inputs[0], 1, &found);
    if (status == FM_OK)
      fm_detections_release(&found);
  }
  release_problem(&p);
}

int main(void) {
  const int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_int8_detection_is_near_fp32),
      cmocka_unit_test(test_ranges_of_a_weights_file_detect_as_those_measured),
      cmocka_unit_test(test_weights_that_change_are_rounded_anew),
      cmocka_unit_test(test_a_file_without_ranges_says_how_to_measure_them),
      cmocka_unit_test(test_wrong_ranges_are_named_in_one_line),
      cmocka_unit_test(test_extreme_ranges_do_no_harm),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
