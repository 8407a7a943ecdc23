// The options of the verbs that run weights: --weights, --config, --set, --precision, --classes,
// --agnostic-nms, --views.
#ifndef FM_CLI_MODEL_H
#define FM_CLI_MODEL_H

#include "cli/verb.h"
#include "predict/predictor.h"

// The model of the call, or the one that ships with the program. score, nms: a negative one is the
// configuration's.
FM_MUST_USE fm_status fm_cli_open_model(const fm_cli *cli, double score, double nms,
                                        fm_predictor **out);

#endif
