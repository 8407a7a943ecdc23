// The parts of one fold's training and what is kept of them on the disk; for trainer.c alone.
#ifndef FM_TRAIN_TRAINER_PARTS_H
#define FM_TRAIN_TRAINER_PARTS_H

#include "data/augment/augment.h"
#include "data/loader.h"
#include "detect/detector.h"
#include "nn/optimizer.h"
#include "train/checkpoint.h"
#include "train/run_log.h"
#include "train/tensorboard.h"
#include "train/trainer.h"

typedef struct fm_trainer_parts {
  const fm_trainer_options *options;
  const fm_train_config *config;
  fm_model_config training_model; // sizes of training; validation has the model's own
  fm_detector *detector;
  fm_params *params;              // the detector's
  fm_optimizer_options optimizer; // lr is each step's
  fm_augment *augment;
  fm_loader *loader, *valid_loader; // valid_loader is NULL without a validation part
  fm_run_log log;
  fm_tensorboard board;
  fm_train_state state;
  fm_checkpoint_slots slots;
  const char **class_names;
  int saved_step; // of the checkpoint on the disk, -1 when there is none
  char *checkpoint, *best, *last;
} fm_trainer_parts;

// Makes everything, and brings it to where the checkpoint stands when there is one (*resumed). To
// be released also after a failure.
FM_MUST_USE fm_status fm_trainer_parts_init(fm_trainer_parts *parts,
                                            const fm_trainer_options *options, bool *resumed);
void fm_trainer_parts_release(fm_trainer_parts *parts);
FM_MUST_USE fm_status fm_trainer_save_checkpoint(fm_trainer_parts *parts);
// Where the weights are that are measured and kept: the mean over restarts once there is one, else
// the moving average where there is one, else FM_MOMENT_NONE.
int fm_trainer_kept_slot(const fm_trainer_parts *parts);
// weights/last, and weights/best when the epoch that just ended is the best one. They follow from
// the checkpoint that was just written or read, so a kill between the two loses nothing.
FM_MUST_USE fm_status fm_trainer_save_weights(fm_trainer_parts *parts);

#endif
