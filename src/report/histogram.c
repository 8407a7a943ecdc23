// Bins and counts for histograms.
#include <math.h>
#include <stdlib.h>

#include "report/chart.h"

enum { HISTOGRAM_BINS = 30, HISTOGRAM_BINS_MAX = 10000 };

void fm_histogram_release(fm_histogram *histogram) {
  free(histogram->edges);
  free(histogram->counts);
  *histogram = (fm_histogram){0};
}

// Least and greatest of the values that count; false when there is none.
static bool histogram_range(const double *values, size_t count, bool log, double range[2]) {
  bool found = false;
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(values[i]) || (log && values[i] <= 0))
      continue;
    range[0] = !found || values[i] < range[0] ? values[i] : range[0];
    range[1] = !found || values[i] > range[1] ? values[i] : range[1];
    found = true;
  }
  return found;
}

static void histogram_edges(fm_histogram *out, const fm_histogram_options *options,
                            const double range[2]) {
  const double bins = (double)out->bins;
  for (size_t i = 0; i <= out->bins; i++) {
    const double part = (double)i / bins;
    if (options->log)
      out->edges[i] = range[0] * pow(range[1] / range[0], part);
    else
      out->edges[i] = range[0] + (range[1] - range[0]) * part;
  }
  out->edges[out->bins] = range[1];
}

static size_t histogram_bin(const fm_histogram *histogram, double value) {
  size_t low = 0, high = histogram->bins; // edges[low] <= value < edges[high], or the last bin
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    if (histogram->edges[middle] <= value)
      low = middle;
    else
      high = middle;
  }
  return low;
}

fm_status fm_histogram_make(fm_histogram *out, const double *values, size_t count,
                            const fm_histogram_options *options) {
  *out = (fm_histogram){.bins = options->bins ? options->bins : HISTOGRAM_BINS};
  FM_ASSERT(out->bins <= HISTOGRAM_BINS_MAX);
  double range[2] = {options->minimum, options->maximum};
  if (!(range[0] < range[1]) && !histogram_range(values, count, options->log, range)) {
    out->bins = 0;
    return FM_OK;
  }
  if (options->whole) {
    range[0] = floor(range[0]) - 0.5;
    const double width = ceil((floor(range[1]) + 0.5 - range[0]) / (double)out->bins);
    out->bins = (size_t)ceil((floor(range[1]) + 0.5 - range[0]) / width);
    range[1] = range[0] + width * (double)out->bins;
  } else if (range[1] - range[0] <= 1e-9 * fabs(range[1])) {
    range[1] = options->log ? range[0] * 2 : range[0] + 1;
    out->bins = 1;
  }
  out->edges = calloc(out->bins + 1, sizeof *out->edges);
  out->counts = calloc(out->bins, sizeof *out->counts);
  if (!out->edges || !out->counts) {
    fm_histogram_release(out);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  histogram_edges(out, options, range);
  for (size_t i = 0; i < count; i++)
    if (values[i] >= range[0] && values[i] <= range[1])
      out->counts[histogram_bin(out, values[i])]++;
  return FM_OK;
}
