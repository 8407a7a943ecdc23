// Writes the HTML of a page; web/ holds its style and script.
#include "report/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "report/chart_parts.h"
#include "web.h"

enum { PAGE_PICTURE_BYTES_MAX = 64 << 20 };

// Remembers the first failure; commit returns it.
static void page_fail(fm_page *page, fm_status status) {
  if (status >= 0 || page->status < 0)
    return;
  page->status = status;
  page->message = strdup(fm_error_message());
}

static void page_text(fm_page *page, const char *before, const char *text, const char *behind) {
  fputs(before, page->file.stream);
  fm_utf8_markup(page->file.stream, text);
  fputs(behind, page->file.stream);
}

static void page_format(fm_page *page, const char *before, const char *behind, const char *format,
                        va_list arguments) {
  char *text;
  if (vasprintf(&text, format, arguments) < 0) {
    page_fail(page, fm_fail(FM_ERR_MEMORY, "out of memory"));
    return;
  }
  page_text(page, before, text, behind);
  free(text);
}

fm_status fm_page_open(fm_page *page, const char *path, const char *title, const char *subtitle) {
  *page = (fm_page){0};
  FM_TRY(fm_atomic_file_open(&page->file, path));
  FILE *out = page->file.stream;
  fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action "
        "'none'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<link rel=\"icon\" href=\"data:,\">\n",
        out);
  page_text(page, "<title>", title, "</title>\n<style>\n");
  fwrite(fm_web_page_css, 1, fm_web_page_css_size, out);
  page_text(page, "</style>\n</head>\n<body>\n<header>\n<h1>", title, "</h1>\n");
  if (subtitle)
    page_text(page, "<p>", subtitle, "</p>\n");
  fputs("<noscript><p class=\"warning\">The charts of this page need JavaScript.</p></noscript>\n"
        "</header>\n<nav id=\"contents\"></nav>\n<main>\n",
        out);
  return FM_OK;
}

fm_status fm_page_commit(fm_page *page) {
  FM_ASSERT(page->columns == 0);
  FILE *out = page->file.stream;
  fputs(page->sections ? "</section>\n" : "", out);
  fputs("</main>\n<script>\n", out);
  fwrite(fm_web_chart_js, 1, fm_web_chart_js_size, out);
  fputs("\n</script>\n<script>\n", out);
  fwrite(fm_web_page_js, 1, fm_web_page_js_size, out);
  fputs("</script>\n</body>\n</html>\n", out);
  if (page->status == FM_OK)
    return fm_atomic_file_commit(&page->file);
  const fm_status status =
      fm_fail(page->status, "%s", page->message ? page->message : "out of memory");
  fm_page_discard(page);
  return status;
}

void fm_page_discard(fm_page *page) {
  fm_atomic_file_discard(&page->file);
  free(page->message);
  *page = (fm_page){0};
}

void fm_page_section(fm_page *page, const char *heading) {
  fprintf(page->file.stream, "%s<section id=\"section-%zu\">\n",
          page->sections ? "</section>\n" : "", page->sections + 1);
  page->sections++;
  page_text(page, "<h2>", heading, "</h2>\n");
}

void fm_page_heading(fm_page *page, const char *heading) {
  page_text(page, "<h3>", heading, "</h3>\n");
}

void fm_page_paragraph(fm_page *page, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  page_format(page, "<p>", "</p>\n", format, arguments);
  va_end(arguments);
}

void fm_page_warning(fm_page *page, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  page_format(page, "<p class=\"warning\">", "</p>\n", format, arguments);
  va_end(arguments);
}

void fm_page_code(fm_page *page, const char *text) {
  page_text(page, "<pre>", text, "</pre>\n");
}

void fm_page_figures_start(fm_page *page) {
  fputs("<dl class=\"figures\">\n", page->file.stream);
}

void fm_page_figure(fm_page *page, const char *name, const char *format, ...) {
  page_text(page, "<div><dt>", name, "</dt>");
  va_list arguments;
  va_start(arguments, format);
  page_format(page, "<dd>", "</dd></div>\n", format, arguments);
  va_end(arguments);
}

void fm_page_figures_end(fm_page *page) {
  fputs("</dl>\n", page->file.stream);
}

void fm_page_table_start(fm_page *page, const fm_page_column *columns, size_t count) {
  FM_ASSERT(page->columns == 0 && count > 0);
  if (count > FM_PAGE_COLUMNS_MAX) {
    page_fail(page, fm_fail(FM_ERR_ARGUMENT, "a table of %zu columns; at most %d can be shown",
                            count, FM_PAGE_COLUMNS_MAX));
    count = FM_PAGE_COLUMNS_MAX;
  }
  page->columns = count;
  page->column = 0;
  page->numbers = 0;
  fputs("<div class=\"scroll\"><table>\n<thead><tr>", page->file.stream);
  for (size_t i = 0; i < count; i++) {
    page_text(page, columns[i].number ? "<th class=\"number\">" : "<th>", columns[i].name, "</th>");
    page->numbers |= (uint64_t)columns[i].number << i;
  }
  fputs("</tr></thead>\n<tbody>\n", page->file.stream);
}

void fm_page_cell(fm_page *page, const char *format, ...) {
  FM_ASSERT(page->columns > 0);
  if (page->column == 0)
    fputs("<tr>", page->file.stream);
  const bool number = page->numbers >> page->column & 1;
  va_list arguments;
  va_start(arguments, format);
  page_format(page, number ? "<td class=\"number\">" : "<td>", "</td>", format, arguments);
  va_end(arguments);
  page->column = (page->column + 1) % page->columns;
  if (page->column == 0)
    fputs("</tr>\n", page->file.stream);
}

void fm_page_table_end(fm_page *page) {
  FM_ASSERT(page->columns > 0);
  fputs(page->column ? "</tr>\n" : "", page->file.stream);
  fputs("</tbody>\n</table></div>\n", page->file.stream);
  page->columns = 0;
}

void fm_page_chart(fm_page *page, const fm_chart *chart) {
  const fm_status status = fm_chart_check(chart);
  if (status < 0) {
    page_fail(page, status);
    return;
  }
  fputs("<figure class=\"chart\"><script type=\"application/json\">", page->file.stream);
  fm_chart_write_json(chart, page->file.stream);
  fputs("</script></figure>\n", page->file.stream);
}

fm_status fm_page_show_chart(void *page, const fm_chart *chart) {
  fm_page_chart(page, chart);
  return FM_OK;
}

static void page_base64(FILE *out, const uint8_t *data, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    const uint32_t bits = (uint32_t)data[i] << 16 |
                          (i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0) |
                          (i + 2 < size ? (uint32_t)data[i + 2] : 0);
    fputc(digits[bits >> 18], out);
    fputc(digits[bits >> 12 & 63], out);
    fputc(i + 1 < size ? digits[bits >> 6 & 63] : '=', out);
    fputc(i + 2 < size ? digits[bits & 63] : '=', out);
  }
}

void fm_page_picture(fm_page *page, const fm_bytes *picture, const char *caption) {
  const bool png = picture->size > 4 && memcmp(picture->data, "\x89PNG", 4) == 0;
  const bool jpeg = picture->size > 3 && memcmp(picture->data, "\xff\xd8\xff", 3) == 0;
  if (!png && !jpeg) {
    page_fail(page, fm_fail(FM_ERR_FORMAT, "%s: neither PNG nor JPEG",
                            caption ? caption : "a picture of the report"));
    return;
  }
  FILE *out = page->file.stream;
  page_text(page, "<figure class=\"picture\"><img alt=\"", caption ? caption : "", "\" src=\"");
  fprintf(out, "data:image/%s;base64,", png ? "png" : "jpeg");
  page_base64(out, picture->data, picture->size);
  fputs("\">", out);
  if (caption)
    page_text(page, "<figcaption>", caption, "</figcaption>");
  fputs("</figure>\n", out);
}

void fm_page_picture_file(fm_page *page, const char *path, const char *caption) {
  fm_bytes bytes;
  const fm_status status = fm_file_read(&bytes, path, PAGE_PICTURE_BYTES_MAX);
  if (status < 0) {
    page_fail(page, status);
    return;
  }
  fm_page_picture(page, &bytes, caption);
  free(bytes.data);
}
