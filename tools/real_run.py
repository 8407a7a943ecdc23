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
    check(done.returncode == 0, f"facemask {words[0]}: exit status {done.returncode} {done.stderr.strip()[-300:]}")
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


def main():
    program, data = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]) / "kaggle-train"
    with tempfile.TemporaryDirectory() as work:
        explore_and_split(program, data, Path(work))
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
