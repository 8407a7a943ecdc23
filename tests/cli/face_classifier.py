#!/usr/bin/python3
"""A face classifier from its training to detections that it has a word on, and what it is refused for.

    face_classifier.py FACEMASK DETECTOR

DETECTOR may be random weights of three classes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, failures

FACEMASK, DETECTOR = (str(Path(word).resolve()) for word in sys.argv[1:])
TOOLS = Path(__file__).resolve().parents[2] / "tools"
SETTINGS = ["model.arch=face_classifier_efficientnet_lite0", "model.crop_size=32", "model.box_batch_size_per_image=2",
            "train.epochs=2", "train.batch_size=4", "train.min_size=96", "train.max_size=128", "train.optimizer=adamw",
            "train.lr=0.001", "train.repeat_threshold=0.5", "train.warmup_steps=2", "train.precision=fp32"]


def run(*words):
    return subprocess.run([FACEMASK, *map(str, words)], capture_output=True, text=True)


def train(folder, name, *more):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return run("train", folder / "data", "--split", folder / "split.json", "--fold", 1, "--runs", folder, "--name", name,
               *settings, *more)


def weights_of(folder, name):
    return folder / name / "fold_1" / "weights" / "last.safetensors"


def check_training(folder):
    done = train(folder, "whole")
    check(done.returncode == 0, f"it trains: {done.stderr[-300:]}")
    check("--weights DETECTOR --weights" in done.stderr, "the end tells how to measure it with a detector")
    rows = (folder / "whole" / "fold_1" / "metrics.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(",")))
    check(0 <= float(last["mAP"]) <= 1, "the last epoch's mAP is that of its classes on annotated faces")
    check((folder / "whole" / "report.html").exists(), "the run has its page")
    # A stop after one step, and on to the same bytes.
    check(train(folder, "parted", "--max-steps", 1).returncode == 0, "it stops after a step")
    on = run("train", folder / "data", "--runs", folder, "--fold", 1, "--name", "parted", "--resume")
    check(on.returncode == 0, f"it goes on: {on.stderr[-300:]}")
    check(weights_of(folder, "parted").read_bytes() == weights_of(folder, "whole").read_bytes(), "to the same bytes")


def check_detection(folder):
    data, classifier = folder / "data", weights_of(folder, "whole")
    picture = sorted((data / "images").iterdir())[0]
    words = ["detect", picture, "--json", "--score", 0.05, "--weights", DETECTOR]
    alone, both = run(*words), run(*words, "--weights", classifier)
    check(alone.returncode == 0 and both.returncode == 0, f"both detect: {both.stderr[-300:]}")
    before, after = (json.loads(done.stdout)[0]["detections"] for done in (alone, both))
    check(len(after) > 0 and [d["score"] for d in before] != [d["score"] for d in after], "the classifier has a word")
    places = {tuple(d["box"]) for d in before}
    check(all(tuple(d["box"]) in places for d in after), "the boxes stay the detector's")
    measured = run("evaluate", data, "--split", folder / "split.json", "--fold", 1, "--subset", "valid", "--weights", DETECTOR,
                   "--weights", classifier, "--out", folder / "evaluation", "--json")
    check(measured.returncode == 0 and "mAP" in json.loads(measured.stdout), "both are measured together")
    check_predictions(folder, classifier)
    exact = folder / "int8.safetensors"
    done = run("export", "--weights", classifier, "--calibrate", data, "--split", folder / "split.json", "--fold", 1,
               "--out", exact)
    check(done.returncode == 0, f"its ranges are measured on annotated faces: {done.stderr[-300:]}")
    whole = run(*words, "--weights", exact)
    check(whole.returncode == 0, f"it works in whole numbers: {whole.stderr[-300:]}")


def surest(path):
    """What a predictions file says of the surest detections, ten a picture."""
    pictures = {}
    for p in json.loads(path.read_text()):
        pictures.setdefault(p["image_id"], []).append((round(p["score"], 4), p["category_id"], [round(x, 2) for x in p["bbox"]]))
    return {image: sorted(rows)[-10:] for image, rows in pictures.items()}


def check_predictions(folder, classifier):
    """Behind a file of the detector's predictions the classifier says what it says behind the detector."""
    part = ["evaluate", folder / "data", "--split", folder / "split.json", "--fold", 1, "--subset", "valid", "--json"]
    alone = run(*part, "--weights", DETECTOR, "--out", folder / "alone")
    given = ["--predictions", folder / "alone" / "predictions.json"]
    after = run(*part, *given, "--weights", classifier, "--out", folder / "after")
    check(alone.returncode == 0 and after.returncode == 0, f"it takes predictions: {after.stderr[-300:]}")
    whole, later = (surest(folder / name / "predictions.json") for name in ("evaluation", "after"))
    check(len(whole) > 0 and whole == later and whole != surest(folder / "alone" / "predictions.json"), "the same as at once")
    for words, of in ((["--weights", DETECTOR], "is a detector"), (["--weights", classifier, "--views", "1"], "--views")):
        done = run(*part, *given, *words)
        check(done.returncode == 2 and of in done.stderr, f"{words[-1]}: {done.stderr[-200:]}")


def check_background(folder):
    """A classifier that learns what a detector takes for faces and nobody annotated."""
    names = "without_mask,with_mask,mask_weared_incorrect"
    part = ["--split", folder / "split.json", "--fold", 1]
    found = run("evaluate", folder / "data", *part, "--subset", "train", "--weights", DETECTOR, "--out", folder / "found")
    tool = [sys.executable, TOOLS / "add-background", folder / "data", folder / "found" / "predictions.json", folder / "more"]
    done = subprocess.run([str(word) for word in tool], capture_output=True, text=True)
    check(found.returncode == 0 and done.returncode == 0, f"what was found joins the annotations: {done.stderr[-300:]}")
    check(done.stdout.split()[0] != "0", f"some of it is background: {done.stdout}")
    before, after = (json.loads(run("explore", folder / data, "--json").stdout) for data in ("data", "more"))
    faces = {c["name"]: c["faces"] for c in after["classes"]}
    check(faces.pop("background", 0) == int(done.stdout.split()[0]), f"as many as it says: {faces}, {done.stdout}")
    check(faces == {c["name"]: c["faces"] for c in before["classes"]}, "and the annotated faces stay")
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    done = run("train", folder / "more", *part, "--classes", names + ",background", "--runs", folder, "--name", "four", *settings)
    check(done.returncode == 0, f"it trains with the background: {done.stderr[-300:]}")
    four = weights_of(folder, "four")
    for words in (["--weights", DETECTOR], ["--predictions", folder / "alone" / "predictions.json"]):
        done = run("evaluate", folder / "data", *part, "--subset", "valid", *words, "--weights", four, "--out", folder / "known",
                   "--json")
        check(done.returncode == 0, f"it has a word behind {words[0]}: {done.stderr[-300:]}")
        seen = {d["category_id"] for d in json.loads((folder / "known" / "predictions.json").read_text())}
        check(seen and seen <= {1, 2, 3}, f"of the classes that the data have: {seen}")


def check_refusals(folder):
    classifier = weights_of(folder, "whole")
    picture = sorted((folder / "data" / "images").iterdir())[0]
    for words in (["--weights", classifier], ["--weights", classifier, "--weights", DETECTOR]):
        done = run("detect", picture, *words)
        check(done.returncode == 2 and "face classifier" in done.stderr, f"no detector before it: {done.stderr[-200:]}")
    done = run("export", "--weights", classifier, "--format", "onnx", "--out", folder / "no.onnx", "--size", "64x64")
    check(done.returncode == 2 and "face classifier takes" in done.stderr, f"ONNX of it in another size: {done.stderr[-200:]}")
    for setting in ("model.crops=[0.1]", "model.crop_context=[2, 1]"):
        done = train(folder, "refused", "--set", setting)
        check(done.returncode != 0 and "model.crop" in done.stderr, f"{setting}: {done.stderr[-200:]}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check(run("synth", "--count", 20, "--seed", 3, "--out", folder / "data").returncode == 0, "a data set is drawn")
        check(run("split", folder / "data", "--out", folder / "split.json").returncode == 0, "and split")
        check_training(folder)
        check_detection(folder)
        check_background(folder)
        check_refusals(folder)
    print(f"{failures()} failures")
    sys.exit(failures() > 0)


main()
