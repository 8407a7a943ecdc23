"""The notebook's measure (src/eval/notebook.h) against the same way of counting written with torchvision and scikit-learn.

usage: notebook.py RUNNER [--cases 300] [--seed 1]

RUNNER is the program of tests/eval/coco_runner.c."""

import argparse
import json
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from sklearn.metrics import auc
    from torchvision.ops import box_iou, nms
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

TOLERANCE = 1e-9
NMS, SCORE, TINY = 0.2, 0.5, 1e-6
IOUS = np.linspace(0.5, 0.95, 10)


def make_case(rng, number):
    """Boxes near truth, duplicates, confused classes, stray ones; some pictures without detections or without faces."""
    classes, spread = int(rng.integers(1, 6)), float(rng.choice([0.02, 0.08, 0.2]))
    truths, results = [], []
    for image in rng.choice(1000, size=int(rng.integers(1, 15)), replace=False).tolist():
        for _ in range(int(rng.integers(0, 9))):
            box = np.concatenate([rng.uniform(0, 300, 2), rng.uniform(8, 90, 2)])
            label = int(rng.integers(classes))
            truths.append([image, label, *box.tolist(), float(box[2] * box[3]), 0])
            for _ in range(int(rng.choice([0, 1, 1, 2, 3]))):
                found = box + np.concatenate([rng.normal(0, spread, 2) * box[2:], rng.normal(0, spread, 2) * box[2:] / 2])
                predicted = label if rng.random() < 0.8 else int(rng.integers(classes))
                results.append([image, predicted, *found.tolist(), float(rng.random() ** 0.5)])
        for _ in range(int(rng.integers(0, 4))):
            found = np.concatenate([rng.uniform(0, 300, 2), rng.uniform(8, 90, 2)])
            results.append([image, int(rng.integers(classes)), *found.tolist(), float(rng.random())])
    rng.shuffle(results)
    if number % 20 == 3:
        results = []
    return {"categories": classes, "truths": truths, "results": results}


def corners(rows):
    boxes = torch.tensor([row[2:6] for row in rows], dtype=torch.float64)
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def related(case):
    """(score, real class, predicted class, overlap) of every detection that counts."""
    rows = []
    for image in sorted({r[0] for r in case["results"]}):
        found = [r for r in case["results"] if r[0] == image]
        faces = [t for t in case["truths"] if t[0] == image]
        boxes, scores = corners(found), torch.tensor([r[6] for r in found], dtype=torch.float64)
        keep = [i for i in nms(boxes, scores, NMS).tolist() if found[i][6] >= SCORE]
        if not faces or not keep:
            continue
        overlaps, nearest = box_iou(boxes[keep], corners(faces)).max(dim=1)
        for i, overlap, face in zip(keep, overlaps.tolist(), nearest.tolist()):
            rows.append((found[i][6], faces[face][1], found[i][1], overlap))
    return sorted(rows, key=lambda row: -row[0])


def average_precision(rows, real, threshold):
    hits = np.array([row[2] == real and row[3] >= threshold for row in rows if row[1] == real])
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    recall = np.cumsum(hits) / (hits.sum() + TINY)
    return auc(np.concatenate([[0], recall, recall[-1:]]), np.concatenate([precision[:1], precision, [0]]))


def expected(case):
    rows = related(case)
    classes = range(case["categories"])
    present = [k for k in classes if any(row[1] == k for row in rows)]
    table = {k: [average_precision(rows, k, t) if k in present else -1 for t in IOUS] for k in classes}
    per_iou = [np.mean([table[k][t] for k in present]) if present else -1 for t in range(10)]
    means = [np.mean(table[k]) for k in classes]
    hits = [sum(row[1] == row[2] == k and row[3] >= 0.5 for row in rows) for k in classes]
    return [
        *[np.mean([means[k] for k in present]) if present else -1],
        *per_iou,
        *means,
        *[value for k in classes for value in table[k]],
        *[sum(row[1] == k for row in rows) for k in classes],
        *hits,
        len(rows),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    cases = [make_case(rng, number) for number in range(arguments.cases)]
    with tempfile.TemporaryFile() as lines:
        lines.write("".join(json.dumps(case) + "\n" for case in cases).encode())
        lines.seek(0)
        output = subprocess.run([arguments.runner, "notebook"], stdin=lines, capture_output=True, check=True).stdout
    values = np.frombuffer(output, dtype=np.float64)
    worst, at, between = 0.0, 0, 0
    for number, case in enumerate(cases):
        wanted = np.array(expected(case), dtype=np.float64)
        ours = values[at : at + len(wanted)]
        at += len(wanted)
        if len(ours) != len(wanted):
            sys.exit("the runner's output is too short")
        difference = np.abs(ours - wanted).max()
        worst = max(worst, difference)
        between += 0 < wanted[0] < 1
        if not difference <= TOLERANCE:
            sys.exit(f"case {number}: differs by {difference:g} at {np.abs(ours - wanted).argmax()}")
    if at != len(values):
        sys.exit("the runner's output is too long")
    print(f"{len(cases)} cases ({between} with mAP between 0 and 1): largest difference {worst:g}")
    if between < len(cases) / 2:
        sys.exit("the cases are too easy")


if __name__ == "__main__":
    main()
