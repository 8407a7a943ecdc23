// What a verb is to the command line: a line in verbs.def, one file cli/NAME.c, and a table of its
// options. No logic lives in this room: options in, library call, print.
#ifndef FM_CLI_VERB_H
#define FM_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"
#include "base/status.h"

typedef struct fm_cli_option {
  const char *name;     // "--fold"; a name of two characters is a short one ("-o")
  const char *argument; // "K|all|none"; NULL for a switch
  const char *help;
} fm_cli_option;

enum { FM_CLI_VALUES_MAX = 256 };

// The words of one call, parsed: positional ones, options in the order given.
typedef struct fm_cli {
  const char *verb;
  bool json, quiet;
  int threads; // already applied (omp_set_num_threads)
  const char **positional;
  int positional_count;
  const char *option_names[FM_CLI_VALUES_MAX],
      *option_values[FM_CLI_VALUES_MAX]; // value "" for a switch
  int option_count;
} fm_cli;

typedef struct fm_verb {
  const char *name, *usage, *summary;  // "train", "DATA [options]", "one line"
  const fm_cli_option *options;        // its own, ends with name NULL; the common ones are added
  bool runs_model;                     // adds --config, --set, --precision
  int positional_min, positional_max;  // max < 0: any number
  fm_status (*run)(const fm_cli *cli); // FM_ERR_ARGUMENT exits with 2, other failures with 1
} fm_verb;

const char *fm_cli_value(const fm_cli *cli,
                         const char *option); // the last one given, NULL when absent
// The first of the names, which end with NULL, that was given: what a call would pass over in
// silence. NULL: none.
const char *fm_cli_first_given(const fm_cli *cli, const char *const *names);
int fm_cli_values(const fm_cli *cli, const char *option, const char **out,
                  int capacity); // all of them, in order
FM_MUST_USE fm_status fm_cli_int(const fm_cli *cli, const char *option, int initial, int minimum,
                                 int maximum, int *out);
FM_MUST_USE fm_status fm_cli_double(const fm_cli *cli, const char *option, double initial,
                                    double minimum, double maximum, double *out);
// One line when the data have problems, and where to read of them.
struct fm_dataset;
void fm_cli_say_problems(const fm_cli *cli, const struct fm_dataset *dataset);
// A name from the data in the first column of a table: shortened in its middle, filled up with
// spaces.
enum { FM_CLI_NAME = 24 };
void fm_cli_print_name(const char *name);

extern const fm_verb
    *const fm_verbs[]; // from verbs.def: FM_VERB(train) declares fm_verb_train; ends with NULL

#endif
