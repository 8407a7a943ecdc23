// One self-contained HTML page: style, script, Chart.js, charts and pictures all stand inside it,
// so that it works from a file, with no network; a content security policy forbids it any request.
// Build it from top to bottom:
//
//   fm_page page;
//   FM_TRY(fm_page_open(&page, "report.html", "Data set", path));
//   fm_page_section(&page, "Classes");
//   fm_page_chart(&page, &chart);
//   fm_page_table_start(&page, (fm_page_column[]){{"class"}, {"faces", .number = true}}, 2);
//   fm_page_cell(&page, "%s", name); // the cells, row by row
//   fm_page_cell(&page, "%zu", faces);
//   fm_page_table_end(&page);
//   FM_TRY(fm_page_commit(&page));
//
// All text is escaped. Only opening and committing can fail: what goes wrong in between is reported
// by commit.
#ifndef FM_REPORT_PAGE_H
#define FM_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"
#include "report/chart.h"

typedef struct fm_page {
  fm_atomic_file file;
  size_t columns, column, sections; // of the table that is being written
  uint64_t numbers;                 // which of its columns hold numbers
  fm_status status;                 // the first failure in between ...
  char *message;                    // ... and what was said of it
} fm_page;

// `subtitle` may be NULL.
FM_MUST_USE fm_status fm_page_open(fm_page *page, const char *path, const char *title,
                                   const char *subtitle);
// Completes the file and puts it in its place, or removes it and returns the first failure.
FM_MUST_USE fm_status fm_page_commit(fm_page *page);
void fm_page_discard(fm_page *page);

void fm_page_section(fm_page *page, const char *heading); // also an entry of the contents
void fm_page_heading(fm_page *page, const char *heading); // within a section
void fm_page_paragraph(fm_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fm_page_warning(fm_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fm_page_code(fm_page *page, const char *text); // keeps its lines

// A row of key figures: start, any number of them, end.
void fm_page_figures_start(fm_page *page);
void fm_page_figure(fm_page *page, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void fm_page_figures_end(fm_page *page);

typedef struct fm_page_column {
  const char *name;
  bool number; // stands to the right
} fm_page_column;
enum { FM_PAGE_COLUMNS_MAX = 64 };
void fm_page_table_start(fm_page *page, const fm_page_column *columns, size_t count);
void fm_page_cell(fm_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fm_page_table_end(fm_page *page);

// A chart that does not pass fm_chart_check fails the page.
void fm_page_chart(fm_page *page, const fm_chart *chart);
// The same as an fm_chart_shower; `page` is an fm_page.
FM_MUST_USE fm_status fm_page_show_chart(void *page, const fm_chart *chart);
// A PNG or JPEG file's bytes; `caption` may be NULL. Pictures that follow each other stand side by
// side where there is room.
void fm_page_picture(fm_page *page, const fm_bytes *picture, const char *caption);
// The same from a file.
void fm_page_picture_file(fm_page *page, const char *path, const char *caption);

#endif
