// UTF-8 sequences (RFC 3629).
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

static const char utf8_ellipsis[] = "\xe2\x80\xa6";

size_t fm_utf8_sequence(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  if (at[0] < 0x80)
    return 1;
  if (at[0] < 0xc2 || at[0] > 0xf4)
    return 0;
  const size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
  for (size_t i = 1; i < length; i++)
    if ((at[i] & 0xc0) != 0x80)
      return 0;
  if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
      (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
    return 0;
  return length;
}

bool fm_utf8_is(const char *text) {
  while (*text) {
    const size_t length = fm_utf8_sequence(text);
    if (length == 0)
      return false;
    text += length;
  }
  return true;
}

size_t fm_utf8_printable(const char *text) {
  const unsigned char first = (unsigned char)text[0];
  if (first < 0x20 || first == 0x7f)
    return 0;
  const size_t length = fm_utf8_sequence(text);
  // U+0080 to U+009F are control characters too.
  return length == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0 ? 0 : length;
}

size_t fm_utf8_count(const char *text) {
  size_t count = 0;
  for (; *text; count++) {
    const size_t length = fm_utf8_sequence(text);
    text += length ? length : 1;
  }
  return count;
}

void fm_utf8_next(const char **text, char out[5]) {
  const size_t length = fm_utf8_printable(*text), whole = fm_utf8_sequence(*text);
  memset(out, 0, 5);
  memcpy(out, length ? *text : "?", length ? length : 1);
  *text += whole ? whole : 1;
}

void fm_utf8_line(char *out, size_t capacity, const char *text) {
  char character[5];
  size_t used = 0, kept = 0; // kept: so much that the ellipsis has room behind it
  while (*text) {
    fm_utf8_next(&text, character);
    const size_t bytes = strlen(character);
    if (used + sizeof utf8_ellipsis <= capacity)
      kept = used;
    if (used + bytes >= capacity) {
      memcpy(out + kept, utf8_ellipsis, sizeof utf8_ellipsis);
      return;
    }
    memcpy(out + used, character, bytes);
    used += bytes;
  }
  out[used] = 0;
}

void fm_utf8_middle(char *out, size_t capacity, const char *text, size_t characters) {
  const size_t count = fm_utf8_count(text), tail = characters / 3, head = characters - tail - 1;
  if (count <= characters) {
    fm_utf8_line(out, capacity, text);
    return;
  }
  char character[5];
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    fm_utf8_next(&text, character);
    const size_t bytes = strlen(character);
    const bool shown = i < head || i >= count - tail;
    if (i == head && used + sizeof utf8_ellipsis <= capacity) {
      memcpy(out + used, utf8_ellipsis, sizeof utf8_ellipsis);
      used += sizeof utf8_ellipsis - 1;
    }
    if (shown && used + bytes < capacity) {
      memcpy(out + used, character, bytes);
      used += bytes;
    }
  }
  out[used] = 0;
}

void fm_utf8_markup(FILE *out, const char *text) {
  char character[5];
  while (*text) {
    if (*text == '\n' || *text == '\t') {
      fputc(*text++, out);
      continue;
    }
    fm_utf8_next(&text, character);
    switch (character[0]) {
    case '&':
      fputs("&amp;", out);
      break;
    case '<':
      fputs("&lt;", out);
      break;
    case '>':
      fputs("&gt;", out);
      break;
    case '"':
      fputs("&quot;", out);
      break;
    case '\'':
      fputs("&#39;", out);
      break;
    default:
      fputs(character, out);
    }
  }
}
