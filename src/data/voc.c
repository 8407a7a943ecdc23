// Pascal VOC annotations by expat. The only file that includes expat.h.
#include "data/voc.h"

#include <expat.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VOC_DEPTH_MAX = 16, VOC_PATH_BYTES = 512, VOC_TEXT_BYTES = 1024, VOC_SIZE_MAX = 1000000 };
static const double voc_coordinate_max = 1e7;

typedef struct voc_reader {
  XML_Parser parser;
  const char *name;
  fm_voc *voc;
  size_t capacity;
  char path[VOC_PATH_BYTES]; // "/annotation/object/name"
  size_t path_ends[VOC_DEPTH_MAX];
  int depth;
  char text[VOC_TEXT_BYTES];
  size_t text_size;
  bool text_is_cut;
  bool in_leaf; // the text since the last start tag is of one element
  double corners[4];
  unsigned corners_seen;
  char *object_name;
  fm_status status;
} voc_reader;

static const char *const voc_corner_names[4] = {"xmin", "ymin", "xmax", "ymax"};

// Only the first failure is recorded: expat may call more handlers after XML_StopParser.
#define VOC_FAIL(reader, code, format, ...)                                                \
  do {                                                                                     \
    if ((reader)->status == FM_OK) {                                                       \
      (reader)->status =                                                                   \
          fm_fail((code), "%s: line %lu: " format, (reader)->name,                         \
                  (unsigned long)XML_GetCurrentLineNumber((reader)->parser), __VA_ARGS__); \
      XML_StopParser((reader)->parser, XML_FALSE);                                         \
    }                                                                                      \
  } while (0)

static void voc_on_start(void *user, const XML_Char *element, const XML_Char **attributes) {
  voc_reader *reader = user;
  (void)attributes;
  if (reader->status < 0)
    return;
  size_t end = reader->depth > 0 ? reader->path_ends[reader->depth - 1] : 0;
  size_t length = strlen(element);
  if (reader->depth == VOC_DEPTH_MAX || length + 2 > VOC_PATH_BYTES - end) {
    VOC_FAIL(reader, FM_ERR_FORMAT, "elements are nested deeper than %d", VOC_DEPTH_MAX);
    return;
  }
  if (reader->depth == 0 && strcmp(element, "annotation") != 0) {
    VOC_FAIL(reader, FM_ERR_FORMAT, "the root element is <%.60s>, not <annotation>", element);
    return;
  }
  reader->path[end] = '/';
  memcpy(reader->path + end + 1, element, length + 1);
  reader->path_ends[reader->depth++] = end + 1 + length;
  reader->text_size = 0;
  reader->text_is_cut = false;
  reader->in_leaf = true;
  if (strcmp(reader->path, "/annotation/object") == 0)
    reader->corners_seen = 0;
}

static void voc_on_text(void *user, const XML_Char *text, int size) {
  voc_reader *reader = user;
  if (!reader->in_leaf || reader->status < 0)
    return;
  if ((size_t)size >= VOC_TEXT_BYTES - reader->text_size) {
    reader->text_is_cut = true; // which matters where it is read
    return;
  }
  memcpy(reader->text + reader->text_size, text, (size_t)size);
  reader->text_size += (size_t)size;
}

static bool voc_is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The element's text without surrounding white space, inside the reader.
static const char *voc_text(voc_reader *reader) {
  if (reader->text_is_cut)
    VOC_FAIL(reader, FM_ERR_FORMAT, "the text of %s is too long", reader->path);
  size_t start = 0, end = reader->text_size;
  while (start < end && voc_is_space(reader->text[start]))
    start++;
  while (end > start && voc_is_space(reader->text[end - 1]))
    end--;
  reader->text[end] = 0;
  return reader->text + start;
}

static double voc_number(voc_reader *reader, double limit) {
  const char *text = voc_text(reader);
  char *end = NULL;
  double value = strtod(text, &end);
  if (*text == 0 || *end != 0 || text[strspn(text, "+-.0123456789eE")] != 0)
    VOC_FAIL(reader, FM_ERR_FORMAT, "%s is not a number: \"%.40s\"", reader->path, text);
  else if (!(fabs(value) <= limit))
    VOC_FAIL(reader, FM_ERR_FORMAT, "%s is out of range: %.40s", reader->path, text);
  return value;
}

static int voc_side(voc_reader *reader) {
  double value = voc_number(reader, VOC_SIZE_MAX);
  if (reader->status == FM_OK && (value < 0 || value != floor(value)))
    VOC_FAIL(reader, FM_ERR_FORMAT, "%s is not a size: %g", reader->path, value);
  return reader->status == FM_OK ? (int)value : 0;
}

static void voc_keep_text(voc_reader *reader, char **target) {
  free(*target);
  *target = strdup(voc_text(reader));
  if (!*target)
    VOC_FAIL(reader, FM_ERR_MEMORY, "%s", "out of memory");
}

static void voc_grow(voc_reader *reader) {
  fm_voc *voc = reader->voc;
  if (voc->object_count < reader->capacity)
    return;
  if (voc->object_count == FM_VOC_OBJECTS_MAX) {
    VOC_FAIL(reader, FM_ERR_FORMAT, "more than %d objects", FM_VOC_OBJECTS_MAX);
    return;
  }
  size_t capacity = reader->capacity ? 2 * reader->capacity : 8;
  fm_voc_object *objects = realloc(voc->objects, capacity * sizeof *objects);
  if (!objects) {
    VOC_FAIL(reader, FM_ERR_MEMORY, "%s", "out of memory");
    return;
  }
  voc->objects = objects;
  reader->capacity = capacity;
}

static void voc_end_object(voc_reader *reader) {
  if (!reader->object_name || !*reader->object_name) {
    VOC_FAIL(reader, FM_ERR_FORMAT, "%s", "an object has no name");
    return;
  }
  for (int i = 0; i < 4; i++)
    if (!(reader->corners_seen & 1u << i)) {
      VOC_FAIL(reader, FM_ERR_FORMAT, "an object has no %s", voc_corner_names[i]);
      return;
    }
  voc_grow(reader);
  if (reader->status < 0)
    return;
  const double *corners = reader->corners;
  reader->voc->objects[reader->voc->object_count++] = (fm_voc_object){
      .name = reader->object_name,
      .box = {(float)corners[0], (float)corners[1], (float)corners[2], (float)corners[3]},
  };
  reader->object_name = NULL;
}

static void voc_end_corner(voc_reader *reader, const char *corner) {
  for (int i = 0; i < 4; i++)
    if (strcmp(corner, voc_corner_names[i]) == 0) {
      reader->corners[i] = voc_number(reader, voc_coordinate_max);
      reader->corners_seen |= 1u << i;
    }
}

static void voc_on_end(void *user, const XML_Char *element) {
  voc_reader *reader = user;
  (void)element;
  if (reader->status < 0)
    return;
  static const char box[] = "/annotation/object/bndbox/";
  if (strncmp(reader->path, box, sizeof box - 1) == 0)
    voc_end_corner(reader, reader->path + sizeof box - 1);
  else if (strcmp(reader->path, "/annotation/object/name") == 0)
    voc_keep_text(reader, &reader->object_name);
  else if (strcmp(reader->path, "/annotation/object") == 0)
    voc_end_object(reader);
  else if (strcmp(reader->path, "/annotation/filename") == 0)
    voc_keep_text(reader, &reader->voc->file_name);
  else if (strcmp(reader->path, "/annotation/size/width") == 0)
    reader->voc->width = voc_side(reader);
  else if (strcmp(reader->path, "/annotation/size/height") == 0)
    reader->voc->height = voc_side(reader);
  reader->depth--;
  reader->path[reader->depth > 0 ? reader->path_ends[reader->depth - 1] : 0] = 0;
  reader->in_leaf = false;
}

static void voc_on_entity(void *user, const XML_Char *entity, int is_parameter,
                          const XML_Char *value, int size, const XML_Char *base,
                          const XML_Char *system, const XML_Char *public,
                          const XML_Char *notation) {
  voc_reader *reader = user;
  (void)is_parameter, (void)value, (void)size, (void)base, (void)system, (void)public,
      (void)notation;
  VOC_FAIL(reader, FM_ERR_FORMAT, "entity declarations are refused (\"%.40s\")", entity);
}

static fm_status voc_run(voc_reader *reader, const void *data, size_t size) {
  XML_SetUserData(reader->parser, reader);
  XML_SetElementHandler(reader->parser, voc_on_start, voc_on_end);
  XML_SetCharacterDataHandler(reader->parser, voc_on_text);
  XML_SetEntityDeclHandler(reader->parser, voc_on_entity);
  enum XML_Status parsed = XML_Parse(reader->parser, data, (int)size, XML_TRUE);
  if (parsed != XML_STATUS_OK)
    VOC_FAIL(reader, FM_ERR_FORMAT, "%s", XML_ErrorString(XML_GetErrorCode(reader->parser)));
  return reader->status;
}

fm_status fm_voc_parse(fm_voc *out, const void *data, size_t size, const char *name) {
  *out = (fm_voc){0};
  if (size > FM_VOC_BYTES_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: more than %d bytes", name, FM_VOC_BYTES_MAX);
  voc_reader reader = {.name = name, .voc = out};
  reader.parser = XML_ParserCreate(NULL);
  FM_CHECK_ALLOC(reader.parser);
  fm_status status = voc_run(&reader, data, size);
  XML_ParserFree(reader.parser);
  free(reader.object_name);
  if (status < 0)
    fm_voc_release(out);
  return status;
}

void fm_voc_release(fm_voc *voc) {
  for (size_t i = 0; i < voc->object_count; i++)
    free(voc->objects[i].name);
  free(voc->objects);
  free(voc->file_name);
  *voc = (fm_voc){0};
}
