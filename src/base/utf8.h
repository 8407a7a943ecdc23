// Text from outside as clean UTF-8.
#ifndef FM_BASE_UTF8_H
#define FM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// The length (1 to 4) of the UTF-8 sequence at `text`, which ends with a 0; 0 when it is none
// (overlong forms, surrogates and values above U+10FFFF are none). The final 0 counts as a sequence
// of 1.
size_t fm_utf8_sequence(const char *text);
bool fm_utf8_is(const char *text); // made of sequences alone
// A character that terminals, XML and JSON readers take as it is: a sequence that is no control
// character.
size_t fm_utf8_printable(const char *text); // its length, 0 when it is none
// Characters of the text; a byte that belongs to none counts as one.
size_t fm_utf8_count(const char *text);
// Copies a line of text for people to read: what is not printable becomes '?', and text without
// room in `capacity` bytes (at least 4) ends in an ellipsis.
void fm_utf8_line(char *out, size_t capacity, const char *text);
// The same, with an ellipsis in the place of the middle when it has more than `characters` (at
// least 5): names that differ at their end stay different.
void fm_utf8_middle(char *out, size_t capacity, const char *text, size_t characters);
// Copies the printable character at *text, or '?', to `out`, with a 0 behind it, and moves *text
// behind it.
void fm_utf8_next(const char **text, char out[5]);
// Element text and quoted attributes of XML and HTML. Line ends and tabs stay; a failed write stays
// in the stream.
void fm_utf8_markup(FILE *out, const char *text);

#endif
