// Chains of convolutions in whole numbers, which our own loops run a few rows at a time, against
// loops over rounded numbers, layer by layer; and that the number of threads changes no byte.
#include <omp.h>
#include <stdio.h>

#include "int8.h"
#include "nn/profile.h"
#include "nn/rows.h"

typedef struct rows_chain {
  const char *name;
  fm_shape x;
  int expanded; // channels; 0: no first convolution
  int kernel;   // of the depthwise convolution; 0: none
  int stride, out;
  fm_activation act; // of all but the last
  fm_activation end;
  bool sign, adds; // of x; whether a residual of the output's shape is added
} rows_chain;

// What a layer makes, as it lies between the layers: real numbers that are whole ones times scale.
typedef struct rows_layer {
  fm_shape shape;
  double *values;
} rows_layer;

static double rows_act(double v, fm_activation act) {
  if (act == FM_ACT_NONE)
    return v;
  v = v > 0 ? v : 0;
  return act == FM_ACT_RELU6 && v > 6 ? 6 : v;
}

static double rows_round(double v, float low, float high) {
  fm_tensor like = {.dtype = FM_F32};
  const fm_range range = {low, high, true};
  fm_range_quantise(&range, &like);
  const double least = like.dtype == FM_U8 ? 0 : -128, most = like.dtype == FM_U8 ? 255 : 127;
  const double whole = rint(v / (double)like.scale);
  return (double)like.scale * fmax(least, fmin(whole, most));
}

typedef struct rows_conv {
  const char *name;
  int out, kernel, stride, groups;
  fm_activation act;
  float low, high; // of the result
} rows_conv;

// Random parameters of a convolution as the network gets them; its weights rounded, its bias.
static void rows_params(fm_params *params, const rows_conv *c, int in, double *weight,
                        double *bias) {
  const size_t row = (size_t)(in / c->groups * c->kernel * c->kernel), out = (size_t)c->out;
  char name[32];
  float *values = test_memory(out * row * sizeof *values);
  for (size_t i = 0; i < out * row; ++i) {
    weight[i] = int8_random() * 2 / sqrt((double)row);
    if (i / row == 1)
      weight[i] = 0; // a channel that is its bias
    values[i] = (float)weight[i];
    weight[i] = (double)values[i];
  }
  snprintf(name, sizeof name, "%s.weight", c->name);
  fm_params_set(params, fm_params_find(params, name), values);
  for (size_t i = 0; i < out; ++i)
    bias[i] = (double)(values[i] = (float)int8_random());
  snprintf(name, sizeof name, "%s.bias", c->name);
  fm_params_set(params, fm_params_find(params, name), values);
  for (size_t i = 0; i < out; ++i)
    int8_round_row(weight + i * row, row, row / (size_t)(c->kernel * c->kernel));
  free(values);
}

static rows_layer rows_convolve(const rows_layer *x, const rows_conv *c, const double *weight,
                                const double *bias, const double *residual) {
  const int padding = c->kernel / 2, in = x->shape.c / c->groups;
  rows_layer y = {.shape = {x->shape.n, c->out, (x->shape.h - 1) / c->stride + 1,
                            (x->shape.w - 1) / c->stride + 1}};
  y.values = test_memory(test_count(y.shape) * sizeof *y.values);
  size_t at = 0;
  for (int n = 0; n < y.shape.n; ++n)
    for (int oc = 0; oc < c->out; ++oc)
      for (int oh = 0; oh < y.shape.h; ++oh)
        for (int ow = 0; ow < y.shape.w; ++ow, ++at) {
          double sum = bias[oc];
          for (int i = 0; i < in; ++i)
            for (int kh = 0; kh < c->kernel; ++kh)
              for (int kw = 0; kw < c->kernel; ++kw) {
                const int h = oh * c->stride - padding + kh, w = ow * c->stride - padding + kw;
                const int channel = c->groups > 1 ? oc : i;
                if (h >= 0 && w >= 0 && h < x->shape.h && w < x->shape.w)
                  sum += x->values[((n * x->shape.c + channel) * x->shape.h + h) * x->shape.w + w] *
                         weight[((oc * in + i) * c->kernel + kh) * c->kernel + kw];
              }
          sum = rows_act(sum + (residual ? residual[at] : 0), c->act);
          y.values[at] = rows_round(sum, c->low, c->high);
        }
  return y;
}

// The convolutions of a chain, in their order.
static int rows_convs(const rows_chain *chain, rows_conv *convs) {
  const float most = chain->act == FM_ACT_RELU6 ? 5.5f : 4, low = chain->act ? 0 : -most;
  const int inside = chain->expanded ? chain->expanded : chain->x.c;
  int count = 0;
  if (chain->expanded)
    convs[count++] = (rows_conv){"expand", inside, 1, 1, 1, chain->act, low, most};
  if (chain->kernel)
    convs[count++] =
        (rows_conv){"filter", inside, chain->kernel, chain->stride, inside, chain->act, low, most};
  convs[count++] = (rows_conv){"project", chain->out, 1, 1, 1, chain->end, chain->end ? 0 : -4, 4};
  return count;
}

static int rows_own(fm_profile *profile) {
  size_t count;
  const fm_profile_row *rows = fm_profile_rows(profile, &count);
  int own = 0;
  for (size_t i = 0; i < count; ++i)
    own += strstr(rows[i].name, "own rows") ? (int)rows[i].calls : 0;
  return own;
}

// One run for each number of threads, whose bytes are the same; all of it in one pass of ours.
static float *rows_forward(const rows_chain *chain, int8_run *run) {
  float *first = NULL;
  const int threads = omp_get_max_threads();
  for (int number = 1; number <= 3; ++number) {
    fm_profile *profile;
    test_check(fm_profile_new(&profile, false));
    omp_set_num_threads(number);
    fm_profile_use(profile);
    float *y = int8_forward(run);
    fm_profile_use(NULL);
    const fm_tensor out = fm_plan_output(run->plan, 0);
    if (fm_nn_has_wide_vnni() && rows_own(profile) != 1)
      fail_msg("%s: %d passes of our own", chain->name, rows_own(profile));
    fm_profile_free(profile);
    if (first && memcmp(first, y, test_count(out.shape) * sizeof *y) != 0)
      fail_msg("%s: %d threads compute something else", chain->name, number);
    free(first);
    first = y;
    if (number < 3)
      fm_plan_free(run->plan);
  }
  omp_set_num_threads(threads);
  return first;
}

static fm_value rows_build(int8_run *run, const rows_chain *chain, const rows_conv *convs,
                           int count) {
  fm_value y = run->inputs[0];
  for (int i = 0; i < count; ++i) {
    const rows_conv *c = &convs[i];
    const bool last = i == count - 1;
    y = fm_conv2d(
        run->graph, y,
        &(fm_conv2d_options){.name = c->name,
                             .out_channels = c->out,
                             .kernel = c->kernel,
                             .padding = c->kernel / 2,
                             .stride = c->stride,
                             .groups = c->groups,
                             .bias = true,
                             .act = c->act,
                             .residual = last && chain->adds ? run->inputs[1] : (fm_value){0}});
  }
  return y;
}

static rows_layer rows_input(int8_run *run, int input, fm_shape shape, bool sign) {
  rows_layer layer = {shape, test_memory(test_count(shape) * sizeof(double))};
  float *values = test_memory(test_count(shape) * sizeof *values);
  for (size_t i = 0; i < test_count(shape); ++i)
    values[i] = (float)(sign ? int8_random() : fabs(int8_random()));
  int8_fill(run, input, int8_like(shape, sign ? FM_S8 : FM_U8, sign ? 1 / 127.0f : 1 / 255.0f),
            values);
  for (size_t i = 0; i < test_count(shape); ++i)
    layer.values[i] = (double)values[i];
  free(values);
  return layer;
}

// Sums are the same but for the last bits of a float, which now and then decide a rounding: then a
// number is one off, and what follows is moved a little.
static void rows_compare(const rows_chain *chain, const float *y, const rows_layer *expected) {
  const double step = chain->end ? 4 / 255.0 : 4 / 127.0;
  size_t others = 0;
  for (size_t i = 0; i < test_count(expected->shape); ++i) {
    const double difference = fabs((double)y[i] - expected->values[i]);
    others += difference > 1e-5;
    if (difference > 1.5 * step)
      fail_msg("%s: y[%zu] is %g, %g is expected", chain->name, i, (double)y[i],
               expected->values[i]);
  }
  if (others > test_count(expected->shape) / 200)
    fail_msg("%s: %zu of %zu numbers are one off", chain->name, others,
             test_count(expected->shape));
}

static void rows_run_case(const rows_chain *chain) {
  rows_conv convs[3];
  const int count = rows_convs(chain, convs), stride = chain->kernel ? chain->stride : 1;
  const fm_shape shapes[2] = {
      chain->x,
      {chain->x.n, chain->out, (chain->x.h - 1) / stride + 1, (chain->x.w - 1) / stride + 1}};
  int8_run run;
  int8_init(&run, shapes, chain->adds ? 2 : 1);
  int8_finish(&run, rows_build(&run, chain, convs, count), -1, 1);
  for (int i = 0; i < count; ++i)
    int8_set_range(&run, convs[i].name, convs[i].low, convs[i].high);
  rows_layer layer = rows_input(&run, 0, chain->x, chain->sign), residual = {0};
  if (chain->adds)
    residual = rows_input(&run, 1, shapes[1], !chain->sign);
  double *weight = test_memory(sizeof *weight * 400000), *bias = test_memory(sizeof *bias * 2000);
  for (int i = 0; i < count; ++i) {
    rows_params(run.params, &convs[i], layer.shape.c, weight, bias);
    const rows_layer next =
        rows_convolve(&layer, &convs[i], weight, bias, i == count - 1 ? residual.values : NULL);
    free(layer.values);
    layer = next;
  }
  float *y = rows_forward(chain, &run);
  if (fm_nn_has_vnni())
    rows_compare(chain, y, &layer);
  free(y);
  free(weight);
  free(bias);
  free(layer.values);
  free(residual.values);
  int8_release(&run);
}

static const rows_chain rows_chains[] = {
    {"1 x 1 alone", {2, 24, 9, 13}, 0, 0, 1, 24, FM_ACT_NONE, FM_ACT_NONE, true, false},
    {"1 x 1 with a residual", {1, 64, 7, 5}, 0, 0, 1, 96, FM_ACT_NONE, FM_ACT_RELU, false, true},
    {"1 x 1 to 40 channels", {1, 12, 5, 7}, 0, 0, 1, 40, FM_ACT_NONE, FM_ACT_RELU6, false, true},
    {"1 x 1 to 13 channels", {1, 8, 3, 31}, 0, 0, 1, 13, FM_ACT_NONE, FM_ACT_NONE, true, true},
    {"separable", {1, 32, 17, 23}, 0, 3, 1, 16, FM_ACT_RELU6, FM_ACT_NONE, false, false},
    {"separable of numbers with a sign",
     {2, 96, 11, 19},
     0,
     3,
     1,
     96,
     FM_ACT_NONE,
     FM_ACT_NONE,
     true,
     false},
    {"separable with stride 2 of 20 channels",
     {1, 20, 18, 33},
     0,
     3,
     2,
     24,
     FM_ACT_RELU,
     FM_ACT_NONE,
     true,
     false},
    {"separable of 16 channels",
     {1, 16, 12, 21},
     0,
     3,
     1,
     24,
     FM_ACT_RELU,
     FM_ACT_RELU,
     true,
     false},
    {"separable with stride 2 of 16",
     {1, 16, 12, 70},
     0,
     3,
     2,
     24,
     FM_ACT_RELU,
     FM_ACT_RELU,
     true,
     false},
    {"5 x 5 with stride 2", {1, 40, 15, 14}, 0, 5, 2, 32, FM_ACT_RELU6, FM_ACT_NONE, true, false},
    {"inverted residual", {1, 24, 20, 27}, 144, 3, 1, 24, FM_ACT_RELU6, FM_ACT_NONE, true, true},
    {"inverted residual with stride 2",
     {2, 16, 21, 37},
     96,
     3,
     2,
     24,
     FM_ACT_RELU6,
     FM_ACT_NONE,
     true,
     false},
    {"inverted residual of one row",
     {1, 32, 1, 50},
     192,
     3,
     1,
     64,
     FM_ACT_RELU6,
     FM_ACT_NONE,
     false,
     false},
    {"inverted residual of one pixel",
     {1, 32, 1, 1},
     192,
     3,
     2,
     64,
     FM_ACT_RELU6,
     FM_ACT_NONE,
     true,
     false},
    {"inverted residual, no activation",
     {1, 16, 9, 8},
     80,
     3,
     1,
     112,
     FM_ACT_NONE,
     FM_ACT_NONE,
     true,
     false},
    {"inverted residual of 5 x 5",
     {4, 40, 8, 8},
     240,
     5,
     1,
     40,
     FM_ACT_RELU6,
     FM_ACT_NONE,
     true,
     true},
    {"inverted residual of 5 x 5 with stride 2",
     {1, 16, 13, 9},
     112,
     5,
     2,
     48,
     FM_ACT_RELU6,
     FM_ACT_NONE,
     false,
     false},
};

static void test_chains_are_their_layers(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof rows_chains / sizeof *rows_chains; ++i)
    rows_run_case(&rows_chains[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_chains_are_their_layers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
