// Text from outside as clean UTF-8.
#ifndef FM_BASE_UTF8_H
#define FM_BASE_UTF8_H

#include <stddef.h>

// The length (1 to 4) of the UTF-8 sequence at `text`, which ends with a 0; 0 when it is none
// (overlong forms, surrogates and values above U+10FFFF are none). The final 0 counts as a sequence
// of 1.
size_t fm_utf8_sequence(const char *text);
// A character that terminals, XML and JSON readers take as it is: a sequence that is no control
// character.
size_t fm_utf8_printable(const char *text); // its length, 0 when it is none
// Characters of the text; a byte that belongs to none counts as one.
size_t fm_utf8_count(const char *text);

#endif
