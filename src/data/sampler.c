// Permutations, and repeat factors. The fractional parts of the factors are dealt out by systematic
// sampling over a random order of the pictures, not by one draw a picture, so that every epoch has
// the same number of steps.
#include "data/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

// Streams of fm_random_make; other rooms' differ.
enum { SAMPLER_STREAM_ORDER = 0x6f72, SAMPLER_STREAM_REPEAT = 0x7265 };

// Width to height between two groups: tall, nearly square, wide, very wide pictures.
static const double sampler_ratios[] = {0.87, 1.15, 1.6};
enum { SAMPLER_GROUPS = sizeof sampler_ratios / sizeof sampler_ratios[0] + 1 };

struct fm_sampler {
  size_t sample_count, count;
  bool shuffle;
  uint64_t seed;
  double *factors;           // [sample_count]; NULL when every picture comes once
  uint32_t *permutation;     // [count]
  uint32_t *copies;          // [sample_count], with factors alone: of the epoch under way
  fm_sampler_entry *plain;   // [count], with factors alone: the epoch before it is shuffled
  size_t group_size;         // 0: no grouping
  uint8_t *groups;           // [sample_count], with grouping alone
  fm_sampler_entry *waiting; // [SAMPLER_GROUPS][group_size], likewise
};

// Marks the classes of a sample.
static void sampler_classes(const fm_sample *sample, bool *present, int classes) {
  memset(present, 0, ((size_t)classes + 1) * sizeof *present);
  for (size_t i = 0; i < sample->object_count; i++)
    present[sample->objects[i].label] = true;
}

static void sampler_set_factors(fm_sampler *sampler, const fm_sampler_options *options,
                                size_t *images, bool *present) {
  int classes = fm_dataset_class_count(options->dataset);
  double total = (double)options->sample_count;
  for (size_t i = 0; i < options->sample_count; i++) {
    sampler_classes(fm_dataset_sample(options->dataset, options->samples[i]), present, classes);
    for (int label = 1; label <= classes; label++)
      images[label] += present[label];
  }
  for (size_t i = 0; i < options->sample_count; i++) {
    sampler_classes(fm_dataset_sample(options->dataset, options->samples[i]), present, classes);
    double factor = 1;
    for (int label = 1; label <= classes; label++)
      if (present[label])
        factor = fmax(factor, sqrt(options->repeat_threshold * total / (double)images[label]));
    sampler->factors[i] = factor;
  }
}

static fm_status sampler_make_factors(fm_sampler *sampler, const fm_sampler_options *options) {
  size_t classes = (size_t)fm_dataset_class_count(options->dataset);
  size_t *images = calloc(classes + 1, sizeof *images);
  bool *present = calloc(classes + 1, sizeof *present);
  sampler->factors = calloc(options->sample_count + 1, sizeof *sampler->factors);
  sampler->copies = calloc(options->sample_count + 1, sizeof *sampler->copies);
  fm_status status = FM_OK;
  if (images && present && sampler->factors && sampler->copies)
    sampler_set_factors(sampler, options, images, present);
  else
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  free(images);
  free(present);
  FM_TRY(status);
  double sum = 0;
  for (size_t i = 0; i < options->sample_count; i++)
    sum += sampler->factors[i];
  if (sum >= UINT32_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "repeated pictures make an epoch longer than %u", UINT32_MAX);
  sampler->count = (size_t)ceil(sum);
  sampler->plain = calloc(sampler->count + 1, sizeof *sampler->plain);
  FM_CHECK_ALLOC(sampler->plain);
  return FM_OK;
}

static fm_status sampler_make_groups(fm_sampler *sampler, const fm_sampler_options *options) {
  sampler->group_size = options->group_size;
  sampler->groups = calloc(options->sample_count + 1, sizeof *sampler->groups);
  sampler->waiting = calloc(SAMPLER_GROUPS * options->group_size, sizeof *sampler->waiting);
  FM_CHECK_ALLOC(sampler->groups && sampler->waiting);
  for (size_t i = 0; i < options->sample_count; i++) {
    const fm_sample *sample = fm_dataset_sample(options->dataset, options->samples[i]);
    uint8_t group = 0;
    while (group < SAMPLER_GROUPS - 1 &&
           (double)sample->width > sampler_ratios[group] * (double)sample->height)
      group++;
    sampler->groups[i] = group;
  }
  return FM_OK;
}

static fm_status sampler_fill(fm_sampler *sampler, const fm_sampler_options *options) {
  sampler->sample_count = sampler->count = options->sample_count;
  sampler->shuffle = options->shuffle;
  sampler->seed = options->seed;
  if (options->repeat_threshold > 0)
    FM_TRY(sampler_make_factors(sampler, options));
  if (options->shuffle && options->group_size > 1)
    FM_TRY(sampler_make_groups(sampler, options));
  sampler->permutation = calloc(sampler->count + 1, sizeof *sampler->permutation);
  FM_CHECK_ALLOC(sampler->permutation);
  return FM_OK;
}

fm_status fm_sampler_new(fm_sampler **out, const fm_sampler_options *options) {
  *out = NULL;
  if (options->sample_count > UINT32_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "more than %u pictures", UINT32_MAX);
  fm_sampler *sampler = calloc(1, sizeof *sampler);
  FM_CHECK_ALLOC(sampler);
  fm_status status = sampler_fill(sampler, options);
  if (status < 0) {
    fm_sampler_free(sampler);
    return status;
  }
  *out = sampler;
  return FM_OK;
}

void fm_sampler_free(fm_sampler *sampler) {
  if (!sampler)
    return;
  free(sampler->factors);
  free(sampler->permutation);
  free(sampler->copies);
  free(sampler->plain);
  free(sampler->groups);
  free(sampler->waiting);
  free(sampler);
}

size_t fm_sampler_count(const fm_sampler *sampler) {
  return sampler->count;
}

double fm_sampler_factor(const fm_sampler *sampler, size_t sample) {
  FM_ASSERT(sample < sampler->sample_count);
  return sampler->factors ? sampler->factors[sample] : 1;
}

// How often each picture comes: the factors, scaled to the whole sum, laid end to end in a random
// order on a line; a picture comes once for every mark (a whole number plus a random offset) that
// falls on it.
static void sampler_draw_copies(fm_sampler *sampler, uint64_t epoch) {
  fm_random random = fm_random_make(sampler->seed, SAMPLER_STREAM_REPEAT, epoch);
  double offset = fm_random_uniform(&random), sum = 0, position = 0;
  fm_random_permutation(&random, sampler->permutation, sampler->sample_count);
  for (size_t i = 0; i < sampler->sample_count; i++)
    sum += sampler->factors[i];
  size_t before = 0;
  for (size_t i = 0; i < sampler->sample_count; i++) {
    uint32_t sample = sampler->permutation[i];
    position += sampler->factors[sample] * ((double)sampler->count / sum);
    size_t marks = (size_t)(position + offset);
    // The last one ends at `count` but for rounding.
    marks = i + 1 == sampler->sample_count || marks > sampler->count ? sampler->count : marks;
    sampler->copies[sample] = (uint32_t)(marks - before);
    before = marks;
  }
}

// Puts a batch where the group of a picture has filled it; what is left over comes last, by group.
static void sampler_group(fm_sampler *sampler, fm_sampler_entry *order) {
  size_t filled[SAMPLER_GROUPS] = {0}, size = sampler->group_size, out = 0;
  // Entries move towards the front only, so reading is never behind writing.
  for (size_t i = 0; i < sampler->count; i++) {
    uint8_t group = sampler->groups[order[i].sample];
    fm_sampler_entry *waiting = sampler->waiting + group * size;
    waiting[filled[group]++] = order[i];
    if (filled[group] < size)
      continue;
    memcpy(order + out, waiting, size * sizeof *order);
    out += size;
    filled[group] = 0;
  }
  for (size_t group = 0; group < SAMPLER_GROUPS; group++) {
    memcpy(order + out, sampler->waiting + group * size, filled[group] * sizeof *order);
    out += filled[group];
  }
}

void fm_sampler_order(fm_sampler *sampler, uint64_t epoch, fm_sampler_entry *order) {
  const fm_sampler_entry *plain = NULL;
  if (sampler->factors) {
    sampler_draw_copies(sampler, epoch);
    size_t next = 0;
    for (uint32_t i = 0; i < sampler->sample_count; i++)
      for (uint32_t copy = 0; copy < sampler->copies[i]; copy++)
        sampler->plain[next++] = (fm_sampler_entry){i, copy};
    plain = sampler->plain;
  }
  if (sampler->shuffle) {
    fm_random random = fm_random_make(sampler->seed, SAMPLER_STREAM_ORDER, epoch);
    fm_random_permutation(&random, sampler->permutation, sampler->count);
  }
  for (uint32_t i = 0; i < sampler->count; i++) {
    uint32_t from = sampler->shuffle ? sampler->permutation[i] : i;
    order[i] = plain ? plain[from] : (fm_sampler_entry){from, 0};
  }
  if (sampler->groups)
    sampler_group(sampler, order);
}
