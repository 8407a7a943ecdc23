"""The COCO measure against live pycocotools: random cases, every figure, precision and recall array.

usage: coco.py RUNNER [--cases 100] [--seed 1] [--large]

RUNNER is the program of tests/eval/coco_runner.c. --large adds one case of 5000 pictures with 100
detections each in 80 classes, measures both times and demands that ours is ten times as fast.
With FACEMASK_FULL set the cases are 500, and the large one is among them.
"""
import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

FULL = bool(os.environ.get("FACEMASK_FULL"))

TOLERANCE = 1e-9
AREAS, DETS = 4, 3


def random_box(rng, side):
    size = rng.choice([8, 24, 40, 80, 120, 300]) * rng.uniform(0.5, 1.5, 2)
    corner = rng.uniform(-10, side, 2)
    box = np.concatenate([corner, size])
    return np.round(box) if rng.random() < 0.5 else box


def near(rng, box, spread):
    moved = np.array(box) + np.concatenate([rng.normal(0, spread, 2) * box[2:], np.zeros(2)])
    moved[2:] *= np.exp(rng.normal(0, spread, 2))
    return moved


def random_score(rng, ties):
    return round(float(rng.random()), ties) if ties else float(rng.random())


def make_case(rng, number):
    """Ties in scores, crowds of boxes, crowd flags, duplicates, pictures and cases without truth or detections."""
    categories = int(rng.integers(1, 5))
    images = sorted(int(i) for i in rng.choice(1000, size=int(rng.integers(1, 12)), replace=False))
    ties, spread = int(rng.choice([0, 1, 2])), float(rng.choice([0.02, 0.1, 0.3]))
    crowded, side = rng.random() < 0.1, float(rng.choice([60, 300, 600]))
    truths, results = [], []
    for image in images:
        for _ in range(int(rng.integers(0, 60 if crowded else 12))):
            box, category = random_box(rng, side), int(rng.integers(categories))
            area = box[2] * box[3] * (rng.uniform(0.3, 1) if rng.random() < 0.3 else 1)
            area = float(rng.choice([1024, 9216])) if rng.random() < 0.03 else float(area)
            truths.append([image, category, *map(float, box), area, int(rng.random() < 0.1)])
            for _ in range(int(rng.choice([0, 1, 1, 1, 2, 4]))):
                label = category if rng.random() < 0.9 else int(rng.integers(categories))
                found = box if rng.random() < 0.1 else near(rng, box, spread)
                if rng.random() < 0.2:  # an overlap of k / 20, on or beside a threshold
                    found = np.concatenate([box[:3], [box[3] * int(rng.integers(10, 20)) / 20]])
                results.append([image, label, *map(float, found), random_score(rng, ties)])
                if rng.random() < 0.1:
                    results.append(list(results[-1]))
        for _ in range(int(rng.integers(0, 150 if crowded else 8))):
            found = random_box(rng, side)
            results.append([image, int(rng.integers(categories)), *map(float, found), random_score(rng, ties)])
    if truths and rng.random() < 0.3:  # the same face annotated twice: ties in overlap
        truths += [list(t) for t in truths[::3]]
    if number % 25 == 3:
        truths = []
    if number % 25 == 7:
        results = []
    if number % 25 == 11:
        results = [r for r in results if r[0] != images[0]]
    rng.shuffle(results)
    return {"images": images, "categories": categories, "truths": truths, "results": results}


def large_case(rng):
    images, truths, results = list(range(5000)), [], []
    for image in images:
        for _ in range(7):
            box, category = random_box(rng, 600), int(rng.integers(80))
            truths.append([image, category, *map(float, box), float(box[2] * box[3]), 0])
            for _ in range(4):
                results.append([image, category, *map(float, near(rng, box, 0.1)), float(rng.random())])
        for _ in range(72):
            results.append([image, int(rng.integers(80)), *map(float, random_box(rng, 600)), float(rng.random())])
    return {"images": images, "categories": 80, "truths": truths, "results": results}


def reference(case):
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in case["images"]],
        "categories": [{"id": k} for k in range(case["categories"])],
        "annotations": [
            {"id": n + 1, "image_id": t[0], "category_id": t[1], "bbox": t[2:6], "area": t[6], "iscrowd": t[7]}
            for n, t in enumerate(case["truths"])
        ],
    }
    truth.createIndex()
    rows = [{"image_id": r[0], "category_id": r[1], "bbox": r[2:6], "score": r[6]} for r in case["results"]]
    found = truth.loadRes(rows) if rows else COCO()
    if not rows:
        found.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"], "annotations": []}
        found.createIndex()
    start = time.perf_counter()
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation, time.perf_counter() - start


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0


def expected(evaluation, case):
    """The same numbers in the runner's order."""
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    p = precision[:, :, :, 0, 2]
    count = case["categories"]
    ours = [t for t in case["truths"] if not t[7] and 0 <= t[6] <= 1e10]
    return [
        ("stats", evaluation.stats),
        ("per_iou", [mean(p[t]) for t in range(10)]),
        ("category_AP", [mean(p[:, :, k]) for k in range(count)]),
        ("category_AP50", [mean(p[0, :, k]) for k in range(count)]),
        ("category_AP_iou", [mean(p[t, :, k]) for k in range(count) for t in range(10)]),
        ("category_truths", [sum(t[1] == k for t in ours) for k in range(count)]),
        ("precision", precision.ravel()),
        ("recall", recall.ravel()),
    ]


def run(runner, cases):
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as numbers:
        for case in cases:
            lines.write((json.dumps(case) + "\n").encode())
        lines.seek(0)
        subprocess.run([runner], stdin=lines, stdout=numbers, check=True)
        numbers.seek(0)
        for case in cases:
            k = case["categories"]
            count = 12 + 10 + k + k + 10 * k + k + 10 * 101 * k * AREAS * DETS + 10 * k * AREAS * DETS + 1
            values = np.frombuffer(numbers.read(8 * count), dtype=np.float64)
            assert len(values) == count, "the runner's output is too short"
            yield case, values
        assert not numbers.read(1), "the runner's output is too long"


def compare(number, case, values):
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation, seconds = reference(case)
    at, worst = 0, 0.0
    for name, theirs in expected(evaluation, case):
        theirs = np.asarray(theirs, dtype=np.float64)
        mine = values[at : at + len(theirs)]
        at += len(theirs)
        difference = float(np.max(np.abs(mine - theirs)))
        worst = max(worst, difference)
        if not difference <= TOLERANCE:
            sys.exit(f"case {number}: {name} differs by {difference:g}")
    return worst, seconds, float(values[at])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--cases", type=int, default=500 if FULL else 100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--large", action="store_true", default=FULL)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    cases = [make_case(rng, number) for number in range(arguments.cases)]
    worst = defined = 0.0
    for number, (case, values) in enumerate(run(arguments.runner, cases)):
        worst = max(worst, compare(number, case, values)[0])
        defined += 0 < values[0] < 1
    print(f"{len(cases)} cases ({defined:.0f} with mAP between 0 and 1): largest difference {worst:g}")
    if defined < len(cases) / 2:
        sys.exit("the cases are too easy")
    if arguments.large:
        ((case, values),) = run(arguments.runner, [large_case(rng)])
        difference, theirs, ours = compare("large", case, values)
        print(f"500000 detections, 80 classes: difference {difference:g}, pycocotools {theirs:.2f} s, ours {ours:.3f} s,"
              f" {theirs / ours:.0f} times as fast")
        if theirs < 10 * ours:
            sys.exit("less than ten times as fast as pycocotools")


if __name__ == "__main__":
    main()
