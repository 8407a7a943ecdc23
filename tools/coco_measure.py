"""pycocotools on Pascal VOC annotations as Kaggle's, for the measuring tools beside this file."""
import contextlib
import io
import json
import xml.etree.ElementTree
from pathlib import Path

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ("without_mask", "with_mask", "mask_weared_incorrect")


def faces_of(path):
    """(label, [x, y, width, height]) of each face of an annotation, clipped to its picture as facemask does."""
    root = xml.etree.ElementTree.parse(path).getroot()
    width, height = (float(root.find(f"size/{side}").text) for side in ("width", "height"))
    for face in root.iter("object"):
        x1, y1, x2, y2 = (float(face.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax"))
        x1, x2 = (min(max(x, 0), width) for x in (x1, x2))
        y1, y2 = (min(max(y, 0), height) for y in (y1, y2))
        if x2 > x1 and y2 > y1:
            yield NAMES.index(face.find("name").text) + 1, [x1, y1, x2 - x1, y2 - y1]


def part_of(data, words):
    """The names of a part: words is empty or [SPLIT.json, train|test|FOLD]."""
    if not words:
        return [path.stem for path in sorted((data / "annotations").glob("*.xml"))]
    split = json.load(open(words[0]))
    names = split[words[1]] if words[1] in ("train", "test") else split["folds"][int(words[1]) - 1]["valid"]
    return [Path(name).stem for name in names]


def measure(truth, found, names=NAMES):
    """COCOeval of {picture: [(label, box)]} against detections (picture, label, box, score); accumulated."""
    number = {picture: at for at, picture in enumerate(truth, 1)}
    faces = []
    for picture, objects in truth.items():
        for label, box in objects:
            faces.append({"id": len(faces) + 1, "image_id": number[picture], "category_id": label, "bbox": box,
                          "area": box[2] * box[3], "iscrowd": 0})
    rows = [{"image_id": number[picture], "category_id": label, "bbox": box, "score": score}
            for picture, label, box, score in found if picture in number]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": at} for at in number.values()], "annotations": faces,
                        "categories": [{"id": at, "name": name} for at, name in enumerate(names, 1)]}
        coco.createIndex()
        result = COCOeval(coco, coco.loadRes(rows), "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    return result


def of_classes(result, names=NAMES):
    """(name, AP, AP50) of each class of what measure gave."""
    precision = result.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, classes
    for at, name in enumerate(names):
        here, middle = (p[p > -1] for p in (precision[:, :, at], precision[0, :, at]))
        yield name, numpy.mean(here), numpy.mean(middle)
