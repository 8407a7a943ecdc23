// Writes event files for tests/parity/tensorboard_events.py: event_runner FOLDER < commands.
//   cut BYTES | scalars STEP TAG VALUE [TAG VALUE]... | image STEP TAG WIDTH HEIGHT FILE.png |
//   text STEP TAG WORDS | begin GROUP [key=text | key:number | key?0|1]... | end 0|1
// Prints the file's size after each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/event_file.h"

enum { WORDS_MAX = 64 };

static void fail(const char *what) {
  fprintf(stderr, "event_runner: %s\n", what);
  exit(1);
}

static void check(fm_status status) {
  if (status < 0)
    fail(fm_error_message());
}

static void run_scalars(fm_event_file *file, char **words, int count) {
  fm_event_scalar scalars[WORDS_MAX];
  size_t used = 0;
  for (int i = 2; i + 1 < count; i += 2)
    scalars[used++] = (fm_event_scalar){words[i], atof(words[i + 1])};
  check(fm_event_file_scalars(file, atoll(words[1]), scalars, used));
}

static void run_image(fm_event_file *file, char **words) {
  fm_bytes bytes;
  check(fm_file_read(&bytes, words[5], 1 << 24));
  const fm_event_image image = {.tag = words[2],
                                .width = atoi(words[3]),
                                .height = atoi(words[4]),
                                .png = bytes.data,
                                .png_bytes = bytes.size};
  check(fm_event_file_image(file, atoll(words[1]), &image));
  free(bytes.data);
}

static void run_begin(fm_event_file *file, char **words, int count) {
  static const char *const metrics[] = {"mAP", "average_loss"};
  fm_event_hparam hparams[WORDS_MAX];
  size_t used = 0;
  for (int i = 2; i < count; ++i) {
    char *mark = strpbrk(words[i], "=:?");
    if (!mark)
      fail(words[i]);
    const char kind = *mark;
    *mark = 0;
    hparams[used++] = (fm_event_hparam){.name = words[i],
                                        .text = kind == '=' ? mark + 1 : NULL,
                                        .is_bool = kind == '?',
                                        .number = atof(mark + 1)};
  }
  const fm_event_session session = {.group = words[1],
                                    .hparams = hparams,
                                    .hparam_count = used,
                                    .metrics = metrics,
                                    .metric_count = 2,
                                    .of_validation = true};
  check(fm_event_file_begin_session(file, &session));
}

static void run(fm_event_file *file, char *line) {
  char *words[WORDS_MAX], *rest;
  int count = 0;
  const char *text = line;
  for (int spaces = 0; *text && spaces < 3; ++text)
    spaces += *text == ' ';
  char *copy = strdup(text);
  for (char *word = strtok_r(line, " ", &rest); word && count < WORDS_MAX;
       word = strtok_r(NULL, " ", &rest))
    words[count++] = word;
  if (count < 2 || !copy)
    fail("a command is too short");
  if (strcmp(words[0], "cut") == 0)
    check(fm_event_file_cut(file, strtoull(words[1], NULL, 10)));
  else if (strcmp(words[0], "scalars") == 0)
    run_scalars(file, words, count);
  else if (strcmp(words[0], "image") == 0 && count == 6)
    run_image(file, words);
  else if (strcmp(words[0], "text") == 0 && count > 3)
    check(fm_event_file_text(file, atoll(words[1]), words[2], copy));
  else if (strcmp(words[0], "begin") == 0)
    run_begin(file, words, count);
  else if (strcmp(words[0], "end") == 0)
    check(fm_event_file_end_session(file, atoi(words[1]) != 0));
  else
    fail(words[0]);
  printf("%llu\n", (unsigned long long)fm_event_file_bytes(file));
  free(copy);
}

int main(int argc, char **argv) {
  if (argc != 2)
    fail("one folder");
  fm_event_file *file;
  check(fm_event_file_open(&file, argv[1]));
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stdin)) > 0) {
    if (line[length - 1] == '\n')
      line[length - 1] = 0;
    run(file, line);
  }
  check(fm_event_file_sync(file));
  free(line);
  fm_event_file_free(file);
  return 0;
}
