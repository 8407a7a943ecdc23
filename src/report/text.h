// Text from outside (class names, file names, settings) inside JSON, CSV and gnuplot scripts; for
// HTML see fm_utf8_markup.
// Bytes that are not UTF-8 and control characters become '?'. A failed write stays in the stream;
// who closes it asks.
#ifndef FM_REPORT_TEXT_H
#define FM_REPORT_TEXT_H

#include <stddef.h>
#include <stdio.h>

// A string with its quotes that also stands safely in a <script> element.
void fm_text_json(FILE *out, const char *text);
// One field, quoted when it must be.
void fm_text_csv(FILE *out, const char *text);
// A single-quoted string: nothing in it is expanded, and a quote in it becomes a typographic one.
// Of more than `longest` characters (5 to 255) the middle makes room for an ellipsis.
void fm_text_gnuplot(FILE *out, const char *text, size_t longest);
// Shortest of %.9g; what is not finite is "null" in JSON and "NaN" in CSV.
void fm_text_json_number(FILE *out, double value);
void fm_text_csv_number(FILE *out, double value);

#endif
