// oneDNN primitives with their memory objects, made once in prepare and run without allocation. For
// nn only.
#ifndef FM_NN_PRIMITIVE_H
#define FM_NN_PRIMITIVE_H

#include <dnnl.h>
#include <stdbool.h>

#include "base/status.h"
#include "nn/tensor.h"

enum { FM_PRIMITIVE_ARGS_MAX = 8 };

typedef struct fm_primitive {
  dnnl_primitive_t handle;    // NULL until it is built
  dnnl_primitive_desc_t desc; // what it will be built from
  dnnl_exec_arg_t args[FM_PRIMITIVE_ARGS_MAX];
  int arg_count;
  size_t scratchpad_bytes; // give memory for it as DNNL_ARG_SCRATCHPAD
} fm_primitive;

dnnl_engine_t fm_dnnl_engine(void); // the processor; one for the process
dnnl_stream_t fm_dnnl_stream(void); // this thread's

// FM_ERR_UNSUPPORTED with the call's name when a oneDNN call has failed.
FM_MUST_USE fm_status fm_dnnl_check(dnnl_status_t status, const char *what);
#define FM_DNNL(call) FM_TRY(fm_dnnl_check((call), #call))

// Descriptor of a tensor; and back: FM_ERR_UNSUPPORTED when the layout is none of the family in
// tensor.h.
FM_MUST_USE fm_status fm_dnnl_desc(dnnl_memory_desc_t *out, const fm_tensor *tensor);
// Of one whose block is all channels. It is nChw16c, too, where there are 16, but the fast ways of
// whole numbers know it by the name nhwc alone; fm_dnnl_desc calls those so.
FM_MUST_USE fm_status fm_dnnl_interleaved(dnnl_memory_desc_t *out, const fm_tensor *tensor);
FM_MUST_USE fm_status fm_dnnl_any(dnnl_memory_desc_t *out, fm_shape shape, fm_dtype dtype);
FM_MUST_USE fm_status fm_dnnl_layout(fm_tensor *tensor, const dnnl_memory_desc_t *desc);
dnnl_data_type_t fm_dnnl_type(fm_dtype dtype);

// Whether what it describes runs by oneDNN's reference loops, a hundred times slower than others.
bool fm_dnnl_is_reference(const_dnnl_primitive_desc_t pd);
// The convolution's fastest implementation that is right; attributes may be NULL. The caller owns
// *out.
dnnl_status_t fm_dnnl_convolution(dnnl_primitive_desc_t *out, const dnnl_convolution_desc_t *desc,
                                  const_dnnl_primitive_attr_t attributes);
// Attributes with a scratchpad that the caller gives.
FM_MUST_USE fm_status fm_dnnl_attributes(dnnl_primitive_attr_t *out);

// oneDNN writes the code of each primitive, which is most of a plan's cost. Between these two calls
// of a thread fm_primitive_init only notes what is to be built; the second builds it on all cores.
// A primitive must stay where it is until then, and not run. Reorders are built at once.
void fm_primitives_begin(void);
FM_MUST_USE fm_status fm_primitives_build(void);
void fm_primitives_abandon(void); // instead of building, after an error

// Takes over pd. Memory objects are added by fm_primitive_add, data pointers by fm_primitive_set.
FM_MUST_USE fm_status fm_primitive_init(fm_primitive *primitive, dnnl_primitive_desc_t pd);
FM_MUST_USE fm_status fm_primitive_add(fm_primitive *primitive, int arg,
                                       const dnnl_memory_desc_t *desc);
void fm_primitive_set(fm_primitive *primitive, int arg, void *data);
FM_MUST_USE fm_status fm_primitive_run(fm_primitive *primitive);
// As part of a product of ours, which is what a profile then knows.
FM_MUST_USE fm_status fm_primitive_run_within(fm_primitive *primitive);
void fm_primitive_release(fm_primitive *primitive);

// A reorder between two layouts of the same tensor.
FM_MUST_USE fm_status fm_primitive_reorder(fm_primitive *out, const dnnl_memory_desc_t *from,
                                           const dnnl_memory_desc_t *to);
// The same, each number times `scale`; whole numbers are rounded and saturate.
FM_MUST_USE fm_status fm_primitive_rescale(fm_primitive *out, const dnnl_memory_desc_t *from,
                                           const dnnl_memory_desc_t *to, float scale);

#endif
