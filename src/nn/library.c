// oneDNN's version, the instruction set it uses, and which number type that is faster in.
#include "nn/library.h"

#include <dnnl.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "nn/primitive.h"

static const char *library_isa(dnnl_cpu_isa_t isa) {
  static const struct {
    dnnl_cpu_isa_t isa;
    const char *name;
  } names[] = {
      {dnnl_cpu_isa_sse41, "sse41"},
      {dnnl_cpu_isa_avx, "avx"},
      {dnnl_cpu_isa_avx2, "avx2"},
      {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
      {dnnl_cpu_isa_avx512_core, "avx512_core"},
      {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
      {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
      {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
    if (names[i].isa == isa)
      return names[i].name;
  return "generic";
}

const char *fm_nn_library(void) {
  static _Thread_local char text[96];
  const dnnl_version_t *version = dnnl_version();
  snprintf(text, sizeof text, "oneDNN %d.%d.%d, %s", version->major, version->minor, version->patch,
           library_isa(dnnl_get_effective_cpu_isa()));
  return text;
}

bool fm_nn_has_bf16(void) {
  const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  return isa == dnnl_cpu_isa_avx512_core_bf16 || isa == dnnl_cpu_isa_avx512_core_amx;
}

bool fm_nn_knows_bf16(void) {
  const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  return isa == dnnl_cpu_isa_avx512_core || isa == dnnl_cpu_isa_avx512_core_vnni ||
         fm_nn_has_bf16();
}

bool fm_nn_has_vnni(void) {
  const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  return isa == dnnl_cpu_isa_avx2_vnni || isa == dnnl_cpu_isa_avx512_core_vnni || fm_nn_has_bf16();
}

bool fm_nn_has_wide_vnni(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  // dq and vl came with the first processors that oneDNN calls avx512_core; its limit may be lower.
  return fm_nn_has_vnni() && dnnl_get_effective_cpu_isa() != dnnl_cpu_isa_avx2_vnni &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool fm_nn_has_8_lanes(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  return (isa == dnnl_cpu_isa_avx2 || isa == dnnl_cpu_isa_avx2_vnni) &&
         __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

// Whether AVX2 runs in halves of 128 bits (AMD's first Zen and Zen+). Products of whole numbers are
// no faster there than fp32's fused ones, and rounding comes on top (docs/performance.md).
static bool library_has_halves(void) {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_is("znver1");
#else
  return false;
#endif
}

bool fm_nn_prefers_int8(void) {
  return fm_nn_has_vnni() || (fm_nn_has_8_lanes() && !library_has_halves());
}

enum { LIBRARY_SIZE = 256, LIBRARY_TRIALS = 4 };

// A product of two square matrices, on memory of its own.
typedef struct library_product {
  fm_primitive primitive;
  uint8_t *memory;
  double seconds; // the least measured, of this thread's processor time
} library_product;

static fm_status library_product_init(library_product *self, dnnl_data_type_t type) {
  const dnnl_dims_t dims = {LIBRARY_SIZE, LIBRARY_SIZE};
  dnnl_memory_desc_t any, out;
  FM_DNNL(dnnl_memory_desc_init_by_tag(&any, 2, dims, type, dnnl_format_tag_any));
  FM_DNNL(dnnl_memory_desc_init_by_tag(&out, 2, dims, dnnl_f32, dnnl_ab));
  dnnl_matmul_desc_t desc;
  FM_DNNL(dnnl_matmul_desc_init(&desc, &any, &any, NULL, &out));
  dnnl_primitive_desc_t pd;
  dnnl_primitive_attr_t attributes;
  FM_TRY(fm_dnnl_attributes(&attributes));
  const dnnl_status_t made =
      dnnl_primitive_desc_create(&pd, &desc, attributes, fm_dnnl_engine(), NULL);
  dnnl_primitive_attr_destroy(attributes);
  FM_TRY(fm_dnnl_check(made, "dnnl_primitive_desc_create"));
  const dnnl_memory_desc_t a = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
  const dnnl_memory_desc_t b = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  FM_TRY(fm_primitive_init(&self->primitive, pd));
  const struct {
    int arg;
    size_t bytes;
    const dnnl_memory_desc_t *desc;
  } parts[] = {{DNNL_ARG_SRC, dnnl_memory_desc_get_size(&a), &a},
               {DNNL_ARG_WEIGHTS, dnnl_memory_desc_get_size(&b), &b},
               {DNNL_ARG_DST, dnnl_memory_desc_get_size(&out), &out}};
  const size_t total =
      parts[0].bytes + parts[1].bytes + parts[2].bytes + self->primitive.scratchpad_bytes + 64;
  self->memory = aligned_alloc(64, (total + 63) / 64 * 64);
  FM_CHECK_ALLOC(self->memory);
  memset(self->memory, 0, total);
  size_t used = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; used += parts[i++].bytes) {
    FM_TRY(fm_primitive_add(&self->primitive, parts[i].arg, parts[i].desc));
    fm_primitive_set(&self->primitive, parts[i].arg, self->memory + used);
  }
  if (self->primitive.scratchpad_bytes)
    fm_primitive_set(&self->primitive, DNNL_ARG_SCRATCHPAD, self->memory + (used + 63) / 64 * 64);
  self->seconds = 1;
  return FM_OK;
}

static fm_status library_product_time(library_product *self) {
  struct timespec from, to;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
  FM_TRY(fm_primitive_run(&self->primitive));
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
  const double seconds =
      (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
  self->seconds = seconds < self->seconds ? seconds : self->seconds;
  return FM_OK;
}

// On one thread and by its own time, so that a busy machine does not change the answer.
static fm_status library_compare(bool *bf16_is_faster) {
  library_product fp32 = {0}, bf16 = {0};
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  fm_status status = library_product_init(&fp32, dnnl_f32);
  if (status == FM_OK)
    status = library_product_init(&bf16, dnnl_bf16);
  for (int i = 0; status == FM_OK && i < LIBRARY_TRIALS; ++i) {
    status = library_product_time(&fp32);
    if (status == FM_OK)
      status = library_product_time(&bf16);
  }
  omp_set_num_threads(threads);
  *bf16_is_faster = status == FM_OK && bf16.seconds < fp32.seconds;
  fm_primitive_release(&fp32.primitive);
  fm_primitive_release(&bf16.primitive);
  free(fp32.memory);
  free(bf16.memory);
  return status;
}

static bool library_prefers;

static void library_choose(void) {
  if (fm_nn_has_bf16() && library_compare(&library_prefers) < 0)
    library_prefers = false; // what cannot be measured is not preferred
}

bool fm_nn_prefers_bf16(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, library_choose);
  return library_prefers;
}

void fm_nn_flush_denormals(void) {
#ifdef __SSE2__
  const unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
#pragma omp parallel
  _mm_setcsr(_mm_getcsr() | flush_to_zero | denormals_are_zero);
#endif
}
