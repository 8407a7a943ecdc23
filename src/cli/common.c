// The words of a call: parsing, help, and the options every verb has.
#include "cli/common.h"

#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/utf8.h"
#include "data/dataset.h"
#include "nn/library.h"
#include "train/config.h"

static const fm_cli_option common_options[] = {
    {"--threads", "N", "processors to use (default: those this process may use)"},
    {"--quiet", NULL, "no progress, no news"},
    {"--json", NULL, "the result as one JSON document on standard output"},
    {"--help", NULL, "this text"},
    {NULL, NULL, NULL},
};

static const fm_cli_option common_model_options[] = {
    {"--config", "FILE.yaml", "the configuration"},
    {"--set", "key=value", "one key of the configuration; may be repeated"},
    {"--precision", "auto|fp32|bf16|int8", "the same as --set train.precision=…"},
    {NULL, NULL, NULL},
};

// The three tables of a verb, in the order help shows them.
static int common_tables(const fm_verb *verb, const fm_cli_option *tables[3]) {
  int count = 0;
  if (verb->options)
    tables[count++] = verb->options;
  if (verb->runs_model)
    tables[count++] = common_model_options;
  tables[count++] = common_options;
  return count;
}

static const fm_cli_option *common_find(const fm_verb *verb, const char *name) {
  const fm_cli_option *tables[3];
  const int count = common_tables(verb, tables);
  for (int t = 0; t < count; ++t)
    for (const fm_cli_option *row = tables[t]; row->name; ++row)
      if (strcmp(row->name, name) == 0)
        return row;
  return NULL;
}

static fm_status common_unknown(const fm_verb *verb, const char *name) {
  const char *names[128];
  size_t used = 0;
  const fm_cli_option *tables[3];
  const int count = common_tables(verb, tables);
  for (int t = 0; t < count; ++t)
    for (const fm_cli_option *row = tables[t]; row->name && used + 1 < 128; ++row)
      names[used++] = row->name;
  names[used] = NULL;
  const char *nearest = fm_nearest_word(name, names);
  return nearest ? fm_fail(FM_ERR_ARGUMENT, "unknown option %s (did you mean %s?)", name, nearest)
                 : fm_fail(FM_ERR_ARGUMENT, "unknown option %s; see facemask %s --help", name,
                           verb->name);
}

static void common_help_row(const fm_cli_option *row) {
  char head[128];
  snprintf(head, sizeof head, "%s%s%s", row->name, row->argument ? " " : "",
           row->argument ? row->argument : "");
  printf("  %-32s %s\n", head, row->help);
}

static void common_help_keys(void) {
  puts("\nKeys of the configuration (--config, --set), with their defaults:");
  for (const fm_option *row = fm_config_options(); row->name; ++row)
    printf("  %-40s %-10s %s\n", row->name, row->initial ? row->initial : "", row->help);
}

void fm_cli_help(const fm_verb *verb) {
  printf("usage: facemask %s %s\n%s\n\n", verb->name, verb->usage, verb->summary);
  const fm_cli_option *tables[3];
  const int count = common_tables(verb, tables);
  for (int t = 0; t < count; ++t)
    for (const fm_cli_option *row = tables[t]; row->name; ++row)
      common_help_row(row);
  if (verb->runs_model)
    common_help_keys();
}

static fm_status common_add(fm_cli *cli, const char *name, const char *value) {
  if (cli->option_count == FM_CLI_VALUES_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "more than %d options", FM_CLI_VALUES_MAX);
  cli->option_names[cli->option_count] = name;
  cli->option_values[cli->option_count++] = value;
  return FM_OK;
}

// One option at argv[*at]; *at moves over its value.
static fm_status common_option(fm_cli *cli, const fm_verb *verb, int argc, char **argv, int *at) {
  char name[64];
  const char *word = argv[*at];
  const char *equals = strchr(word, '=');
  const size_t length = equals ? (size_t)(equals - word) : strlen(word);
  if (length >= sizeof name)
    return fm_fail(FM_ERR_ARGUMENT, "unknown option %s", word);
  memcpy(name, word, length);
  name[length] = 0;
  if (strcmp(name, "-h") == 0)
    memcpy(name, "--help", sizeof "--help");
  const fm_cli_option *row = common_find(verb, name);
  if (!row)
    return common_unknown(verb, name);
  if (!row->argument)
    return equals ? fm_fail(FM_ERR_ARGUMENT, "%s takes no value", row->name)
                  : common_add(cli, row->name, "");
  if (equals)
    return common_add(cli, row->name, equals + 1);
  if (*at + 1 >= argc)
    return fm_fail(FM_ERR_ARGUMENT, "%s needs a value: %s", row->name, row->argument);
  ++*at;
  return common_add(cli, row->name, argv[*at]);
}

static int common_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static fm_status common_settings(fm_cli *cli) {
  cli->json = fm_cli_value(cli, "--json") != NULL;
  cli->quiet = fm_cli_value(cli, "--quiet") != NULL;
  FM_TRY(fm_cli_int(cli, "--threads", common_processors(), 1, 1024, &cli->threads));
  omp_set_num_threads(cli->threads);
  fm_progress_enable(!cli->quiet);
  return FM_OK;
}

fm_status fm_cli_parse(fm_cli *cli, const fm_verb *verb, int argc, char **argv) {
  *cli = (fm_cli){.verb = verb->name};
  cli->positional = calloc((size_t)argc + 1, sizeof *cli->positional);
  FM_CHECK_ALLOC(cli->positional);
  bool options = true;
  for (int i = 0; i < argc; ++i) {
    if (options && strcmp(argv[i], "--") == 0)
      options = false;
    else if (options && argv[i][0] == '-' && argv[i][1])
      FM_TRY(common_option(cli, verb, argc, argv, &i));
    else
      cli->positional[cli->positional_count++] = argv[i];
  }
  if (fm_cli_value(cli, "--help"))
    return FM_END;
  if (cli->positional_count < verb->positional_min)
    return fm_fail(FM_ERR_ARGUMENT, "usage: facemask %s %s", verb->name, verb->usage);
  if (verb->positional_max >= 0 && cli->positional_count > verb->positional_max)
    return fm_fail(FM_ERR_ARGUMENT, "%s is one word too many; usage: facemask %s %s",
                   cli->positional[verb->positional_max], verb->name, verb->usage);
  FM_TRY(common_settings(cli));
  if (verb->runs_model)
    fm_nn_flush_denormals();
  return FM_OK;
}

const char *fm_cli_value(const fm_cli *cli, const char *option) {
  for (int i = cli->option_count - 1; i >= 0; --i)
    if (strcmp(cli->option_names[i], option) == 0)
      return cli->option_values[i];
  return NULL;
}

const char *fm_cli_first_given(const fm_cli *cli, const char *const *names) {
  while (*names && !fm_cli_value(cli, *names))
    ++names;
  return *names;
}

int fm_cli_values(const fm_cli *cli, const char *option, const char **out, int capacity) {
  int count = 0;
  for (int i = 0; i < cli->option_count && count < capacity; ++i)
    if (strcmp(cli->option_names[i], option) == 0)
      out[count++] = cli->option_values[i];
  return count;
}

fm_status fm_cli_double(const fm_cli *cli, const char *option, double initial, double minimum,
                        double maximum, double *out) {
  const char *text = fm_cli_value(cli, option);
  *out = initial;
  if (!text)
    return FM_OK;
  char *end;
  *out = strtod(text, &end);
  if (end == text || *end || !isfinite(*out))
    return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is not a number", option, text);
  if (*out < minimum || *out > maximum)
    return fm_fail(FM_ERR_ARGUMENT, "%s: %s is outside %g to %g", option, text, minimum, maximum);
  return FM_OK;
}

fm_status fm_cli_int(const fm_cli *cli, const char *option, int initial, int minimum, int maximum,
                     int *out) {
  double value;
  FM_TRY(fm_cli_double(cli, option, initial, minimum, maximum, &value));
  if (value != floor(value))
    return fm_fail(FM_ERR_ARGUMENT, "%s: \"%s\" is not a whole number", option,
                   fm_cli_value(cli, option));
  *out = (int)value;
  return FM_OK;
}

void fm_cli_print_name(const char *name) {
  char shown[4 * FM_CLI_NAME + 4];
  fm_utf8_middle(shown, sizeof shown, name, FM_CLI_NAME);
  fputs(shown, stdout);
  for (size_t i = fm_utf8_count(shown); i < FM_CLI_NAME; i++)
    putchar(' ');
}

void fm_cli_say_problems(const fm_cli *cli, const fm_dataset *dataset) {
  size_t count;
  fm_dataset_problems(dataset, &count);
  if (count > 0)
    fm_say("%zu problem%s with the data; facemask explore %s lists %s", count,
           count == 1 ? "" : "s", cli->positional[0], count == 1 ? "it" : "them");
}
