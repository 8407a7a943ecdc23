// Tables of options as YAML: reading nested maps or dotted keys, writing what reads back. Only this
// file and yaml_json.c include yaml.h.
#include "base/options.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"

enum { YAML_BYTES_MAX = 1 << 20, YAML_DEPTH_MAX = 8, YAML_KEY_BYTES = 256, YAML_TEXT_BYTES = 8192 };

typedef struct options_reader {
  const fm_option *table;
  void *object;
  const char *source;
  fm_options_other other;
  void *user;
  yaml_document_t *document;
  bool *given; // which rows of the table have a value already
} options_reader;

static size_t options_yaml_line(const yaml_node_t *node) {
  return node->start_mark.line + 1;
}

// NULL when the table does not know it.
static const fm_option *options_yaml_row(const options_reader *reader, const char *key) {
  for (const fm_option *row = reader->table; row->name; ++row)
    if (strcmp(row->name, key) == 0)
      return row;
  return NULL;
}

// Whether some option lies below `key`, so that a map there is a nesting and not a value.
static bool options_yaml_prefix(const options_reader *reader, const char *key) {
  const size_t length = strlen(key);
  for (const fm_option *row = reader->table; row->name; ++row)
    if (strncmp(row->name, key, length) == 0 && row->name[length] == '.')
      return true;
  return false;
}

static fm_status options_yaml_append(char *text, size_t *used, const char *piece, size_t length) {
  if (*used + length >= YAML_TEXT_BYTES)
    return fm_fail(FM_ERR_FORMAT, "a value is longer than %d bytes", YAML_TEXT_BYTES - 1);
  memcpy(text + *used, piece, length);
  *used += length;
  text[*used] = 0;
  return FM_OK;
}

// A scalar or a sequence of such as the text that fm_options_set takes.
static fm_status options_yaml_text(const options_reader *reader, const yaml_node_t *node,
                                   char *text, size_t *used, int depth) {
  if (depth > YAML_DEPTH_MAX)
    return fm_fail(FM_ERR_FORMAT, "lists are nested too deeply");
  if (node->type == YAML_SCALAR_NODE)
    return options_yaml_append(text, used, (const char *)node->data.scalar.value,
                               node->data.scalar.length);
  if (node->type != YAML_SEQUENCE_NODE)
    return fm_fail(FM_ERR_FORMAT, "a map where a value is expected");
  FM_TRY(options_yaml_append(text, used, "[", 1));
  for (const yaml_node_item_t *item = node->data.sequence.items.start;
       item < node->data.sequence.items.top; ++item) {
    if (item > node->data.sequence.items.start)
      FM_TRY(options_yaml_append(text, used, ", ", 2));
    FM_TRY(options_yaml_text(reader, yaml_document_get_node(reader->document, *item), text, used,
                             depth + 1));
  }
  return options_yaml_append(text, used, "]", 1);
}

static fm_status options_yaml_value(const options_reader *reader, const char *key,
                                    yaml_node_t *node) {
  const fm_option *row = options_yaml_row(reader, key);
  if (!row && reader->other)
    return reader->other(reader->user, key, reader->document, node);
  // Once nested and once with a dot: a map by itself does not hold a key twice.
  if (row && reader->given[row - reader->table])
    return fm_fail(FM_ERR_FORMAT, "%s stands twice", key);
  if (row)
    reader->given[row - reader->table] = true;
  char *text = malloc(YAML_TEXT_BYTES);
  FM_CHECK_ALLOC(text);
  text[0] = 0;
  size_t used = 0;
  fm_status status = options_yaml_text(reader, node, text, &used, 0);
  if (status == FM_OK)
    status = fm_options_set(reader->table, reader->object, key, text);
  free(text);
  return status;
}

static fm_status options_yaml_map(const options_reader *reader, const char *prefix,
                                  const yaml_node_t *map, int depth) {
  if (depth > YAML_DEPTH_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s:%zu: maps are nested too deeply", reader->source,
                   options_yaml_line(map));
  for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
       pair < map->data.mapping.pairs.top; ++pair) {
    const yaml_node_t *name = yaml_document_get_node(reader->document, pair->key);
    yaml_node_t *value = yaml_document_get_node(reader->document, pair->value);
    char key[YAML_KEY_BYTES];
    if (name->type != YAML_SCALAR_NODE ||
        snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] ? "." : "",
                 (const char *)name->data.scalar.value) >= (int)sizeof key)
      return fm_fail(FM_ERR_FORMAT, "%s:%zu: not a key", reader->source, options_yaml_line(name));
    for (const yaml_node_pair_t *earlier = map->data.mapping.pairs.start; earlier < pair;
         ++earlier) {
      const yaml_node_t *other = yaml_document_get_node(reader->document, earlier->key);
      if (strcmp((const char *)other->data.scalar.value, (const char *)name->data.scalar.value) ==
          0)
        return fm_fail(FM_ERR_FORMAT, "%s:%zu: %s stands twice", reader->source,
                       options_yaml_line(name), key);
    }
    if (value->type == YAML_MAPPING_NODE && options_yaml_prefix(reader, key)) {
      FM_TRY(options_yaml_map(reader, key, value, depth + 1));
      continue;
    }
    const fm_status status = options_yaml_value(reader, key, value);
    if (status < 0)
      return fm_fail_within(status, "%s:%zu", reader->source, options_yaml_line(name));
  }
  return FM_OK;
}

static fm_status options_yaml_load(yaml_parser_t *parser, yaml_document_t *document,
                                   const char *source) {
  return yaml_parser_load(parser, document)
             ? FM_OK
             : fm_fail(FM_ERR_FORMAT, "%s:%zu: %s", source, parser->problem_mark.line + 1,
                       parser->problem ? parser->problem : "not YAML");
}

// A second document would be passed over.
static fm_status options_yaml_end(yaml_parser_t *parser, const char *source) {
  yaml_document_t document;
  FM_TRY(options_yaml_load(parser, &document, source));
  const yaml_node_t *root = yaml_document_get_root_node(&document);
  const fm_status status = root ? fm_fail(FM_ERR_FORMAT, "%s:%zu: a second document: one is read",
                                          source, options_yaml_line(root))
                                : FM_OK;
  yaml_document_delete(&document);
  return status;
}

static fm_status options_yaml_document(options_reader *reader) {
  const yaml_node_t *root = yaml_document_get_root_node(reader->document);
  if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
    return FM_OK;
  if (root->type != YAML_MAPPING_NODE)
    return fm_fail(FM_ERR_FORMAT, "%s:%zu: not a map of keys and values", reader->source,
                   options_yaml_line(root));
  size_t rows = 0;
  while (reader->table[rows].name)
    ++rows;
  reader->given = calloc(rows + 1, sizeof *reader->given);
  FM_CHECK_ALLOC(reader->given);
  const fm_status status = options_yaml_map(reader, "", root, 0);
  free(reader->given);
  return status;
}

fm_status fm_options_parse_yaml(const fm_option *table, void *object, const char *text,
                                const char *source, fm_options_other other, void *user) {
  yaml_parser_t parser;
  yaml_document_t document;
  if (!yaml_parser_initialize(&parser))
    return fm_fail(FM_ERR_MEMORY, "%s: out of memory", source);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
  fm_status status = options_yaml_load(&parser, &document, source);
  if (status < 0) {
    yaml_parser_delete(&parser);
    return status;
  }
  options_reader reader = {table, object, source, other, user, &document, NULL};
  status = options_yaml_document(&reader);
  yaml_document_delete(&document);
  if (status == FM_OK)
    status = options_yaml_end(&parser, source);
  yaml_parser_delete(&parser);
  return status;
}

fm_status fm_options_read_yaml(const fm_option *table, void *object, const char *path,
                               fm_options_other other, void *user) {
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, YAML_BYTES_MAX));
  const fm_status status =
      fm_options_parse_yaml(table, object, (const char *)bytes.data, path, other, user);
  free(bytes.data);
  return status;
}

// Quoted, with YAML's escapes, so that any text reads back.
static void options_yaml_put_string(FILE *out, const char *value) {
  fputc('"', out);
  for (; *value; ++value) {
    const unsigned char c = (unsigned char)*value;
    if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
      fprintf(out, "\\x%02x", c);
    else
      fputc(c, out);
  }
  fputc('"', out);
}

fm_status fm_options_write_yaml(const fm_option *table, const void *object, FILE *out) {
  char section[YAML_KEY_BYTES] = "";
  for (; table->name; ++table) {
    const char *dot = strchr(table->name, '.');
    const size_t length = dot ? (size_t)(dot - table->name) : 0;
    FM_ASSERT(length < sizeof section);
    if (dot && (strncmp(section, table->name, length) != 0 || section[length])) {
      memcpy(section, table->name, length);
      section[length] = 0;
      fprintf(out, "%s:\n", section);
    }
    char *value = fm_options_format(table, object);
    FM_CHECK_ALLOC(value);
    fprintf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : table->name);
    if (table->type == FM_OPTION_STRING)
      options_yaml_put_string(out, value);
    else
      fputs(value, out);
    fputc('\n', out);
    free(value);
  }
  return ferror(out) ? fm_fail(FM_ERR_IO, "the configuration cannot be written") : FM_OK;
}
