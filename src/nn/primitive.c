// Thin layer over the oneDNN v2 API, so that its calls lie together.
#include "nn/primitive.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "nn/primitive_profile.h"

static dnnl_engine_t primitive_engine;
static pthread_once_t primitive_once = PTHREAD_ONCE_INIT;
static pthread_key_t primitive_stream_key;

static void primitive_stream_free(void *stream) {
  dnnl_stream_destroy(stream);
}

static void primitive_start(void) {
  dnnl_set_jit_profiling_flags(0); // it would look for a profiler's library in every folder
  FM_ASSERT(dnnl_engine_create(&primitive_engine, dnnl_cpu, 0) == dnnl_success);
  FM_ASSERT(pthread_key_create(&primitive_stream_key, primitive_stream_free) == 0);
}

dnnl_engine_t fm_dnnl_engine(void) {
  pthread_once(&primitive_once, primitive_start);
  return primitive_engine;
}

dnnl_stream_t fm_dnnl_stream(void) {
  const dnnl_engine_t engine = fm_dnnl_engine();
  dnnl_stream_t stream = pthread_getspecific(primitive_stream_key);
  if (!stream) {
    FM_ASSERT(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success);
    pthread_setspecific(primitive_stream_key, stream);
  }
  return stream;
}

// Whether the implementation's name begins so.
static bool primitive_is_named(const_dnnl_primitive_desc_t pd, const char *begin) {
  const char *implementation = "";
  dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &implementation);
  return strncmp(implementation, begin, strlen(begin)) == 0;
}

bool fm_dnnl_is_reference(const_dnnl_primitive_desc_t pd) {
  return primitive_is_named(pd, "ref");
}

// oneDNN 2.6's convolution of 1 x 1 by AMX tiles, which it takes beside a sum with another array,
// gives other numbers from call to call for some shapes (256 to 1024 channels of 6 x 8 pixels).
static bool primitive_is_wrong(const_dnnl_primitive_desc_t pd) {
  return primitive_is_named(pd, "jit_1x1:avx512_core_amx");
}

dnnl_status_t fm_dnnl_convolution(dnnl_primitive_desc_t *out, const dnnl_convolution_desc_t *desc,
                                  const_dnnl_primitive_attr_t attributes) {
  dnnl_primitive_desc_iterator_t all = NULL;
  dnnl_status_t status =
      dnnl_primitive_desc_iterator_create(&all, desc, attributes, fm_dnnl_engine(), NULL);
  while (status == dnnl_success) {
    *out = dnnl_primitive_desc_iterator_fetch(all);
    if (!*out)
      status = dnnl_out_of_memory;
    else if (primitive_is_wrong(*out))
      dnnl_primitive_desc_destroy(*out);
    else
      break;
    if (status == dnnl_success)
      status = dnnl_primitive_desc_iterator_next(all);
  }
  dnnl_primitive_desc_iterator_destroy(all);
  return status;
}

fm_status fm_dnnl_check(dnnl_status_t status, const char *what) {
  if (status == dnnl_success)
    return FM_OK;
  const int length = (int)strcspn(what, "(");
  return fm_fail(status == dnnl_out_of_memory ? FM_ERR_MEMORY : FM_ERR_UNSUPPORTED,
                 "%.*s failed with status %d", length, what, (int)status);
}

dnnl_data_type_t fm_dnnl_type(fm_dtype dtype) {
  static const dnnl_data_type_t types[] = {
      [FM_F32] = dnnl_f32, [FM_BF16] = dnnl_bf16, [FM_U8] = dnnl_u8, [FM_S8] = dnnl_s8};
  return types[dtype];
}

static dnnl_format_tag_t primitive_tag(const fm_tensor *tensor) {
  switch (tensor->block) {
  case 4:
    return dnnl_nChw4c;
  case 8:
    return dnnl_nChw8c;
  case 16:
    return dnnl_nChw16c;
  case 1:
    return dnnl_nchw;
  default:
    return dnnl_nhwc;
  }
}

static void primitive_dims(dnnl_dims_t dims, fm_shape shape) {
  dims[0] = shape.n;
  dims[1] = shape.c;
  dims[2] = shape.h;
  dims[3] = shape.w;
}

fm_status fm_dnnl_desc(dnnl_memory_desc_t *out, const fm_tensor *tensor) {
  dnnl_dims_t dims;
  if (fm_dtype_is_int8(tensor->dtype) && tensor->block == tensor->shape.c)
    return fm_dnnl_interleaved(out, tensor);
  primitive_dims(dims, tensor->shape);
  FM_DNNL(dnnl_memory_desc_init_by_tag(out, 4, dims, fm_dnnl_type(tensor->dtype),
                                       primitive_tag(tensor)));
  return FM_OK;
}

fm_status fm_dnnl_interleaved(dnnl_memory_desc_t *out, const fm_tensor *tensor) {
  dnnl_dims_t dims;
  primitive_dims(dims, tensor->shape);
  FM_DNNL(dnnl_memory_desc_init_by_tag(out, 4, dims, fm_dnnl_type(tensor->dtype), dnnl_nhwc));
  return FM_OK;
}

fm_status fm_dnnl_any(dnnl_memory_desc_t *out, fm_shape shape, fm_dtype dtype) {
  dnnl_dims_t dims;
  primitive_dims(dims, shape);
  FM_DNNL(dnnl_memory_desc_init_by_tag(out, 4, dims, fm_dnnl_type(dtype), dnnl_format_tag_any));
  return FM_OK;
}

fm_status fm_dnnl_layout(fm_tensor *tensor, const dnnl_memory_desc_t *desc) {
  const int blocks[] = {16, 8, 4, 1};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; ++i) {
    dnnl_memory_desc_t candidate;
    fm_tensor trial = *tensor;
    trial.block = blocks[i];
    FM_TRY(fm_dnnl_desc(&candidate, &trial));
    if (dnnl_memory_desc_equal(&candidate, desc)) {
      tensor->block = blocks[i];
      return FM_OK;
    }
  }
  // One block of all channels is NHWC, also where there are 4, 8 or 16 of them.
  dnnl_memory_desc_t interleaved;
  dnnl_dims_t dims;
  primitive_dims(dims, tensor->shape);
  FM_DNNL(
      dnnl_memory_desc_init_by_tag(&interleaved, 4, dims, fm_dnnl_type(tensor->dtype), dnnl_nhwc));
  if (dnnl_memory_desc_equal(&interleaved, desc)) {
    tensor->block = tensor->shape.c;
    return FM_OK;
  }
  return fm_fail(FM_ERR_UNSUPPORTED, "oneDNN chose a layout outside the known ones");
}

fm_status fm_dnnl_attributes(dnnl_primitive_attr_t *out) {
  FM_DNNL(dnnl_primitive_attr_create(out));
  FM_DNNL(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user));
  return FM_OK;
}

// What a thread has noted, in the order of noting.
typedef struct primitive_list {
  bool open;
  fm_primitive **items;
  size_t count, capacity;
} primitive_list;
static _Thread_local primitive_list primitive_pending;

void fm_primitives_begin(void) {
  primitive_pending.open = true;
}

void fm_primitives_abandon(void) {
  free(primitive_pending.items);
  primitive_pending = (primitive_list){0};
}

static bool primitive_note(fm_primitive *primitive) {
  primitive_list *list = &primitive_pending;
  if (!list->open)
    return false;
  if (list->count == list->capacity) {
    const size_t capacity = list->capacity ? 2 * list->capacity : 128;
    fm_primitive **items = realloc(list->items, capacity * sizeof *items);
    if (!items)
      return false; // it is built at once, then
    list->items = items;
    list->capacity = capacity;
  }
  list->items[list->count++] = primitive;
  return true;
}

static void primitive_forget(const fm_primitive *primitive) {
  primitive_list *list = &primitive_pending;
  for (size_t i = list->count; i > 0; --i)
    if (list->items[i - 1] == primitive)
      list->items[i - 1] = NULL;
}

static fm_status primitive_build(fm_primitive *primitive) {
  const dnnl_status_t made = dnnl_primitive_create(&primitive->handle, primitive->desc);
  dnnl_primitive_desc_destroy(primitive->desc);
  primitive->desc = NULL;
  return fm_dnnl_check(made, "dnnl_primitive_create");
}

fm_status fm_primitives_build(void) {
  fm_primitive **items = primitive_pending.items;
  const size_t count = primitive_pending.count;
  int worst = FM_OK; // errors are below
#pragma omp parallel for schedule(dynamic) reduction(min : worst)
  for (size_t i = 0; i < count; ++i) {
    const int made = items[i] ? primitive_build(items[i]) : FM_OK;
    worst = made < worst ? made : worst;
  }
  fm_primitives_abandon();
  // The message stayed with the thread that met the error.
  return worst < 0 ? fm_fail((fm_status)worst, "dnnl_primitive_create failed") : FM_OK;
}

// Everything but the building.
static fm_status primitive_take(fm_primitive *primitive, dnnl_primitive_desc_t pd) {
  *primitive = (fm_primitive){.desc = pd};
  const dnnl_memory_desc_t scratchpad =
      *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  primitive->scratchpad_bytes = dnnl_memory_desc_get_size(&scratchpad);
  if (primitive->scratchpad_bytes)
    FM_TRY(fm_primitive_add(primitive, DNNL_ARG_SCRATCHPAD, &scratchpad));
  return FM_OK;
}

fm_status fm_primitive_init(fm_primitive *primitive, dnnl_primitive_desc_t pd) {
  FM_TRY(primitive_take(primitive, pd));
  return primitive_note(primitive) ? FM_OK : primitive_build(primitive);
}

fm_status fm_primitive_add(fm_primitive *primitive, int arg, const dnnl_memory_desc_t *desc) {
  FM_ASSERT(primitive->arg_count < FM_PRIMITIVE_ARGS_MAX);
  dnnl_exec_arg_t *slot = &primitive->args[primitive->arg_count];
  slot->arg = arg;
  FM_DNNL(dnnl_memory_create(&slot->memory, desc, fm_dnnl_engine(), DNNL_MEMORY_NONE));
  ++primitive->arg_count;
  return FM_OK;
}

void fm_primitive_set(fm_primitive *primitive, int arg, void *data) {
  for (int i = 0; i < primitive->arg_count; ++i) {
    if (primitive->args[i].arg == arg) {
      // Setting a handle zeroes the padding behind it, which costs time: only when it moves.
      void *current = NULL;
      dnnl_memory_get_data_handle(primitive->args[i].memory, &current);
      if (current != data)
        dnnl_memory_set_data_handle_v2(primitive->args[i].memory, data, fm_dnnl_stream());
      return;
    }
  }
  FM_ASSERT(arg == DNNL_ARG_SCRATCHPAD); // the only one that a primitive may do without
}

static fm_status primitive_execute(void *user) {
  fm_primitive *primitive = user;
  FM_DNNL(dnnl_primitive_execute(primitive->handle, fm_dnnl_stream(), primitive->arg_count,
                                 primitive->args));
  return FM_OK;
}

static fm_status primitive_run_profiled(fm_primitive *primitive) {
  char name[FM_PROFILE_NAME_BYTES];
  fm_work work;
  const bool product = fm_primitive_describe(primitive->handle, name, &work);
  if (product) {
    work.run = primitive_execute;
    work.user = primitive;
  }
  fm_section section;
  fm_section_begin(&section);
  const fm_status status = primitive_execute(primitive);
  fm_section_end(&section, &work);
  return status;
}

fm_status fm_primitive_run_within(fm_primitive *primitive) {
  return primitive_execute(primitive);
}

fm_status fm_primitive_run(fm_primitive *primitive) {
  return fm_profile_is_on() ? primitive_run_profiled(primitive) : primitive_execute(primitive);
}

void fm_primitive_release(fm_primitive *primitive) {
  for (int i = 0; i < primitive->arg_count; ++i)
    dnnl_memory_destroy(primitive->args[i].memory);
  if (primitive->handle)
    dnnl_primitive_destroy(primitive->handle);
  if (primitive->desc) {
    primitive_forget(primitive);
    dnnl_primitive_desc_destroy(primitive->desc);
  }
  *primitive = (fm_primitive){0};
}

fm_status fm_primitive_reorder(fm_primitive *out, const dnnl_memory_desc_t *from,
                               const dnnl_memory_desc_t *to) {
  return fm_primitive_rescale(out, from, to, 1);
}

fm_status fm_primitive_rescale(fm_primitive *out, const dnnl_memory_desc_t *from,
                               const dnnl_memory_desc_t *to, float scale) {
  // The few reorders that need a scratchpad, of weights into whole numbers, are none of a step: it
  // is the library's own.
  dnnl_primitive_attr_t attributes;
  FM_DNNL(dnnl_primitive_attr_create(&attributes));
  dnnl_primitive_desc_t pd;
  dnnl_status_t status = dnnl_primitive_attr_set_output_scales(attributes, 1, 0, &scale);
  if (status == dnnl_success)
    status = dnnl_reorder_primitive_desc_create(&pd, from, fm_dnnl_engine(), to, fm_dnnl_engine(),
                                                attributes);
  dnnl_primitive_attr_destroy(attributes);
  FM_TRY(fm_dnnl_check(status, "dnnl_reorder_primitive_desc_create"));
  // Not noted but built: those of weights run while a plan is prepared, and on other threads too.
  FM_TRY(primitive_take(out, pd));
  FM_TRY(primitive_build(out));
  FM_TRY(fm_primitive_add(out, DNNL_ARG_FROM, from));
  return fm_primitive_add(out, DNNL_ARG_TO, to);
}
