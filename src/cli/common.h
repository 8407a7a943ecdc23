// What main.c needs of common.c and openmp_wait.c.
#ifndef FM_CLI_COMMON_H
#define FM_CLI_COMMON_H

#include "cli/verb.h"

void fm_cli_help(const fm_verb *verb);
// Parses the words behind the verb; FM_END when help is asked for. The caller frees
// cli->positional.
FM_MUST_USE fm_status fm_cli_parse(fm_cli *cli, const fm_verb *verb, int argc, char **argv);
// Sets how OpenMP's threads wait, by starting the program again; the caller's own setting is kept.
void fm_cli_openmp_wait(char **argv);

#endif
