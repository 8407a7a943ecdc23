"""What the scripts of this folder share: a line for each check, and how many have failed; a training of seconds."""
import os

SMALL_TRAINING = {
    "model.arch": "fasterrcnn_mobilenet_v3_large_320_fpn",
    "model.min_size": 96,
    "model.max_size": 96,
    "model.rpn_pre_nms_top_n_train": 100,
    "model.rpn_post_nms_top_n_train": 50,
    "model.rpn_pre_nms_top_n_test": 50,
    "model.rpn_post_nms_top_n_test": 20,
    "model.box_batch_size_per_image": 32,
    "model.norm": "batch",
    "train.precision": "fp32",
}
_failed = 0


def check(condition, text):
    global _failed
    _failed += not condition
    print(("ok      " if condition else "FAILED  ") + text, flush=True)


def failures():
    return _failed


def hide_gnuplot():
    """From here on the program finds no gnuplot: the charts at a training's end take as long as these trainings do.
    report.py and samples.py look at them."""
    os.environ["PATH"] = "/nonexistent"
