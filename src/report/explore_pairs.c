// A picture a pair of duplicates.
#include "report/explore_pairs.h"

#include <stdio.h>
#include <stdlib.h>

#include "image/panels.h"
#include "report/picture.h"

enum { PAIRS_TITLE_BYTES = 300 };

// One of the two pictures.
typedef struct pairs_side {
  fm_image image;
  fm_draw_face *faces;
  size_t count;
  char title[PAIRS_TITLE_BYTES];
} pairs_side;

static void pairs_side_release(pairs_side *side) {
  fm_image_release(&side->image);
  free(side->faces);
}

static fm_status pairs_side_load(pairs_side *side, const fm_dataset *dataset, size_t index) {
  const fm_sample *sample = fm_dataset_sample(dataset, index);
  FM_TRY(fm_dataset_image(dataset, index, &side->image));
  side->faces = calloc(sample->object_count + 1, sizeof *side->faces);
  FM_CHECK_ALLOC(side->faces);
  for (; side->count < sample->object_count; side->count++) {
    const fm_object *object = &sample->objects[side->count];
    const char *name = fm_dataset_class_name(dataset, object->label);
    side->faces[side->count] =
        (fm_draw_face){.box = object->box, .rgb = fm_draw_class_color(name, object->label)};
  }
  snprintf(side->title, sizeof side->title, "%.200s: %zu face%s", sample->name, side->count,
           side->count == 1 ? "" : "s");
  return FM_OK;
}

static void pairs_name_face(pairs_side *side, const fm_dataset *dataset, size_t index,
                            ptrdiff_t object) {
  if (object >= 0)
    side->faces[object].text =
        fm_dataset_class_name(dataset, fm_dataset_sample(dataset, index)->objects[object].label);
}

// Returns how many contradictions there are on the pair.
static size_t pairs_name_faces(pairs_side sides[2], const fm_exploration *exploration,
                               size_t pair) {
  const fm_duplicates *duplicates = &exploration->duplicates;
  size_t found = 0;
  for (size_t i = 0; i < duplicates->contradiction_count; i++) {
    const fm_contradiction *one = &duplicates->contradictions[i];
    if (one->pair != pair)
      continue;
    found++;
    pairs_name_face(&sides[0], exploration->dataset, duplicates->pairs[pair].first,
                    one->first_object);
    pairs_name_face(&sides[1], exploration->dataset, duplicates->pairs[pair].second,
                    one->second_object);
  }
  return found;
}

static fm_status pairs_draw(fm_page *page, const pairs_side sides[2], const char *caption) {
  const fm_panel panels[2] = {
      {&sides[0].image, sides[0].faces, sides[0].count, sides[0].title},
      {&sides[1].image, sides[1].faces, sides[1].count, sides[1].title},
  };
  const int first = fm_draw_scale(&sides[0].image), second = fm_draw_scale(&sides[1].image);
  fm_image image;
  FM_TRY(fm_panels_draw(&image, panels, 2, first < second ? first : second));
  fm_status status = fm_picture_add_image(page, &image, caption);
  fm_image_release(&image);
  return status;
}

static fm_status pairs_add(fm_page *page, const fm_exploration *exploration, size_t pair) {
  const fm_duplicate *duplicate = &exploration->duplicates.pairs[pair];
  pairs_side sides[2] = {0};
  fm_status status = pairs_side_load(&sides[0], exploration->dataset, duplicate->first);
  if (status >= 0)
    status = pairs_side_load(&sides[1], exploration->dataset, duplicate->second);
  if (status >= 0) {
    char caption[PAIRS_TITLE_BYTES];
    const size_t found = pairs_name_faces(sides, exploration, pair);
    if (found > 0)
      snprintf(caption, sizeof caption, "%s, %zu contradictory label%s (named)",
               duplicate->same ? "the same" : "near", found, found == 1 ? "" : "s");
    else
      snprintf(caption, sizeof caption, "%s, labelled alike",
               duplicate->same ? "the same" : "near");
    status = pairs_draw(page, sides, caption);
  }
  pairs_side_release(&sides[0]);
  pairs_side_release(&sides[1]);
  return status;
}

static bool pairs_contradict(const fm_duplicates *duplicates, size_t pair) {
  for (size_t i = 0; i < duplicates->contradiction_count; i++)
    if (duplicates->contradictions[i].pair == pair)
      return true;
  return false;
}

fm_status fm_explore_pairs_add(fm_page *page, const fm_exploration *exploration) {
  const fm_duplicates *duplicates = &exploration->duplicates;
  size_t shown = 0;
  fm_page_heading(page, "The pairs");
  for (int contradicting = 1; contradicting >= 0; contradicting--)
    for (size_t pair = 0; pair < duplicates->count && shown < FM_EXPLORE_PAIRS_SHOWN; pair++) {
      if (pairs_contradict(duplicates, pair) != (contradicting == 1))
        continue;
      FM_TRY(pairs_add(page, exploration, pair));
      shown++;
    }
  return FM_OK;
}
