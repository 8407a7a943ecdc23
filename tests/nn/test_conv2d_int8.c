// Convolutions in whole numbers against loops over numbers rounded as theirs are.
#include "int8.h"

typedef struct int8_conv {
  const char *name;
  fm_shape x;
  int out_channels, kernel, stride, padding, groups;
  fm_activation act;
  fm_dtype source;       // FM_F32: the op rounds it itself
  fm_dtype residual;     // FM_F32 besides: none when `adds` is false
  bool adds, norm, wide; // wide: the output's range is not known, so it is fp32
  bool positive;         // of FM_F32: its range has no sign
} int8_conv;

// The largest whole number that fp32 becomes.
static double int8_most(const int8_conv *c) {
  return c->positive ? 255 : 127;
}

// By our own Winograd products.
static bool int8_is_winograd(const int8_conv *c) {
  const int size = 2 * c->padding - 2;
  return fm_nn_has_8_lanes() && c->kernel == 3 && c->stride == 1 && c->groups == 1 && !c->adds &&
         c->x.c % 16 == 0 && c->out_channels % 16 == 0 &&
         c->x.n * (c->x.h + size) * (c->x.w + size) >= 900;
}

static double int8_activate(double v, fm_activation act) {
  switch (act) {
  case FM_ACT_RELU:
    return v > 0 ? v : 0;
  case FM_ACT_RELU6:
    return v < 0 ? 0 : v > 6 ? 6 : v;
  case FM_ACT_HARD_SWISH:
    return v * (v + 3 < 0 ? 0 : v + 3 > 6 ? 6 : v + 3) / 6;
  default:
    return v;
  }
}

typedef struct int8_arrays {
  double *weight, *bias; // with the norm, rounded
  float *x, *residual, *y;
} int8_arrays;

// Random parameters: the op's own, and what it makes of them.
static void int8_params(const int8_conv *c, fm_params *params, int8_arrays *a) {
  const size_t row = (size_t)(c->x.c / c->groups * c->kernel * c->kernel);
  const size_t oc = (size_t)c->out_channels;
  float *values = test_memory(oc * row * sizeof *values);
  for (size_t i = 0; i < oc * row; ++i)
    a->weight[i] = values[i] = (float)(int8_random() / sqrt((double)row));
  fm_params_set(params, fm_params_find(params, "conv.weight"), values);
  for (size_t i = 0; i < oc; ++i)
    a->bias[i] = values[i] = (float)int8_random();
  fm_params_set(params, fm_params_find(params, "conv.bias"), values);
  if (c->norm) {
    const char *const names[] = {"norm.weight", "norm.bias", "norm.running_mean",
                                 "norm.running_var"};
    double drawn[4];
    for (size_t channel = 0; channel < oc; ++channel) {
      for (int k = 0; k < 4; ++k) {
        const int id = fm_params_find(params, names[k]);
        fm_params_get(params, id, values);
        values[channel] = (float)(k == 3 ? 1.5 + int8_random() : int8_random());
        if (k == 0 && channel == 1)
          values[channel] = 0; // a channel that the norm switches off
        drawn[k] = (double)values[channel];
        fm_params_set(params, id, values);
      }
      const double scale = drawn[0] / sqrt(drawn[3] + 1e-5);
      for (size_t i = 0; i < row; ++i)
        a->weight[channel * row + i] *= scale;
      a->bias[channel] = drawn[1] + (a->bias[channel] - drawn[2]) * scale;
    }
  }
  for (size_t channel = 0; channel < oc; ++channel)
    if (!int8_is_winograd(c)) // which keeps its weights in fp32
      int8_round_row(a->weight + channel * row, row, row / (size_t)(c->kernel * c->kernel));
  free(values);
}

static double int8_sum(const int8_conv *c, const int8_arrays *a, const int place[4]) {
  const int in = c->x.c / c->groups, group = place[1] / (c->out_channels / c->groups);
  double sum = a->bias[place[1]];
  for (int i = 0; i < in; ++i)
    for (int kh = 0; kh < c->kernel; ++kh)
      for (int kw = 0; kw < c->kernel; ++kw) {
        const int h = place[2] * c->stride - c->padding + kh;
        const int w = place[3] * c->stride - c->padding + kw;
        if (h < 0 || w < 0 || h >= c->x.h || w >= c->x.w)
          continue;
        const int channel = group * in + i;
        sum += (double)a->x[((place[0] * c->x.c + channel) * c->x.h + h) * c->x.w + w] *
               a->weight[((place[1] * in + i) * c->kernel + kh) * c->kernel + kw];
      }
  return sum;
}

// Without VNNI oneDNN halves the weights of products with a sign, as their pairs are added in 16
// bits.
static double int8_tolerance(const int8_conv *c) {
  return fm_nn_has_vnni() || int8_is_winograd(c) || c->source == FM_U8 ? 2e-5 : 0.04;
}

// Every third pixel is the largest there is, in all channels: what is added in 16 bits has to hold
// that.
static float int8_draw(const int8_conv *c, size_t i) {
  if (i % (size_t)(c->x.h * c->x.w) % 3 == 0)
    return 1;
  return (float)(c->source == FM_U8 || c->positive ? fabs(int8_random()) : int8_random());
}

static void int8_compare_conv(const int8_conv *c, const int8_arrays *a, const fm_tensor *out) {
  const double step = c->wide ? 0 : (double)out->scale;
  const double low = out->dtype == FM_U8 ? 0 : -128 * step;
  const double high = (out->dtype == FM_U8 ? 255 : 127) * step;
  size_t at = 0;
  for (int n = 0; n < out->shape.n; ++n)
    for (int oc = 0; oc < out->shape.c; ++oc)
      for (int h = 0; h < out->shape.h; ++h)
        for (int w = 0; w < out->shape.w; ++w, ++at) {
          double expected = int8_sum(c, a, (const int[]){n, oc, h, w});
          expected = int8_activate(expected + (c->adds ? (double)a->residual[at] : 0), c->act);
          if (!c->wide)
            expected = expected < low ? low : expected > high ? high : expected;
          if (fabs((double)a->y[at] - expected) > 0.5 * step + int8_tolerance(c))
            fail_msg("%s: y[%zu] is %g, %g is expected within %g", c->name, at, (double)a->y[at],
                     expected, 0.5 * step);
        }
}

static void int8_run_conv(const int8_conv *c) {
  const int oh = (c->x.h + 2 * c->padding - c->kernel) / c->stride + 1;
  const int ow = (c->x.w + 2 * c->padding - c->kernel) / c->stride + 1;
  const fm_shape shapes[2] = {c->x, {c->x.n, c->out_channels, oh, ow}};
  int8_run run;
  int8_init(&run, shapes, c->adds ? 2 : 1);
  const fm_conv2d_options options = {.name = "conv",
                                     .norm_name = "norm",
                                     .norm = c->norm ? FM_NORM_FROZEN : FM_NORM_NONE,
                                     .out_channels = c->out_channels,
                                     .kernel = c->kernel,
                                     .stride = c->stride,
                                     .padding = c->padding,
                                     .groups = c->groups,
                                     .bias = true,
                                     .act = c->act,
                                     .residual = c->adds ? run.inputs[1] : (fm_value){0}};
  const bool has_sign = c->act == FM_ACT_NONE || c->act == FM_ACT_HARD_SWISH;
  const fm_value y = fm_conv2d(run.graph, run.inputs[0], &options);
  int8_finish(&run, y, has_sign ? -3 : 0, 3);
  if (c->source == FM_F32)
    int8_set_range(&run, "a", c->positive ? 0 : -1, 1);
  if (c->wide) { // as if nobody had seen it
    fm_ranges *known = run.ranges;
    test_check(fm_ranges_new(&run.ranges, run.graph));
    fm_ranges_free(known);
    if (c->source == FM_F32)
      int8_set_range(&run, "a", c->positive ? 0 : -1, 1);
  }
  int8_arrays a = {.weight = test_memory(sizeof(double) * 65536),
                   .bias = test_memory(sizeof(double) * (size_t)c->out_channels),
                   .x = test_memory(test_count(c->x) * sizeof(float)),
                   .residual = test_memory(test_count(shapes[1]) * sizeof(float))};
  int8_params(c, run.params, &a);
  for (size_t i = 0; i < test_count(c->x); ++i)
    a.x[i] = int8_draw(c, i);
  for (size_t i = 0; i < test_count(shapes[1]); ++i)
    a.residual[i] = (float)(c->residual == FM_U8 ? fabs(int8_random()) : int8_random());
  int8_fill(&run, 0, int8_like(c->x, c->source, c->source == FM_U8 ? 1 / 255.0f : 1 / 127.0f), a.x);
  if (c->source == FM_F32) // the op rounds what the range holds
    for (size_t i = 0; i < test_count(c->x); ++i)
      a.x[i] = (float)(rint((double)a.x[i] * int8_most(c)) / int8_most(c));
  if (c->adds)
    int8_fill(&run, 1, int8_like(shapes[1], c->residual, 1 / 120.0f), a.residual);
  a.y = int8_forward(&run);
  const fm_tensor out = fm_plan_output(run.plan, 0);
  assert_int_equal(out.dtype, c->wide ? FM_F32 : has_sign ? FM_S8 : FM_U8);
  int8_compare_conv(c, &a, &out);
  free(a.weight);
  free(a.bias);
  free(a.x);
  free(a.residual);
  free(a.y);
  int8_release(&run);
}

static const int8_conv int8_convs[] = {
    {"1 x 1 to 3 channels of fp32",
     {1, 96, 6, 5},
     3,
     1,
     1,
     0,
     1,
     FM_ACT_NONE,
     FM_S8,
     FM_F32,
     false,
     false,
     true,
     false},
    {"1 x 1 to 12 channels of fp32",
     {2, 96, 5, 13},
     12,
     1,
     1,
     0,
     1,
     FM_ACT_RELU,
     FM_U8,
     FM_F32,
     false,
     true,
     true,
     false},
    {"1 x 1 to 40 channels of fp32",
     {1, 24, 7, 7},
     40,
     1,
     1,
     0,
     1,
     FM_ACT_NONE,
     FM_S8,
     FM_F32,
     false,
     true,
     true,
     false},
    {"1 x 1 to 135 channels of fp32",
     {1, 16, 3, 9},
     135,
     1,
     1,
     0,
     1,
     FM_ACT_RELU,
     FM_S8,
     FM_F32,
     false,
     false,
     true,
     false},
    {"3 x 3 of a picture without a sign",
     {2, 3, 14, 37},
     32,
     3,
     2,
     1,
     1,
     FM_ACT_RELU6,
     FM_F32,
     FM_F32,
     false,
     true,
     false,
     true},
    {"3 x 3 of a grey picture",
     {1, 1, 9, 33},
     16,
     3,
     1,
     0,
     1,
     FM_ACT_NONE,
     FM_F32,
     FM_F32,
     false,
     false,
     false,
     true},
    {"3 x 3 of two planes",
     {1, 2, 5, 6},
     20,
     3,
     1,
     2,
     1,
     FM_ACT_RELU,
     FM_F32,
     FM_F32,
     false,
     false,
     false,
     false},
    {"3 x 3 of four planes",
     {1, 4, 7, 70},
     24,
     3,
     2,
     1,
     1,
     FM_ACT_NONE,
     FM_F32,
     FM_F32,
     false,
     true,
     false,
     false},
    {"1 x 1 of u8 with ReLU",
     {2, 32, 5, 7},
     24,
     1,
     1,
     0,
     1,
     FM_ACT_RELU,
     FM_U8,
     FM_F32,
     false,
     false,
     false,
     false},
    {"1 x 1 of s8",
     {1, 16, 6, 5},
     16,
     1,
     1,
     0,
     1,
     FM_ACT_NONE,
     FM_S8,
     FM_F32,
     false,
     false,
     false,
     false},
    {"3 x 3 of s8 with a norm",
     {1, 19, 9, 8},
     21,
     3,
     1,
     1,
     1,
     FM_ACT_RELU,
     FM_S8,
     FM_F32,
     false,
     true,
     false,
     false},
    {"3 x 3 with stride 2 of fp32",
     {1, 3, 17, 15},
     32,
     3,
     2,
     1,
     1,
     FM_ACT_RELU6,
     FM_F32,
     FM_F32,
     false,
     true,
     false,
     false},
    {"depthwise 3 x 3 of u8",
     {2, 24, 8, 9},
     24,
     3,
     1,
     1,
     24,
     FM_ACT_RELU6,
     FM_U8,
     FM_F32,
     false,
     true,
     false,
     false},
    {"depthwise 5 x 5 of s8 with stride 2",
     {1, 40, 11, 11},
     40,
     5,
     2,
     2,
     40,
     FM_ACT_HARD_SWISH,
     FM_S8,
     FM_F32,
     false,
     true,
     false,
     false},
    {"hard-swish to u8's neighbour",
     {1, 16, 6, 6},
     48,
     1,
     1,
     0,
     1,
     FM_ACT_HARD_SWISH,
     FM_U8,
     FM_F32,
     false,
     true,
     false,
     false},
    {"u8 with an s8 residual",
     {1, 96, 6, 6},
     24,
     1,
     1,
     0,
     1,
     FM_ACT_NONE,
     FM_U8,
     FM_S8,
     true,
     true,
     false,
     false},
    {"u8 with a u8 residual and ReLU",
     {1, 64, 6, 6},
     32,
     1,
     1,
     0,
     1,
     FM_ACT_RELU,
     FM_U8,
     FM_U8,
     true,
     true,
     false,
     false},
    {"an fp32 residual and ReLU6",
     {1, 64, 6, 6},
     32,
     3,
     1,
     1,
     1,
     FM_ACT_RELU6,
     FM_U8,
     FM_F32,
     true,
     true,
     false,
     false},
    {"a residual before hard-swish",
     {1, 64, 6, 6},
     32,
     1,
     1,
     0,
     1,
     FM_ACT_HARD_SWISH,
     FM_U8,
     FM_S8,
     true,
     false,
     false,
     false},
    {"a residual and ReLU6 to fp32",
     {1, 64, 6, 6},
     32,
     1,
     1,
     0,
     1,
     FM_ACT_RELU6,
     FM_U8,
     FM_S8,
     true,
     true,
     true,
     false},
    {"u8 to fp32 of few channels",
     {1, 96, 7, 7},
     8,
     1,
     1,
     0,
     1,
     FM_ACT_NONE,
     FM_U8,
     FM_F32,
     false,
     false,
     true,
     false},
    {"s8 to fp32 with ReLU",
     {1, 20, 7, 7},
     3,
     3,
     1,
     1,
     1,
     FM_ACT_RELU,
     FM_S8,
     FM_F32,
     false,
     false,
     true,
     false},
    {"3 x 3 of u8 with enough pixels for Winograd",
     {1, 32, 31, 30},
     48,
     3,
     1,
     1,
     1,
     FM_ACT_RELU,
     FM_U8,
     FM_F32,
     false,
     true,
     false,
     false},
    {"3 x 3 of s8 in two pictures to s8",
     {2, 16, 22, 27},
     32,
     3,
     1,
     1,
     1,
     FM_ACT_NONE,
     FM_S8,
     FM_F32,
     false,
     false,
     false,
     false},
    {"3 x 3 of fp32 without padding to fp32",
     {1, 16, 34, 33},
     16,
     3,
     1,
     0,
     1,
     FM_ACT_HARD_SWISH,
     FM_F32,
     FM_F32,
     false,
     false,
     true,
     false},
    {"groups",
     {1, 32, 7, 7},
     32,
     3,
     1,
     1,
     2,
     FM_ACT_RELU,
     FM_U8,
     FM_F32,
     false,
     false,
     false,
     false},
};

static void test_convolutions_are_sums_of_rounded_numbers(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof int8_convs / sizeof *int8_convs; ++i)
    int8_run_conv(&int8_convs[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_convolutions_are_sums_of_rounded_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
