"""Boxes [x, y, width, height] of COCO results files, for the tools beside this file; needs no package."""
import json
from pathlib import Path


def iou(a, b):
    """Overlap of two [x, y, width, height]."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(across, 0) * max(down, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both) if both > 0 else 0


def detections(path):
    """What facemask evaluate wrote: (picture, label, box, score)."""
    return [(Path(row["file_name"]).stem, row["category_id"], row["bbox"], row["score"]) for row in json.load(open(path))]


def places(found):
    """The faces that detections (label, box, score) stand for, as src/predict/refine.c groups them: lists, the strongest one first,
    of what overlaps it by half, each class once."""
    left = sorted(found, key=lambda row: -row[2])
    while left:
        group, others = [], []
        for row in left:
            fits = all(row[0] != member[0] for member in group) and iou(left[0][1], row[1]) >= 0.5
            (group if fits else others).append(row)
        yield group
        left = others
