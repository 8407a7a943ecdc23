// facemask: finds the verb, runs it, tells how it ended: 0 done, 1 failed, 2 the call's words are
// off.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/common.h"
#include "cli/verb.h"

#define FM_VERB(noun) extern const fm_verb fm_verb_##noun;
#include "cli/verbs.def"
#undef FM_VERB

const fm_verb *const fm_verbs[] = {
#define FM_VERB(noun) &fm_verb_##noun,
#include "cli/verbs.def"
#undef FM_VERB
    NULL,
};

enum { MAIN_VERBS_MAX = 64 };

static void main_help(void) {
  puts("usage: facemask VERB [options]\n\n"
       "Finds faces in pictures and says whether each wears a mask; trains and measures the models "
       "that do.\n");
  for (const fm_verb *const *verb = fm_verbs; *verb; ++verb)
    printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
  puts("\nfacemask VERB --help tells a verb's options; facemask --version the version.");
}

static const fm_verb *main_find(const char *name) {
  for (const fm_verb *const *verb = fm_verbs; *verb; ++verb)
    if (strcmp((*verb)->name, name) == 0)
      return *verb;
  return NULL;
}

static int main_unknown(const char *name) {
  const char *names[MAIN_VERBS_MAX] = {0};
  for (int i = 0; fm_verbs[i] && i + 1 < MAIN_VERBS_MAX; ++i)
    names[i] = fm_verbs[i]->name;
  const char *nearest = fm_nearest_word(name, names);
  if (nearest)
    fprintf(stderr, "facemask: unknown verb %s (did you mean %s?)\n", name, nearest);
  else
    fprintf(stderr, "facemask: unknown verb %s; see facemask --help\n", name);
  return 2;
}

// A closed pipe or a full disk must not pass for success.
static int main_flush(const char *verb, int code) {
  if (fflush(stdout) == 0 && !ferror(stdout))
    return code;
  fprintf(stderr, "facemask %s: standard output cannot be written: %s\n", verb, strerror(errno));
  return 1;
}

static int main_run(const fm_verb *verb, int argc, char **argv) {
  fm_cli cli;
  fm_status status = fm_cli_parse(&cli, verb, argc, argv);
  if (status == FM_END)
    fm_cli_help(verb);
  else if (status == FM_OK)
    status = verb->run(&cli);
  free(cli.positional);
  if (status >= 0)
    return main_flush(verb->name, 0);
  fflush(stdout);
  fprintf(stderr, "facemask %s: %s\n", verb->name, fm_error_message());
  return status == FM_ERR_ARGUMENT ? 2 : 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs("facemask: no verb given; see facemask --help\n", stderr);
    return 2;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    main_help();
    return main_flush("--help", 0);
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("facemask " FACEMASK_VERSION);
    return main_flush("--version", 0);
  }
  fm_cli_openmp_wait(argv);
  const fm_verb *verb = main_find(argv[1]);
  return verb ? main_run(verb, argc - 2, argv + 2) : main_unknown(argv[1]);
}
