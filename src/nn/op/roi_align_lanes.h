// The inner loops of roi_align.c for LANES channels at a time; included once for each number of
// lanes, hence no guard. Sums of LANES-wide vectors stay in registers.
#define LANES_PASTE(noun, lanes) noun##_##lanes
#define LANES_NAME(noun, lanes) LANES_PASTE(noun, lanes)
#define LANES_OF(noun) LANES_NAME(noun, LANES)

typedef float LANES_OF(roi_floats) __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef uint32_t LANES_OF(roi_words) __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef uint8_t LANES_OF(roi_bytes) __attribute__((vector_size(LANES), aligned(1)));
typedef int8_t LANES_OF(roi_signed_bytes) __attribute__((vector_size(LANES), aligned(1)));
typedef uint16_t LANES_OF(roi_halves)
    __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(2)));

// Through a pointer: vectors that some instruction sets lack are not for returning.
static inline __attribute__((always_inline)) void
LANES_OF(roi_load)(LANES_OF(roi_floats) * out, const void *plane, fm_dtype dtype, size_t at) {
  const void *from = (const char *)plane + at * fm_dtype_size(dtype);
  switch (dtype) {
  case FM_F32:
    *out = *(const LANES_OF(roi_floats) *)from;
    break;
  case FM_BF16:
    *out = (LANES_OF(roi_floats))(
        __builtin_convertvector(*(const LANES_OF(roi_halves) *)from, LANES_OF(roi_words)) << 16);
    break;
  case FM_U8:
    *out = __builtin_convertvector(*(const LANES_OF(roi_bytes) *)from, LANES_OF(roi_floats));
    break;
  case FM_S8:
    *out = __builtin_convertvector(*(const LANES_OF(roi_signed_bytes) *)from, LANES_OF(roi_floats));
    break;
  }
}

// One row of bins, from the rows of the picture that share in it, column by column of the picture.
static inline __attribute__((always_inline)) void
LANES_OF(roi_pool_row)(const roi_work *work, float *out, const void *plane, fm_dtype dtype,
                       roi_axis rows) {
  typedef LANES_OF(roi_floats) floats;
  for (const roi_share *x = work->x.begin, *end; x < work->x.end; x = end) {
    floats column = {0};
    for (const roi_share *y = rows.begin; y < rows.end; y++) {
      const size_t pixel = (size_t)y->place * (size_t)work->width + (size_t)x->place;
      floats from;
      LANES_OF(roi_load)(&from, plane, dtype, pixel * work->block);
      column += y->weight * from;
    }
    column *= work->scale;
    end = roi_place_end(x, work->x.end);
    for (const roi_share *at = x; at < end; at++)
      *(floats *)(void *)(out + (size_t)at->bin * work->stride) += at->weight * column;
  }
}

// plane and out: at the first of the lanes.
static inline __attribute__((always_inline)) void
LANES_OF(roi_pool)(const roi_work *work, float *out, const void *plane, fm_dtype dtype) {
  typedef LANES_OF(roi_floats) floats;
  const int bins = work->output_size * work->output_size;
  for (int bin = 0; bin < bins; bin++)
    *(floats *)(void *)(out + (size_t)bin * work->stride) = (floats){0};
  roi_axis rows = {work->y.begin, work->y.begin};
  for (; rows.begin < work->y.end; rows.begin = rows.end) {
    rows.end = roi_bin_end(rows.begin, work->y.end);
    float *row = out + (size_t)(rows.begin->bin * work->output_size) * work->stride;
    LANES_OF(roi_pool_row)(work, row, plane, dtype, rows);
  }
}

// One row of the picture: first what it has of each column of bins, then what each of its pixels
// has of those.
static inline __attribute__((always_inline)) void
LANES_OF(roi_spread_row)(const roi_work *work, float *row, const float *dy, roi_axis rows) {
  typedef LANES_OF(roi_floats) floats;
  floats bins[ROI_TABLE_MAX];
  for (int i = 0; i < work->output_size; i++) {
    floats sum = {0};
    for (const roi_share *y = rows.begin; y < rows.end; y++) {
      const size_t bin = (size_t)(y->bin * work->output_size + i);
      sum += y->weight * *(const floats *)(const void *)(dy + bin * work->block);
    }
    bins[i] = sum;
  }
  for (const roi_share *x = work->x.begin, *end; x < work->x.end; x = end) {
    floats sum = {0};
    end = roi_place_end(x, work->x.end);
    for (const roi_share *at = x; at < end; at++)
      sum += at->weight * bins[at->bin];
    *(floats *)(void *)(row + (size_t)x->place * work->block) += sum;
  }
}

static inline __attribute__((always_inline)) void
LANES_OF(roi_spread)(const roi_work *work, float *plane, const float *dy) {
  roi_axis rows = {work->y.begin, work->y.begin};
  for (; rows.begin < work->y.end; rows.begin = rows.end) {
    rows.end = roi_place_end(rows.begin, work->y.end);
    const size_t row = (size_t)rows.begin->place * (size_t)work->width;
    LANES_OF(roi_spread_row)(work, plane + row * work->block, dy, rows);
  }
}

#undef LANES_OF
#undef LANES_NAME
#undef LANES_PASTE
