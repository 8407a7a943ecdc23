// A YAML list or map as JSON text, for the settings that no table of options can hold.
#ifndef FM_BASE_YAML_JSON_H
#define FM_BASE_YAML_JSON_H

#include <stdbool.h>
#include <stddef.h>

// yaml_document_t and yaml_node_t, as fm_options_other hands them. False when the text does not fit
// in `capacity` bytes with its final 0, the nesting is deeper than 16, or a key is not a scalar.
bool fm_yaml_to_json(char *out, size_t capacity, void *document, const void *node);

#endif
