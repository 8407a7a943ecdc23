// The tables of docs/augmentation.md.
#include "augment_table.h"

#include "data/augment/transform.h"

void augment_table_write(FILE *out) {
  const fm_transform *transform;
  for (size_t i = 0; (transform = fm_transform_at(i)); i++)
    for (const fm_option *row = transform->parameters; row->name; row++) {
      const char *name = row == transform->parameters ? transform->name : "";
      fprintf(out, "| %s%s%s | `%s` | %s | %g to %g | %s |\n", *name ? "`" : "", name,
              *name ? "`" : "", row->name, row->initial, row->minimum, row->maximum, row->help);
    }
}
