// YAML nodes to JSON: plain scalars that are numbers or true, false, null stay so, all others are
// strings.
#include "base/yaml_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

// Text that grows in a fixed buffer; what does not fit sets `full`.
typedef struct yaml_json_text {
  char *data;
  size_t size, capacity;
  bool full;
} yaml_json_text;

static void yaml_json_put(yaml_json_text *text, const char *piece, size_t size) {
  if (size >= text->capacity - text->size) {
    text->full = true;
    return;
  }
  memcpy(text->data + text->size, piece, size);
  text->size += size;
  text->data[text->size] = 0;
}

static void yaml_json_put_string(yaml_json_text *text, const char *value, size_t size) {
  yaml_json_put(text, "\"", 1);
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)value[i];
    if (c == '"' || c == '\\') {
      yaml_json_put(text, "\\", 1);
      yaml_json_put(text, value + i, 1);
    } else if (c < 0x20) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      yaml_json_put(text, escape, 6);
    } else {
      yaml_json_put(text, value + i, 1);
    }
  }
  yaml_json_put(text, "\"", 1);
}

// JSON of a plain scalar: a number, true, false, null, else a string.
static void yaml_json_put_scalar(yaml_json_text *text, const yaml_node_t *node) {
  const char *value = (const char *)node->data.scalar.value;
  size_t size = node->data.scalar.length;
  if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
    yaml_json_put_string(text, value, size);
    return;
  }
  static const char *const words[] = {"true", "false", "null", NULL};
  for (const char *const *word = words; *word; word++) {
    if (strcmp(value, *word) == 0) {
      yaml_json_put(text, value, size);
      return;
    }
  }
  char *end;
  double number = strtod(value, &end);
  if (size == 0 || strcmp(value, "~") == 0) {
    yaml_json_put(text, "null", 4);
  } else if (*end == 0 && isfinite(number)) {
    char digits[32];
    for (int precision = 6; precision <= 17; precision++) {
      snprintf(digits, sizeof digits, "%.*g", precision, number);
      if (strtod(digits, NULL) == number)
        break;
    }
    yaml_json_put(text, digits, strlen(digits));
  } else {
    yaml_json_put_string(text, value, size);
  }
}

enum { YAML_JSON_DEPTH_MAX = 16 };

static void yaml_json_put_node(yaml_json_text *text, yaml_document_t *document,
                               const yaml_node_t *node, int depth) {
  if (!node || depth > YAML_JSON_DEPTH_MAX) {
    text->full = true;
  } else if (node->type == YAML_SEQUENCE_NODE) {
    yaml_json_put(text, "[", 1);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top && !text->full; item++) {
      if (item > node->data.sequence.items.start)
        yaml_json_put(text, ", ", 2);
      yaml_json_put_node(text, document, yaml_document_get_node(document, *item), depth + 1);
    }
    yaml_json_put(text, "]", 1);
  } else if (node->type == YAML_MAPPING_NODE) {
    yaml_json_put(text, "{", 1);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top && !text->full; pair++) {
      if (pair > node->data.mapping.pairs.start)
        yaml_json_put(text, ", ", 2);
      const yaml_node_t *key = yaml_document_get_node(document, pair->key);
      if (key && key->type == YAML_SCALAR_NODE)
        yaml_json_put_string(text, (const char *)key->data.scalar.value, key->data.scalar.length);
      else
        text->full = true;
      yaml_json_put(text, ": ", 2);
      yaml_json_put_node(text, document, yaml_document_get_node(document, pair->value), depth + 1);
    }
    yaml_json_put(text, "}", 1);
  } else {
    yaml_json_put_scalar(text, node);
  }
}

bool fm_yaml_to_json(char *out, size_t capacity, void *document, const void *node) {
  yaml_json_text text = {.data = out, .capacity = capacity};
  yaml_json_put_node(&text, document, node, 0);
  return !text.full;
}
