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
