// Options as rows of a table: defaults, setting from text, formatting. YAML files are in
// options_yaml.c.
#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const fm_option *option_find(const fm_option *table, const char *name) {
  for (; table->name; ++table)
    if (strcmp(table->name, name) == 0)
      return table;
  return NULL;
}

static int option_edit_distance(const char *a, const char *b) {
  enum { LONGEST = 96 };
  int previous[LONGEST + 1], current[LONGEST + 1];
  const int la = (int)strnlen(a, LONGEST), lb = (int)strnlen(b, LONGEST);
  for (int j = 0; j <= lb; ++j)
    previous[j] = j;
  for (int i = 1; i <= la; ++i) {
    current[0] = i;
    for (int j = 1; j <= lb; ++j) {
      const int replaced = previous[j - 1] + (a[i - 1] != b[j - 1]);
      const int removed = (previous[j] < current[j - 1] ? previous[j] : current[j - 1]) + 1;
      current[j] = replaced < removed ? replaced : removed;
    }
    memcpy(previous, current, sizeof previous);
  }
  return previous[lb];
}

const char *fm_nearest_word(const char *text, const char *const *words) {
  const char *nearest = NULL;
  int best = (int)strlen(text) / 2 + 1; // farther than half its length is not a misspelling
  for (; *words; ++words) {
    const int distance = option_edit_distance(text, *words);
    if (distance <= best && (distance < best || !nearest)) {
      best = distance;
      nearest = *words;
    }
  }
  return nearest;
}

static fm_status option_unknown(const fm_option *table, const char *name) {
  size_t count = 0;
  while (table[count].name)
    ++count;
  const char **names = calloc(count + 1, sizeof *names);
  FM_CHECK_ALLOC(names);
  for (size_t i = 0; i < count; ++i)
    names[i] = table[i].name;
  const char *nearest = fm_nearest_word(name, names);
  free(names);
  return nearest ? fm_fail(FM_ERR_ARGUMENT, "unknown key %s (did you mean %s?)", name, nearest)
                 : fm_fail(FM_ERR_ARGUMENT, "unknown key %s", name);
}

static fm_status option_parse_number(const fm_option *row, const char *text, double *out) {
  char *end;
  errno = 0;
  *out = strtod(text, &end);
  while (isspace((unsigned char)*end))
    ++end;
  const bool wide = row->type == FM_OPTION_DOUBLE || row->type == FM_OPTION_INT;
  if (end == text || *end || !isfinite(*out) || (!wide && fabs(*out) > (double)FLT_MAX))
    return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is not a number", row->name, text);
  if (*out < row->minimum || *out > row->maximum)
    return fm_fail(FM_ERR_ARGUMENT, "%s: %s is outside %g to %g", row->name, text, row->minimum,
                   row->maximum);
  if (row->type == FM_OPTION_INT && *out != floor(*out))
    return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is not a whole number", row->name, text);
  return FM_OK;
}

static fm_status option_parse_bool(const fm_option *row, const char *text, bool *out) {
  static const char *const yes[] = {"true", "yes", "on", "1", "True"};
  static const char *const no[] = {"false", "no", "off", "0", "False"};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; ++i) {
    if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
      *out = strcmp(text, yes[i]) == 0;
      return FM_OK;
    }
  }
  return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is neither true nor false", row->name, text);
}

// The word'th of "a|b|c"; its length in *length, NULL behind the last.
static const char *option_word(const char *words, int word, size_t *length) {
  for (;; --word) {
    *length = strcspn(words, "|");
    if (word == 0)
      return words;
    if (!words[*length])
      return NULL;
    words += *length + 1;
  }
}

static fm_status option_parse_enum(const fm_option *row, const char *text, int *out) {
  size_t length;
  const char *word;
  for (int i = 0; (word = option_word(row->words, i, &length)); ++i) {
    if (strlen(text) == length && memcmp(text, word, length) == 0) {
      *out = i;
      return FM_OK;
    }
  }
  return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is none of %s", row->name, text, row->words);
}

static const char *option_skip_space(const char *at) {
  while (isspace((unsigned char)*at))
    ++at;
  return at;
}

// Numbers separated by commas up to `close`; *at ends behind it.
static fm_status option_parse_row(const fm_option *row, const char **at, char close,
                                  fm_float_list *out) {
  *out = (fm_float_list){0};
  *at = option_skip_space(*at);
  while (**at && **at != close) {
    const size_t length = strcspn(*at, close ? ",]" : ",");
    char text[64];
    if (length >= sizeof text || out->count == FM_LIST_MAX)
      return fm_fail(FM_ERR_ARGUMENT, "%s: more than %d numbers", row->name, FM_LIST_MAX);
    memcpy(text, *at, length);
    text[length] = 0;
    double value;
    FM_TRY(option_parse_number(row, text, &value));
    out->values[out->count++] = (float)value;
    *at += length;
    if (**at == ',')
      *at = option_skip_space(*at + 1);
  }
  if (close && **at != close)
    return fm_fail(FM_ERR_ARGUMENT, "%s: a list is not closed by ]", row->name);
  *at = option_skip_space(*at + (close != 0));
  return FM_OK;
}

static fm_status option_parse_list(const fm_option *row, const char *text, fm_float_list *out) {
  const char *at = option_skip_space(text);
  const bool bracket = *at == '[';
  at += bracket;
  FM_TRY(option_parse_row(row, &at, bracket ? ']' : 0, out));
  return *at ? fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is not a list of numbers", row->name, text)
             : FM_OK;
}

static fm_status option_parse_table(const fm_option *row, const char *text, fm_float_table *out) {
  *out = (fm_float_table){0};
  const char *at = option_skip_space(text);
  if (*at != '[' || *option_skip_space(at + 1) != '[') {
    // A flat list: one number a row.
    fm_float_list flat;
    FM_TRY(option_parse_list(row, text, &flat));
    if (flat.count > FM_TABLE_ROWS_MAX)
      return fm_fail(FM_ERR_ARGUMENT, "%s: more than %d rows", row->name, FM_TABLE_ROWS_MAX);
    for (int i = 0; i < flat.count; ++i)
      out->rows[out->count++] = (fm_float_list){1, {flat.values[i]}};
    return FM_OK;
  }
  at = option_skip_space(at + 1);
  while (*at == '[') {
    if (out->count == FM_TABLE_ROWS_MAX)
      return fm_fail(FM_ERR_ARGUMENT, "%s: more than %d rows", row->name, FM_TABLE_ROWS_MAX);
    ++at;
    FM_TRY(option_parse_row(row, &at, ']', &out->rows[out->count++]));
    if (*at == ',')
      at = option_skip_space(at + 1);
  }
  if (*at != ']' || *option_skip_space(at + 1))
    return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is not a list of lists of numbers", row->name,
                   text);
  return FM_OK;
}

static fm_status option_parse(const fm_option *row, void *object, const char *text) {
  void *field = (char *)object + row->offset;
  double number;
  switch (row->type) {
  case FM_OPTION_BOOL:
    return option_parse_bool(row, text, field);
  case FM_OPTION_INT:
    FM_TRY(option_parse_number(row, text, &number));
    *(int *)field = (int)number;
    return FM_OK;
  case FM_OPTION_FLOAT:
    FM_TRY(option_parse_number(row, text, &number));
    *(float *)field = (float)number;
    return FM_OK;
  case FM_OPTION_DOUBLE:
    FM_TRY(option_parse_number(row, text, &number));
    *(double *)field = number;
    return FM_OK;
  case FM_OPTION_ENUM:
    return option_parse_enum(row, text, field);
  case FM_OPTION_STRING:
    if (strlen(text) >= FM_OPTION_STRING_BYTES)
      return fm_fail(FM_ERR_ARGUMENT, "%s: longer than %d bytes", row->name,
                     FM_OPTION_STRING_BYTES - 1);
    memset(field, 0, FM_OPTION_STRING_BYTES);
    memcpy(field, text, strlen(text));
    return FM_OK;
  case FM_OPTION_FLOATS:
    return option_parse_list(row, text, field);
  case FM_OPTION_TABLE:
    return option_parse_table(row, text, field);
  case FM_OPTION_COUNT:
    break;
  }
  FM_ASSERT(!"a known type of option");
  return FM_OK;
}

fm_status fm_options_defaults(const fm_option *table, void *object) {
  for (; table->name; ++table)
    if (table->initial)
      FM_TRY(option_parse(table, object, table->initial));
  return FM_OK;
}

fm_status fm_options_set(const fm_option *table, void *object, const char *name,
                         const char *value) {
  const fm_option *row = option_find(table, name);
  return row ? option_parse(row, object, value) : option_unknown(table, name);
}

fm_status fm_options_assign(const fm_option *table, void *object, const char *assignment) {
  const char *equals = strchr(assignment, '=');
  if (!equals || equals == assignment)
    return fm_fail(FM_ERR_ARGUMENT, "\"%s\" is not key=value", assignment);
  char *name = strndup(assignment, (size_t)(equals - assignment));
  FM_CHECK_ALLOC(name);
  const fm_status status = fm_options_set(table, object, name, equals + 1);
  free(name);
  return status;
}

// The shortest decimal that reads back to the same number.
static void option_format_real(FILE *out, double value, bool single) {
  char text[64];
  for (int digits = 6; digits <= 17; ++digits) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
      break;
  }
  fputs(text, out);
}

static void option_format_list(FILE *out, const fm_float_list *list) {
  fputc('[', out);
  for (int i = 0; i < list->count; ++i) {
    fputs(i ? ", " : "", out);
    option_format_real(out, (double)list->values[i], true);
  }
  fputc(']', out);
}

static void option_format_table(FILE *out, const fm_float_table *table) {
  fputc('[', out);
  for (int i = 0; i < table->count; ++i) {
    fputs(i ? ", " : "", out);
    option_format_list(out, &table->rows[i]);
  }
  fputc(']', out);
}

char *fm_options_format(const fm_option *row, const void *object) {
  const void *field = (const char *)object + row->offset;
  char *text = NULL;
  size_t size = 0, length;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return NULL;
  const char *word;
  switch (row->type) {
  case FM_OPTION_BOOL:
    fputs(*(const bool *)field ? "true" : "false", out);
    break;
  case FM_OPTION_INT:
    fprintf(out, "%d", *(const int *)field);
    break;
  case FM_OPTION_FLOAT:
    option_format_real(out, (double)*(const float *)field, true);
    break;
  case FM_OPTION_DOUBLE:
    option_format_real(out, *(const double *)field, false);
    break;
  case FM_OPTION_ENUM:
    word = option_word(row->words, *(const int *)field, &length);
    FM_ASSERT(word);
    fprintf(out, "%.*s", (int)length, word);
    break;
  case FM_OPTION_STRING:
    fputs(field, out);
    break;
  case FM_OPTION_FLOATS:
    option_format_list(out, field);
    break;
  case FM_OPTION_TABLE:
    option_format_table(out, field);
    break;
  case FM_OPTION_COUNT:
    FM_ASSERT(!"a known type of option");
  }
  if (fclose(out) != 0) {
    free(text);
    return NULL;
  }
  return text;
}
