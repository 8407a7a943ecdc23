"""A short real run: the verbs on the real pictures, from exploring to detecting.

usage: real_run.py FACEMASK DATA_FOLDER      (DATA_FOLDER holds kaggle-train: images/ and annotations/)

The last line is `N passed, N failed`; exit status 1 when a check failed. Figures are not judged here, only that every verb does
its job on real data and that the results fit together.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

counts = {True: 0, False: 0}


def check(condition, text):
    counts[bool(condition)] += 1
    print(("ok      " if condition else "FAILED  ") + text, flush=True)
    return condition


def run(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    error = f": exit status {done.returncode}, {done.stderr.strip()[-300:]}" if done.returncode else ""
    check(not error, f"facemask {words[0]} runs{error}")
    return done.stdout


def explore_and_split(program, data, work):
    names = {path.stem for path in (data / "annotations").glob("*.xml")}
    summary = json.loads(run(program, "explore", data, "--json", "--out", work / "explore"))
    check(summary["images"] == len(names), f"explore counts the {len(names)} pictures")
    split = json.loads(run(program, "split", data, "--json", "--out", work / "split.json"))
    parts = split["train"] + split["test"]
    check(sorted(parts) == sorted(names), "train and test hold every picture once")
    folds = [name for fold in split["folds"] for name in fold["valid"]]
    check(sorted(folds) == sorted(split["train"]), "the folds hold every picture of train once")
    return split


def small_split(split, work):
    """The first pictures of the split's parts, so that a run takes seconds."""
    valid = split["folds"][0]["valid"][:4]
    train = [name for name in split["train"] if name not in split["folds"][0]["valid"]][:8]
    path = work / "small.json"
    small = {"seed": split["seed"], "train": sorted(train + valid), "test": split["test"][:4]}
    path.write_text(json.dumps(small | {"folds": [{"valid": valid}, {"valid": train}]}))
    return path, small


def train(program, data, work, split):
    words = ["--split", split, "--fold", 1, "--name", "real", "--runs", work / "runs", "--max-steps", 2]
    for key, value in (("model.arch", "fasterrcnn_mobilenet_v3_large_320_fpn"), ("model.norm", "batch"),
                       ("train.batch_size", 2), ("train.epochs", 1), ("train.lr", 0.001)):
        words += ["--set", f"{key}={value}"]
    run(program, "train", data, *words)
    fold = work / "runs" / "real" / "fold_1"
    run(program, "train", data, "--name", "real", "--runs", work / "runs", "--fold", 1, "--resume")
    steps = [json.loads(line) for line in (fold / "steps.jsonl").read_text().splitlines()]
    check([step["step"] for step in steps] == list(range(1, 5)), "two steps, and two more on resume, in steps.jsonl")
    check(all(0 < step["loss"] < 100 for step in steps), "the losses are sound")
    check(len((fold / "metrics.csv").read_text().splitlines()) == 2, "one epoch in metrics.csv")
    return fold / "weights" / "last.safetensors"


def evaluate_and_detect(program, data, work, split, weights):
    split, small = split
    metrics = json.loads(run(program, "evaluate", data, "--split", split, "--subset", "test", "--weights", weights, "--json",
                             "--out", work / "evaluation"))
    check(metrics["images"] == len(small["test"]) and 0 <= metrics["mAP"] <= 1, "evaluate measures the test part")
    pictures = [data / "images" / f"{name}.png" for name in small["test"]]
    found = json.loads(run(program, "detect", *pictures, "--weights", weights, "--score", 0.01, "--json", "--out", work / "found"))
    check([Path(picture["image"]).stem for picture in found] == small["test"], "detect gives a result a picture")
    check(all((work / "found" / picture.name).stat().st_size > 0 for picture in pictures), "and a drawn picture")


def main():
    program, data = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]) / "kaggle-train"
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        split = small_split(explore_and_split(program, data, work), work)
        weights = train(program, data, work, split[0])
        evaluate_and_detect(program, data, work, split, weights)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
