// The options of the verbs that run weights: --weights, --config, --set, --precision, --classes,
// --agnostic-nms, --views.
#ifndef FM_CLI_MODEL_H
#define FM_CLI_MODEL_H

#include "cli/verb.h"
#include "predict/predictor.h"

// The model of the call, or the one that ships with the program; `settings` has what else there is
// to know, its thresholds and whether classifiers are expected.
FM_MUST_USE fm_status fm_cli_open_model(const fm_cli *cli, const fm_predictor_options *settings,
                                        fm_predictor **out);

#endif
