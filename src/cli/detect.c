// facemask detect: pictures in; boxes, classes and scores out.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/model.h"
#include "cli/verb.h"
#include "predict/annotation.h"
#include "predict/found.h"

static const fm_cli_option detect_options[] = {
    {"--weights", "FILE",
     "the model (default: the one shipped); several make an ensemble, and a face classifier behind "
     "them has a word on the classes"},
    {"--score", "F", "leave out faces below this score (default 0.5)"},
    {"--nms", "F", "overlap above which the weaker of two boxes is dropped (default 0.5)"},
    {"--agnostic-nms", NULL, "boxes of different classes suppress each other too"},
    {"--views", "S,S...",
     "look at each picture at these sizes and fuse (-S: mirrored); --set model.views=[S,S...]"},
    {"--out", "DIR", "write the pictures with boxes drawn on them, and detections.json"},
    {"--format", "json|coco|voc|yolo|labelstudio", "annotations to write into --out or print"},
    {"--classes", "a,b,c", "class names for weights that carry none"},
    {NULL, NULL, NULL},
};

typedef struct detect_job {
  const fm_cli *cli;
  const char *folder;                 // NULL: none
  const fm_annotation_format *format; // NULL: none asked for
  fm_picture_list pictures;
  fm_predictor *predictor;
  fm_found_list found;
} detect_job;

static fm_status detect_choose_format(detect_job *job) {
  const char *name = fm_cli_value(job->cli, "--format");
  if (!name)
    return FM_OK;
  FM_TRY(fm_annotation_find(&job->format, name));
  if (job->format->write && !job->folder)
    return fm_fail(FM_ERR_ARGUMENT, "--format %s writes a file a picture: --out DIR is needed",
                   name);
  if (job->cli->json && !job->folder && job->format != &fm_annotation_json)
    return fm_fail(FM_ERR_ARGUMENT,
                   "--json and --format %s would both be printed: --out DIR is "
                   "needed",
                   name);
  return FM_OK;
}

// Before the work begins.
static fm_status detect_check_folder(const detect_job *job) {
  return job->folder && job->format && job->format != &fm_annotation_json
             ? fm_annotation_check_folder(job->format, job->folder)
             : FM_OK;
}

static void detect_on_failure(void *user, const char *message) {
  const detect_job *job = user;
  fprintf(stderr, "facemask %s: %s\n", job->cli->verb, message);
}

static void detect_print(const fm_found_list *found) {
  for (size_t i = 0; i < found->count; ++i) {
    const fm_found_picture *picture = &found->items[i];
    printf("%s: %zu face%s, %.0f ms\n", picture->path, picture->detections.count,
           picture->detections.count == 1 ? "" : "s", picture->seconds * 1000);
    for (size_t k = 0; k < picture->detections.count; ++k) {
      const fm_detection *d = &picture->detections.items[k];
      printf("  %-22s %.3f  %7.1f %7.1f %7.1f %7.1f\n", found->classes->names[d->label - 1],
             (double)d->score, (double)d->box.x1, (double)d->box.y1, (double)d->box.x2,
             (double)d->box.y2);
    }
  }
}

// One document, into the folder or printed (folder NULL).
static fm_status detect_put(const detect_job *job, const fm_annotation_format *format,
                            const char *folder) {
  char *text;
  FM_TRY(format->format(&text, &job->found));
  fm_status status = FM_OK;
  if (folder) {
    char *path = fm_path_join(folder, format->file);
    status =
        path ? fm_file_write(path, text, strlen(text)) : fm_fail(FM_ERR_MEMORY, "out of memory");
    free(path);
  } else {
    fputs(text, stdout);
  }
  free(text);
  return status;
}

static fm_status detect_report(const detect_job *job) {
  const fm_annotation_format *format = job->format;
  if (job->folder) {
    FM_TRY(detect_put(job, &fm_annotation_json, job->folder));
    if (format && format->write)
      FM_TRY(format->write(&job->found, job->folder));
    else if (format && format != &fm_annotation_json)
      FM_TRY(detect_put(job, format, job->folder));
    fm_say("wrote %zu picture%s and detections.json to %s", job->found.count,
           job->found.count == 1 ? "" : "s", job->folder);
  }
  if (job->cli->json)
    FM_TRY(detect_put(job, &fm_annotation_json, NULL));
  else if (format && !job->folder)
    FM_TRY(detect_put(job, format, NULL));
  else if (!job->cli->quiet)
    detect_print(&job->found);
  if (job->found.failed > 0)
    return fm_fail(FM_ERR_FORMAT, "%zu of %zu pictures could not be read", job->found.failed,
                   job->pictures.count);
  return FM_OK;
}

static fm_status detect_job_run(detect_job *job) {
  FM_TRY(detect_choose_format(job));
  FM_TRY(detect_check_folder(job));
  double score, nms;
  FM_TRY(fm_cli_double(job->cli, "--score", 0.5, 0, 1, &score));
  FM_TRY(fm_cli_double(job->cli, "--nms", 0.5, 0, 1, &nms));
  FM_TRY(fm_picture_list_make(&job->pictures, job->cli->positional, job->cli->positional_count));
  const fm_predictor_options settings = {.score = (float)score, .nms = (float)nms};
  FM_TRY(fm_cli_open_model(job->cli, &settings, &job->predictor));
  const fm_find_options options = {.predictor = job->predictor,
                                   .pictures = &job->pictures,
                                   .folder = job->folder,
                                   .on_failure = detect_on_failure,
                                   .user = job};
  FM_TRY(fm_find_faces(&options, &job->found));
  return detect_report(job);
}

static fm_status detect_run(const fm_cli *cli) {
  detect_job job = {.cli = cli, .folder = fm_cli_value(cli, "--out")};
  const fm_status status = detect_job_run(&job);
  fm_found_list_release(&job.found);
  fm_predictor_free(job.predictor);
  fm_picture_list_release(&job.pictures);
  return status;
}

const fm_verb fm_verb_detect = {
    .name = "detect",
    .usage = "SOURCE... [options]",
    .summary = "find faces in pictures, folders, globs or - (standard input)",
    .options = detect_options,
    .runs_model = true,
    .positional_min = 1,
    .positional_max = -1,
    .run = detect_run,
};
