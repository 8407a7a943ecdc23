// Pictures through the fp32 network, whose values' ranges it keeps.
#include "predict/calibration.h"

#include "base/progress.h"
#include "detect/weights.h"
#include "train/feed.h"

// A picture that cannot be read is named and left out.
static fm_status calibration_picture(fm_detector *detector, const fm_dataset *dataset,
                                     size_t sample, size_t *used) {
  fm_image image;
  const fm_status read = fm_dataset_image(dataset, sample, &image);
  if (read < 0 && read != FM_ERR_MEMORY) {
    fm_say("left out: %s", fm_error_message());
    return FM_OK;
  }
  FM_TRY(read);
  ++*used;
  // With the annotated faces, which a face classifier measures its ranges on.
  const fm_sample *own = fm_dataset_sample(dataset, sample);
  const fm_loader_maker maker = fm_feed_maker(fm_detector_config(detector));
  fm_input input;
  fm_status status = maker.make(maker.user, &image, own->objects, own->object_count, &input);
  fm_image_release(&image);
  FM_TRY(status);
  status = fm_detector_calibrate(detector, &input, 1);
  fm_input_release(&input);
  return status;
}

static fm_status calibration_pictures(const fm_calibration_options *options,
                                      fm_detector *detector) {
  const fm_eval_subset *subset = options->subset;
  const size_t count = subset->count < options->pictures ? subset->count : options->pictures;
  fm_progress progress;
  fm_progress_start(&progress, "calibrate", count);
  fm_status status = FM_OK;
  size_t used = 0;
  for (size_t i = 0; status >= 0 && i < count; i++) {
    status = calibration_picture(detector, subset->dataset,
                                 subset->samples[i * subset->count / count], &used);
    fm_progress_step(&progress, i + 1, "pictures");
  }
  fm_progress_end(&progress);
  if (status >= 0 && used == 0)
    status = fm_fail(FM_ERR_FORMAT, "none of %zu pictures could be read", count);
  return status;
}

static fm_status calibration_measure(const fm_calibration_options *options,
                                     const fm_weights_info *info, fm_detector *detector) {
  fm_weights_report report = {0};
  FM_TRY(fm_weights_load(detector, options->weights, &report));
  const bool whole = report.missing_count == 0 && !report.predictor_replaced;
  fm_weights_report_release(&report);
  if (!whole)
    return fm_fail(FM_ERR_FORMAT, "%s: tensors of the model are missing", options->weights);
  FM_TRY(calibration_pictures(options, detector));
  return fm_weights_save(detector, options->out, (const char *const *)info->class_names,
                         info->class_count, FM_MOMENT_NONE);
}

fm_status fm_calibration_run(const fm_calibration_options *options) {
  fm_weights_info info;
  FM_TRY(fm_weights_info_read(&info, options->weights));
  fm_detector *detector = NULL;
  fm_status status =
      info.has_config && info.class_names
          ? fm_detector_new(&detector, &(fm_detector_options){.config = &info.config,
                                                              .class_count = info.class_count,
                                                              .precision = FM_F32,
                                                              .blank = true})
          : fm_fail(FM_ERR_FORMAT, "%s does not say what model and classes it is of",
                    options->weights);
  if (status >= 0)
    status = calibration_measure(options, &info, detector);
  fm_detector_free(detector);
  fm_weights_info_release(&info);
  return status;
}
