// make_gallery DIR: every chart of the gallery as pictures and on one page, to look at and for
// test_page.py.
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "gallery.h"
#include "report/page.h"

typedef struct gallery_target {
  const char *folder;
  fm_page page;
  int failed, draw;
} gallery_target;

static void make_chart(const fm_chart *chart, void *user) {
  gallery_target *target = user;
  fm_page_chart(&target->page, chart);
  if (target->draw && fm_chart_draw(chart, target->folder) < 0) {
    fprintf(stderr, "make_gallery: %s\n", fm_error_message());
    target->failed = 1;
  }
}

static void make_texts(fm_page *page) {
  fm_page_section(page, "Text");
  fm_page_paragraph(page, "A paragraph with %s.", gallery_hostile);
  fm_page_warning(page, "A warning.");
  fm_page_figures_start(page);
  fm_page_figure(page, "pictures", "%d", 853);
  fm_page_figure(page, "faces a picture", "%.2f", 4.77);
  fm_page_figures_end(page);
  fm_page_table_start(page, (fm_page_column[]){{"class", false}, {"faces", true}}, 2);
  fm_page_cell(page, "%s", gallery_hostile);
  fm_page_cell(page, "%d", 3232);
  fm_page_cell(page, "without_mask");
  fm_page_cell(page, "%d", 717);
  fm_page_table_end(page);
  fm_page_code(page, "model:\n  arch: fasterrcnn_resnet50_fpn\n");
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 2;
  gallery_target target = {.folder = argv[1], .draw = argc < 3};
  char *path = fm_path_join(argv[1], "report.html");
  if (!path || fm_folder_make(argv[1]) < 0 ||
      fm_page_open(&target.page, path, "Gallery & <tests>", "Every kind of chart") < 0) {
    fprintf(stderr, "make_gallery: %s\n", fm_error_message());
    return 1;
  }
  make_texts(&target.page);
  fm_page_section(&target.page, "Charts");
  const size_t count = gallery_each(make_chart, &target);
  const fm_status status = fm_page_commit(&target.page);
  free(path);
  if (status < 0) {
    fprintf(stderr, "make_gallery: %s\n", fm_error_message());
    return 1;
  }
  printf("%zu\n", count);
  return target.failed;
}
