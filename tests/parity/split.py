#!/usr/bin/env python3
"""Compares `facemask split` with NumPy, scikit-learn and iterative-stratification, live, on random data sets.

Usage: split.py PROGRAM [CASES] [SEED]

Each case is a folder of Pascal VOC annotations with up to 10 classes and some pictures without faces. Train, test and the folds
must be equal to the last name and in order, both shuffled and unshuffled. CASES is 40, with FACEMASK_FULL set 200. Needs
python3-sklearn and iterative-stratification.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
    from sklearn.model_selection import train_test_split
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

KAGGLE = ["without_mask", "with_mask", "mask_weared_incorrect"]
OBJECT = ("<object><name>{}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
          "</object>")
FILE = "<annotation><size><width>40</width><height>30</height><depth>3</depth></size>{}</annotation>"


def random_names(rng, count):
    style = rng.randrange(3)
    if style == 0:
        return [f"maksssksksss{i}" for i in range(count)]
    if style == 1:
        return [f"{i:05d}" for i in range(count)]
    names = set()
    while len(names) < count:
        names.add("".join(rng.choice("abcXYZ019_-é") for _ in range(rng.randint(1, 9))))
    return list(names)


def random_case(rng):
    """Names to sorted-by-file-name, class names in label order, labels of each picture, options."""
    classes = list(KAGGLE) if rng.random() < 0.2 else sorted({f"class{rng.randrange(1000)}" for _ in range(rng.randint(1, 10))})
    count = rng.choice([rng.randint(24, 60), rng.randint(60, 300)])
    rates = [rng.random() ** rng.choice([1, 3]) for _ in classes]
    labels = {}
    for name in random_names(rng, count):
        present = [c for c, rate in zip(classes, rates) if rng.random() < rate]
        labels[name] = [] if rng.random() < 0.15 else present
    first = next(iter(labels))
    labels[first] = list(classes)  # so that every class is known
    options = {"test": rng.choice([0, 0.1, 0.1, 0.25, round(rng.uniform(0.02, 0.5), 3)]),
               "folds": rng.randint(2, 10), "seed": rng.choice([42, 0, rng.randrange(2**32)])}
    return classes, labels, options


def expected(classes, labels, options, shuffle):
    names = [n[:-4] for n in sorted(n + ".xml" for n in labels)]
    if options["test"] > 0:
        train, test = train_test_split(names, test_size=options["test"], random_state=options["seed"])
    else:
        train, test = names, []
    matrix = np.array([[0] + [int(c in labels[n]) for c in classes] for n in train])
    if shuffle:
        folds = MultilabelStratifiedKFold(options["folds"], shuffle=True, random_state=options["seed"])
    else:
        np.random.seed(options["seed"])
        folds = MultilabelStratifiedKFold(options["folds"], shuffle=False)
    valid = [[train[i] for i in rows] for _, rows in folds.split(train, matrix)]
    return train, test, valid


def check(program, folder, case, shuffle):
    classes, labels, options = case
    out = folder / "split.json"
    command = [program, "split", str(folder), "--test-fraction", repr(options["test"]), "--folds",
               str(options["folds"]), "--seed", str(options["seed"]), "--out", str(out), "--quiet"]
    subprocess.run(command if shuffle else command + ["--no-shuffle"], check=True)
    found = json.loads(out.read_text())
    out.unlink()
    train, test, valid = expected(classes, labels, options, shuffle)
    return (found["train"] == train and found["test"] == test
            and [f["valid"] for f in found["folds"]] == valid)


def main():
    program = sys.argv[1]
    cases = int(sys.argv[2]) if len(sys.argv) > 2 else 200 if os.environ.get("FACEMASK_FULL") else 40
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    wrong = 0
    for number in range(cases):
        case = random_case(rng)
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            for name, present in case[1].items():
                # A class may stand several times in a picture; only its presence counts.
                objects = [c for c in present for _ in range(rng.randint(1, 3))]
                (folder / f"{name}.xml").write_text(FILE.format("".join(map(OBJECT.format, objects))))
            for shuffle in (True, False):
                if not check(program, folder, case, shuffle):
                    wrong += 1
                    print(f"case {number}: differs (shuffle {shuffle}, {len(case[0])} classes, "
                          f"{len(case[1])} pictures, {case[2]})")
    print(f"{cases} data sets, shuffled and unshuffled: {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
