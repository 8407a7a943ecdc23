// Escaping for each kind of file a report consists of.
#include "report/text.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "base/utf8.h"

enum { TEXT_GNUPLOT_BYTES = 1024 };

void fm_text_json(FILE *out, const char *text) {
  char character[5];
  fputc('"', out);
  while (*text) {
    fm_utf8_next(&text, character);
    // "</script>" and "<!--" would end the element the string stands in.
    if (strchr("\"\\<>&'", character[0]))
      fprintf(out, "\\u%04x", (unsigned)character[0]);
    else
      fputs(character, out);
  }
  fputc('"', out);
}

void fm_text_csv(FILE *out, const char *text) {
  const int quoted = *text == 0 || strpbrk(text, ",\"#;'") || *text == ' ';
  char character[5];
  if (quoted)
    fputc('"', out);
  while (*text) {
    fm_utf8_next(&text, character);
    fputs(character[0] == '"' ? "\"\"" : character, out);
  }
  if (quoted)
    fputc('"', out);
}

void fm_text_gnuplot(FILE *out, const char *text, size_t longest) {
  char shown[TEXT_GNUPLOT_BYTES], character[5];
  FM_ASSERT(longest >= 5 && 4 * longest < sizeof shown);
  fm_utf8_middle(shown, sizeof shown, text, longest);
  fputc('\'', out);
  for (const char *at = shown; *at;) {
    fm_utf8_next(&at, character);
    // gnuplot does not take a doubled quote for one everywhere: a typographic one cannot end the
    // string.
    fputs(character[0] == '\'' ? "\xe2\x80\x99" : character, out);
  }
  fputc('\'', out);
}

void fm_text_json_number(FILE *out, double value) {
  if (isfinite(value))
    fprintf(out, "%.9g", value);
  else
    fputs("null", out);
}

void fm_text_csv_number(FILE *out, double value) {
  if (isfinite(value))
    fprintf(out, "%.9g", value);
  else
    fputs("NaN", out);
}
