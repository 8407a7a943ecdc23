"""A made-up run folder for the tests of `facemask report`: what a training would have written, as numbers from formulas.

make_run.py FACEMASK OUT [--folds 5] [--epochs 20] [--done 20] [--fold all|none|K] [--every 1] [--carry]"""

import argparse
import json
import math
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

HEADING = (
    "epoch,step,lr,loss,loss_classifier,loss_box_reg,loss_objectness,loss_rpn_box_reg,valid_loss,valid_loss_classifier,"
    "valid_loss_box_reg,valid_loss_objectness,valid_loss_rpn_box_reg,mAP,mAP50,mAP75,seconds"
)
PARTS = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")
STEPS = 40  # an epoch


def losses(at, fold, valid):
    """The five losses after `at` epochs."""
    parts = [(0.6 + 0.1 * i) * math.exp(-at / (3 + i)) + 0.05 * (i + 1) + 0.01 * fold + 0.04 * valid for i in range(4)]
    return [sum(parts), *parts]


def rate(epoch):
    return 0.005 * 0.1 ** ((epoch - 1) // 5)


def row(epoch, fold, has_valid):
    mAP = 0.6 * (1 - math.exp(-epoch / 4)) - 0.01 * fold
    valid = [f"{x:.9g}" for x in [*losses(epoch, fold, 1), mAP, mAP * 1.3, mAP * 0.9]] if has_valid else [""] * 8
    numbers = [f"{x:.9g}" for x in losses(epoch, fold, 0)]
    return ",".join([str(epoch), str(epoch * STEPS), f"{rate(epoch):.7g}", *numbers, *valid, f"{STEPS * 2.5:.3f}"])


def step(number, fold):
    at = number / STEPS
    noise = 1 + 0.2 * math.sin(number * 12.9898 + fold)
    values = {"step": number, "epoch": (number - 1) // STEPS + 1}
    values.update(zip(("loss", *PARTS), (x * noise for x in losses(at, fold, 0))))
    values.update(lr=rate(values["epoch"]), images=10, seconds=2.5 + 0.1 * math.sin(number), data_seconds=0.05)
    return json.dumps(values)


def write_fold(folder, fold, epochs, partial, validates):
    """validates(epoch): does a validation follow it?"""
    folder.mkdir(parents=True)
    rows = [HEADING, *(row(epoch, fold, validates(epoch)) for epoch in range(1, epochs + 1))]
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    steps = [step(number, fold) for number in range(1, epochs * STEPS + partial + 1)]
    (folder / "steps.jsonl").write_text("".join(line + "\n" for line in steps))


def write_run(facemask, out, options):
    data, split = out / "data", out / "split.json"
    subprocess.run([facemask, "synth", "--count", "40", "--seed", "2", "--out", data, "--quiet"], check=True)
    words = [facemask, "split", data, "--folds", str(max(options.folds, 2)), "--out", split, "--quiet"]
    subprocess.run(words, check=True)
    carry = f"  carry_weights: {'true' if options.carry else 'false'}\n"
    (out / "config.yaml").write_text(
        f"model:\n  arch: fasterrcnn_resnet50_fpn\ntrain:\n  epochs: {options.epochs}\n"
        f"  validate_every: {options.every}\n{carry}"
    )
    environment = {"facemask": "0.1.0", "processor": "<b>made up</b>", "threads": 2, "libraries": {"libc": "2.36"}}
    (out / "environment.json").write_text(json.dumps({**environment, "fold": options.fold, "weights": None}))
    if options.fold == "none":
        write_fold(out / "fold_all", 0, options.done, options.partial, lambda epoch: False)

    def validates(epoch):
        return epoch == options.epochs or (options.every and epoch % options.every == 0)

    for fold in range(1, options.folds + 1) if options.fold == "all" else []:
        last = fold == options.folds
        write_fold(out / f"fold_{fold}", fold, options.done if last else options.epochs, options.partial * last, validates)


def evaluate(facemask, out):
    """Predictions that are nearly the annotations, measured by the program itself."""
    data, predictions = out / "data", []
    names = sorted(path.stem for path in (data / "annotations").iterdir())
    classes = ["without_mask", "with_mask", "mask_weared_incorrect"]
    for position, name in enumerate(names):
        root = xml.etree.ElementTree.parse(data / "annotations" / f"{name}.xml").getroot()
        for number, face in enumerate(root.iter("object")):
            x1, y1, x2, y2 = (float(face.find(f"bndbox/{key}").text) for key in ("xmin", "ymin", "xmax", "ymax"))
            label = classes.index(face.find("name").text)
            turn = position * 7 + number * 3
            if turn % 11 == 0:
                continue
            box = [x1 + turn % 5, y1, x2 - x1, (y2 - y1) * (1 - turn % 4 / 20)]
            category = 1 + (label + (turn % 13 == 0)) % 3
            predictions.append(
                {"image_id": position, "category_id": category, "bbox": box, "score": 0.5 + turn % 50 / 100}
            )
    (out / "made.json").write_text(json.dumps(predictions))
    words = [facemask, "evaluate", data, "--predictions", out / "made.json", "--out", out / "evaluation"]
    words += ["--measure", "notebook", "--quiet"]
    subprocess.run(words, check=True)


def parse(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("facemask", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--done", type=int, default=20, help="epochs of the last fold")
    parser.add_argument("--partial", type=int, default=0, help="its steps behind these")
    parser.add_argument("--every", type=int, default=1, help="train.validate_every")
    parser.add_argument("--fold", default="all")
    parser.add_argument("--carry", action="store_true")
    parser.add_argument("--evaluate", action="store_true")
    return parser.parse_args(words)


def make(*words):
    options = parse([str(word) for word in words])
    options.out.mkdir(parents=True)
    write_run(options.facemask, options.out, options)
    if options.evaluate:
        evaluate(options.facemask, options.out)
    return options.out


if __name__ == "__main__":
    make(*sys.argv[1:])
