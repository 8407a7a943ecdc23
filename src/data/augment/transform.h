// What a transform is to the list: a line in transform.def, a file of its own, and a table of its
// parameters.
#ifndef FM_DATA_AUGMENT_TRANSFORM_H
#define FM_DATA_AUGMENT_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"
#include "data/augment/augment.h"

typedef struct fm_augment_context {
  fm_random random;           // the transform's own, so that it may draw as often as it likes
  const fm_sample_pool *pool; // other pictures; NULL: none
  const fm_augment *inner;    // of a transform with `nests`: its list
} fm_augment_context;

typedef struct fm_transform {
  const char *name;
  bool nests;             // takes a list of transforms under "transforms"
  size_t parameter_bytes; // of its struct of parameters
  const fm_option
      *parameters; // offsets into that struct, FM_TRANSFORM_P first; ends with name NULL
  // What the ranges of the table cannot say, after the defaults and after all parameters are set;
  // NULL for nothing.
  fm_status (*check)(const void *parameters);
  // Called with probability p. Boxes may reach outside the picture; the list clips and drops them.
  fm_status (*apply)(const void *parameters, fm_augment_context *context,
                     fm_augment_picture *picture);
} fm_transform;

// The first row of every table: how often the transform is applied (in one_of: its weight).
#define FM_TRANSFORM_P(type, initial) \
  { "p", FM_OPTION_DOUBLE, offsetof(type, p), 0, 1, initial, NULL, "probability" }
// A row for [low, high]: a parameter of type FM_OPTION_FLOATS is always a range, from which a value
// is drawn; one number stands for itself alone. The list checks that there are two and that they
// rise.
#define FM_TRANSFORM_RANGE(type, field, low, high, initial, help) \
  { #field, FM_OPTION_FLOATS, offsetof(type, field), low, high, initial, NULL, help }

double fm_transform_draw(const fm_float_list *range, fm_random *random);  // uniform
int fm_transform_draw_int(const fm_float_list *range, fm_random *random); // uniform, ends included
int fm_transform_draw_odd(const fm_float_list *range, fm_random *random); // of the odd ones
// In proportion to the logarithm, as sizes and factors are drawn; the range is above 0.
double fm_transform_draw_factor(const fm_float_list *range, fm_random *random);
// FM_ERR_ARGUMENT when an end of the range is no whole (odd) number.
FM_MUST_USE fm_status fm_transform_check_whole(const fm_float_list *range, const char *name);
FM_MUST_USE fm_status fm_transform_check_odd(const fm_float_list *range, const char *name);

// Something pasted at this place would hide more than a tenth of a face; the one of index `own`
// (the count of objects: none) does not matter.
bool fm_transform_hides(const fm_augment_picture *picture, const fm_box *place, size_t own);

// What is pasted into a picture and how much of it shows at each of its pixels: `shown`, cut to 0
// to 1 and eased at both ends.
typedef struct fm_transform_patch {
  const fm_image *image;
  float light; // factor of its values
  float (*shown)(const void *form, int x, int y);
  const void *form;
} fm_transform_patch;
// With its upper left corner at (left, top); what lies outside the canvas is left out.
void fm_transform_paste(fm_image *canvas, const fm_transform_patch *patch, int left, int top);

// For transforms that nest: the transforms of the inner list, their p, and one of them applied
// whatever its p.
double fm_augment_weight(const fm_augment *augment, size_t index);
FM_MUST_USE fm_status fm_augment_apply_one(const fm_augment *augment, size_t index,
                                           fm_augment_context *context,
                                           fm_augment_picture *picture);

// The transforms in the order of transform.def; NULL behind the last.
const fm_transform *fm_transform_at(size_t index);

// The colour that the network's normalisation takes for 0 (ImageNet's mean), to fill with.
enum { FM_TRANSFORM_FILL = 0x7c7468 };

#define FM_TRANSFORM(name) extern const fm_transform fm_transform_##name;
#include "data/augment/transform.def"
#undef FM_TRANSFORM

#endif
