// The page of an exploration, and all its charts as pictures.
#include "report/explore_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/explore_charts.h"
#include "report/explore_pairs.h"
#include "report/page.h"

enum { EXPLORE_ROWS_SHOWN = 200, EXPLORE_TEXT_BYTES = 512 };

static fm_status explore_charts(fm_page *page, const fm_exploration *exploration,
                                fm_explore_chart first, fm_explore_chart last) {
  for (fm_explore_chart which = first; which <= last; which++)
    FM_TRY(fm_explore_chart_make(exploration, which, fm_page_show_chart, page));
  return FM_OK;
}

static void explore_figures(fm_page *page, const fm_exploration *exploration) {
  const fm_statistics *statistics = &exploration->statistics;
  size_t problems;
  fm_dataset_problems(exploration->dataset, &problems);
  fm_page_figures_start(page);
  fm_page_figure(page, "images", "%zu", statistics->images);
  fm_page_figure(page, "faces", "%zu", statistics->faces);
  fm_page_figure(page, "faces an image", "%.2f", fm_statistics_mean_faces(statistics));
  fm_page_figure(page, "classes", "%d", statistics->class_count);
  fm_page_figure(page, "median face", "%.0f px",
                 (double)fm_statistics_size_quantile(statistics, 0.5));
  fm_page_figure(page, "problems", "%zu", problems);
  fm_page_figure(page, "suspicious annotations", "%zu", exploration->suspects.count);
  if (!fm_dataset_annotations_only(exploration->dataset))
    fm_page_figure(page, "duplicate pairs", "%zu", exploration->duplicates.pair_count);
  fm_page_figures_end(page);
  if (fm_dataset_annotations_only(exploration->dataset))
    fm_page_warning(page, "The pictures are missing: all of this comes from the annotations alone, "
                          "and duplicates were not looked for.");
}

static void explore_rest(fm_page *page, size_t count) {
  if (count > EXPLORE_ROWS_SHOWN)
    fm_page_paragraph(page, "… and %zu more; explore_details.json lists them.",
                      count - EXPLORE_ROWS_SHOWN);
}

// explore.json lists all problems.
static void explore_problems(fm_page *page, const fm_dataset *dataset) {
  size_t count;
  const fm_problem *problems = fm_dataset_problems(dataset, &count);
  fm_page_heading(page, "Problems");
  if (count == 0) {
    fm_page_paragraph(page, "None: every file could be read as it is.");
    return;
  }
  fm_page_table_start(page, (fm_page_column[]){{"file", false}, {"reason", false}}, 2);
  for (size_t i = 0; i < count && i < EXPLORE_ROWS_SHOWN; i++) {
    fm_page_cell(page, "%s", problems[i].file);
    fm_page_cell(page, "%s", problems[i].reason);
  }
  fm_page_table_end(page);
  if (count > EXPLORE_ROWS_SHOWN)
    fm_page_paragraph(page, "… and %zu more; explore.json lists them.", count - EXPLORE_ROWS_SHOWN);
}

static void explore_suspects(fm_page *page, const fm_exploration *exploration) {
  const fm_suspects *suspects = &exploration->suspects;
  fm_page_heading(page, "Suspicious annotations");
  fm_page_paragraph(
      page,
      "%zu tiny (a side under %g pixels), %zu huge (over %g of the image), %zu "
      "stretched (one side over %g times the other), %zu doubled (overlapping another "
      "by more than %g), %zu reaching outside their image (see the problems).",
      suspects->kinds[FM_SUSPECT_TINY], FM_SUSPECT_SIDE, suspects->kinds[FM_SUSPECT_HUGE],
      FM_SUSPECT_AREA, suspects->kinds[FM_SUSPECT_STRETCHED], FM_SUSPECT_RATIO,
      suspects->kinds[FM_SUSPECT_DOUBLED], FM_SUSPECT_IOU, suspects->clipped);
  if (suspects->count == 0)
    return;
  fm_page_table_start(
      page, (fm_page_column[]){{"image", false}, {"object", true}, {"kind", false}, {"why", false}},
      4);
  for (size_t i = 0; i < suspects->count && i < EXPLORE_ROWS_SHOWN; i++) {
    const fm_suspect *suspect = &suspects->items[i];
    char text[EXPLORE_TEXT_BYTES];
    fm_suspect_format(text, sizeof text, suspect, exploration->dataset);
    fm_page_cell(page, "%s", fm_dataset_sample(exploration->dataset, suspect->sample)->name);
    fm_page_cell(page, "%zu", suspect->object + 1);
    fm_page_cell(page, "%s", fm_suspect_kind_name(suspect->kind));
    fm_page_cell(page, "%s", text);
  }
  fm_page_table_end(page);
  explore_rest(page, suspects->count);
}

static void explore_label(fm_page *page, const fm_dataset *dataset, size_t sample,
                          ptrdiff_t object) {
  char text[EXPLORE_TEXT_BYTES];
  fm_contradiction_format(text, sizeof text, dataset, sample, object);
  fm_page_cell(page, "%s", text);
}

static void explore_contradictions(fm_page *page, const fm_exploration *exploration) {
  const fm_dataset *dataset = exploration->dataset;
  const fm_duplicates *duplicates = &exploration->duplicates;
  fm_page_heading(page, "Contradictory labels on them");
  if (duplicates->contradiction_count == 0) {
    fm_page_paragraph(page, "None: such images carry the same faces and classes.");
    return;
  }
  fm_page_table_start(
      page,
      (fm_page_column[]){
          {"first image", false}, {"says", false}, {"second image", false}, {"says", false}},
      4);
  for (size_t i = 0; i < duplicates->contradiction_count && i < EXPLORE_ROWS_SHOWN; i++) {
    const fm_contradiction *found = &duplicates->contradictions[i];
    const fm_duplicate *pair = &duplicates->pairs[found->pair];
    fm_page_cell(page, "%s", fm_dataset_sample(dataset, pair->first)->name);
    explore_label(page, dataset, pair->first, found->first_object);
    fm_page_cell(page, "%s", fm_dataset_sample(dataset, pair->second)->name);
    explore_label(page, dataset, pair->second, found->second_object);
  }
  fm_page_table_end(page);
  explore_rest(page, duplicates->contradiction_count);
}

static fm_status explore_duplicates(fm_page *page, const fm_exploration *exploration) {
  const fm_duplicates *duplicates = &exploration->duplicates;
  fm_page_section(page, "Duplicates");
  fm_page_paragraph(
      page,
      "%zu pairs of images differ by less than %g grey levels at %d x %d; %zu of them "
      "are equal pixel by pixel. Where such a pair lies in two parts of a split, the "
      "one tells about the other: split --group-duplicates keeps them together.",
      duplicates->pair_count, (double)FM_DUPLICATE_GREY_LEVELS, FM_FINGERPRINT_SIDE,
      FM_FINGERPRINT_SIDE, duplicates->same_count);
  if (duplicates->count == 0)
    return FM_OK;
  fm_page_table_start(
      page,
      (fm_page_column[]){
          {"first image", false}, {"second image", false}, {"difference", true}, {"", false}},
      4);
  for (size_t i = 0; i < duplicates->count && i < EXPLORE_ROWS_SHOWN; i++) {
    const fm_duplicate *pair = &duplicates->pairs[i];
    fm_page_cell(page, "%s", fm_dataset_sample(exploration->dataset, pair->first)->name);
    fm_page_cell(page, "%s", fm_dataset_sample(exploration->dataset, pair->second)->name);
    fm_page_cell(page, "%.2f", (double)pair->difference);
    fm_page_cell(page, "%s", pair->same ? "the same" : "near");
  }
  fm_page_table_end(page);
  explore_rest(page, duplicates->pair_count);
  explore_contradictions(page, exploration);
  return fm_explore_pairs_add(page, exploration);
}

static fm_status explore_fill(fm_page *page, const fm_exploration *exploration) {
  explore_figures(page, exploration);
  fm_page_section(page, "Classes");
  FM_TRY(explore_charts(page, exploration, FM_EXPLORE_CLASSES, FM_EXPLORE_FACES));
  fm_page_section(page, "Faces");
  FM_TRY(explore_charts(page, exploration, FM_EXPLORE_FACE_SIZES, FM_EXPLORE_PLACES));
  fm_page_section(page, "Images");
  FM_TRY(explore_charts(page, exploration, FM_EXPLORE_IMAGE_SIZES, FM_EXPLORE_IMAGE_SIZES));
  if (!fm_dataset_annotations_only(exploration->dataset))
    FM_TRY(explore_duplicates(page, exploration));
  fm_page_section(page, "Problems and suspicions");
  explore_problems(page, exploration->dataset);
  explore_suspects(page, exploration);
  return FM_OK;
}

fm_status fm_explore_report_page(const fm_exploration *exploration, const char *folder,
                                 const char *data) {
  char *path = fm_path_join(folder, "report.html");
  FM_CHECK_ALLOC(path);
  fm_page page;
  fm_status status = fm_page_open(&page, path, "Data set", data);
  free(path);
  FM_TRY(status);
  status = explore_fill(&page, exploration);
  if (status < 0) {
    fm_page_discard(&page);
    return status;
  }
  return fm_page_commit(&page);
}

fm_status fm_explore_report_draw(const fm_exploration *exploration, const char *folder) {
  fm_status status = FM_OK;
  for (int which = 0; which < FM_EXPLORE_CHART_COUNT && status == FM_OK; which++)
    status =
        fm_explore_chart_make(exploration, (fm_explore_chart)which, fm_chart_show_drawn, &folder);
  return status;
}
