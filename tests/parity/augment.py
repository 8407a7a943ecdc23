"""The notebook's transforms against Albumentations 1.1, on the same pictures, boxes and parameters.

usage: augment.py AUGMENT_RUNNER        (the executable of tests/data/augment_runner.c)
"""
import io
import json
import os
import subprocess
import sys
from pathlib import Path

try:
    import albumentations as A
    import cv2
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

RUNNER = sys.argv[1]
OBJECT = np.dtype([("box", np.float32, 4), ("label", np.int32)])
rng = np.random.default_rng(11)
failures = 0


def picture_bytes(image, objects):
    head = f"{image.shape[1]} {image.shape[0]} {len(objects)}\n".encode()
    return head + np.ascontiguousarray(image).tobytes() + objects.tobytes()


def read_pictures(data):
    stream, pictures = io.BytesIO(data), []
    while line := stream.readline():
        width, height, count = map(int, line.split())
        image = np.frombuffer(stream.read(width * height * 3), np.uint8).reshape(height, width, 3)
        pictures.append((image, np.frombuffer(stream.read(count * OBJECT.itemsize), OBJECT)))
    return pictures


def run(*words, stream=b""):
    return subprocess.run([RUNNER, *words], input=stream, stdout=subprocess.PIPE, check=True, timeout=300).stdout


def ours(entries, pictures):
    return read_pictures(run("list", json.dumps(entries), "1", stream=b"".join(picture_bytes(*p) for p in pictures)))


def random_objects(width, height, count):
    objects = np.zeros(count, OBJECT)
    for i in range(count):
        size = rng.uniform(0.02, 0.5, 2) * (width, height)
        corner = rng.uniform(-0.1, 0.9, 2) * (width, height)
        x1, y1 = np.clip(corner, 0, (width, height))
        x2, y2 = np.clip(corner + size, 0, (width, height))
        objects[i] = ((x1, y1, x2, y2), i + 1)
    box = objects["box"]
    return objects[(box[:, 2] - box[:, 0] > 0.5) & (box[:, 3] - box[:, 1] > 0.5)]


def make_pictures():
    """Noise in awkward sizes, gradients, and photographs where the data is at hand."""
    images = [rng.integers(0, 256, (h, w, 3), np.uint8) for w, h in
              ((1, 1), (2, 3), (1, 9), (11, 1), (5, 4), (33, 17), (64, 48), (201, 133))]
    y, x = np.mgrid[0:120, 0:160]
    images.append(np.stack([x + y / 2, 255 - y, (x * y) % 256], 2).clip(0, 255).astype(np.uint8))
    root = Path(os.environ.get("FACEMASK_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
    for path in sorted((root / "kaggle-train/images").glob("*.png"))[:200:25]:
        images.append(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
    return [(image, random_objects(image.shape[1], image.shape[0], 12)) for image in images]


class Row:
    """One line of the table: the largest differences over all pictures."""

    def __init__(self, name, allowed=1):
        self.name, self.allowed = name, allowed
        self.grey, self.same, self.count, self.box, self.sets = 0, 0, 0, 0.0, 0

    def image(self, mine, theirs):
        if mine.shape != theirs.shape:
            self.grey = 999
            return
        difference = np.abs(mine.astype(int) - theirs)
        self.grey = max(self.grey, int(difference.max()))
        self.same += int((difference == 0).sum())
        self.count += difference.size

    def boxes(self, mine, theirs, undecided):
        """theirs: {label: box}; labels so close to the threshold that rounding decides do not count."""
        found = {int(o["label"]): o["box"] for o in mine}
        self.sets += set(found) - undecided != set(theirs) - undecided
        for label in set(found) & set(theirs):
            self.box = max(self.box, float(np.abs(found[label] - theirs[label]).max()))

    def end(self):
        global failures
        bad = self.grey > self.allowed or self.box > 2e-3 or self.sets > 0
        failures += bad
        share = 100 * self.same / self.count if self.count else 100
        print(f"{self.name:<24} {self.grey:>6} {share:>9.3f}% {self.box:>10.2g} {self.sets:>6}  {'FAILED' if bad else 'ok'}")


def undecided_labels(objects, transform, limit):
    """Labels whose share left after any one step is within 1e-4 of the limit."""
    labels = set()
    if transform is None:
        return labels
    angle, rows, cols = transform
    for o in objects:
        x1, y1, x2, y2 = map(float, o["box"])
        box = A.augmentations.geometric.functional.bbox_rotate((x1 / cols, y1 / rows, x2 / cols, y2 / rows), angle, rows, cols)
        clipped = np.clip(box, 0, 1)
        area = (box[2] - box[0]) * (box[3] - box[1])
        share = (clipped[2] - clipped[0]) * (clipped[3] - clipped[1]) / area
        if abs(share - limit) < 1e-4:
            labels.add(int(o["label"]))
    return labels


def compare(row, entries, transforms, pictures, limit=0.3, angle=None):
    chain = A.Compose(transforms, bbox_params=A.BboxParams("pascal_voc", ["labels"], min_visibility=limit))
    results = ours([{"min_visibility": limit}, *entries], pictures)
    for (image, objects), (mine, found) in zip(pictures, results):
        boxes = [list(map(float, o["box"])) for o in objects]
        done = chain(image=image, bboxes=boxes, labels=[int(o["label"]) for o in objects])
        row.image(mine, done["image"])
        theirs = {label: np.asarray(box) for label, box in zip(done["labels"], done["bboxes"])}
        where = None if angle is None else (angle, *image.shape[:2])
        row.boxes(found, theirs, undecided_labels(objects, where, limit))


def check_convolutions(pictures):
    emboss, sharpen = Row("emboss"), Row("sharpen")
    for _ in range(8):
        a, s = (float(np.float32(v)) for v in rng.uniform((0.2, 0.2), (0.5, 0.7)))
        compare(emboss, [{"emboss": {"p": 1, "alpha": a, "strength": s}}],
                [A.Emboss(alpha=(a, a), strength=(s, s), p=1)], pictures)
        a, s = (float(np.float32(v)) for v in rng.uniform((0, 0.5), (1, 1)))
        compare(sharpen, [{"sharpen": {"p": 1, "alpha": a, "lightness": s}}],
                [A.Sharpen(alpha=(a, a), lightness=(s, s), p=1)], pictures)
    emboss.end()
    sharpen.end()


def check_rotate(pictures):
    row = Row("rotate")
    for angle in (-35.0, 35.0, 0.0, 0.5, 90.0, -180.0, *rng.uniform(-35, 35, 12)):
        angle = float(np.float32(angle))
        for limit in (0.3, 0.7):
            compare(row, [{"rotate": {"p": 1, "limit": angle}}], [A.Rotate(limit=(angle, angle), p=1)], pictures, limit, angle)
    row.end()


def check_motion(pictures):
    """Every line that MotionBlur can draw, then its blur with kernels it drew itself."""
    lines = [(k, x1, y1, x2, y2) for k in (3, 5, 7) for x1 in range(k) for y1 in range(k) for x2 in range(k)
             for y2 in range(k) if (x1, y1) != (x2, y2)]
    out = run("motion", stream="".join(" ".join(map(str, line)) + "\n" for line in lines).encode())
    values, at, wrong = np.frombuffer(out, np.float32), 0, 0
    for k, x1, y1, x2, y2 in lines:
        kernel = np.zeros((k, k), np.uint8)
        cv2.line(kernel, (x1, y1), (x2, y2), 1, thickness=1)
        theirs = kernel.astype(np.float32) / np.sum(kernel)
        wrong += not np.allclose(values[at:at + k * k].reshape(k, k), theirs, atol=1e-7)
        at += k * k
    global failures
    failures += wrong > 0
    print(f"{'motion_blur kernels':<24} {len(lines)} lines, {wrong} differ")
    row, blur = Row("motion_blur"), A.MotionBlur(blur_limit=(3, 7), p=1)
    for _ in range(20):
        kernel = blur.get_params()["kernel"]
        head = f"{len(kernel)}\n".encode() + np.ascontiguousarray(kernel, np.float32).tobytes()
        results = read_pictures(run("convolve", stream=b"".join(head + picture_bytes(*p) for p in pictures)))
        for (image, _), (mine, _) in zip(pictures, results):
            row.image(mine, blur.apply(image, kernel=kernel))
    row.end()


def check_chain(pictures):
    row = Row("the whole chain", allowed=3)  # a grey level of one transform grows in the next
    for _ in range(10):
        a, s = (float(np.float32(v)) for v in rng.uniform((0.2, 0.2), (0.5, 0.7)))
        angle = float(np.float32(rng.uniform(-35, 35)))
        one_of = {"one_of": {"p": 1, "transforms": [{"emboss": {"p": 1, "alpha": a, "strength": s}}, {"sharpen": {"p": 0}}]}}
        compare(row, [one_of, {"rotate": {"p": 1, "limit": angle}}],
                [A.OneOf([A.Emboss(alpha=(a, a), strength=(s, s), p=1), A.Sharpen(p=0)], p=1), A.Rotate(limit=(angle, angle), p=1)],
                pictures, 0.3, angle)
    row.end()


def check_colors(pictures):
    row = Row("brightness_contrast")
    for _ in range(10):
        b, c = (float(np.float32(v)) for v in rng.uniform(-0.4, 0.4, 2))
        compare(row, [{"brightness_contrast": {"p": 1, "brightness": b, "contrast": c}}],
                [A.RandomBrightnessContrast(brightness_limit=(b, b), contrast_limit=(c, c), p=1)], pictures)
    row.end()
    row = Row("grayscale")
    compare(row, [{"grayscale": {"p": 1}}], [A.ToGray(p=1)], pictures)
    row.end()
    row = Row("horizontal_flip", allowed=0)
    compare(row, [{"horizontal_flip": {"p": 1}}], [A.HorizontalFlip(p=1)], pictures)
    row.end()
    row = Row("gaussian_blur")
    for size, sigma in ((3, 0), (5, 0), (7, 0), (9, 0), (5, 0.5), (7, 1.5), (15, 3)):
        compare(row, [{"gaussian_blur": {"p": 1, "kernel": size, "sigma": sigma}}],
                [A.GaussianBlur(blur_limit=(size, size), sigma_limit=(sigma, sigma), p=1)], pictures)
    row.end()
    row = Row("hsv, hue alone")  # OpenCV's hue has steps of 2 degrees, saturation and value 8 bits
    for image, _ in pictures:
        for turn in (-40, 20, 90):
            hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
            hsv[..., 0] = (hsv[..., 0] + turn) % 360
            theirs = np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.uint8)
            entries = [{"hsv": {"p": 1, "hue": turn, "saturation": 1, "value": 1}}]
            row.image(ours(entries, [(image, np.zeros(0, OBJECT))])[0][0], theirs)
    row.end()


def main():
    pictures = make_pictures()
    print(f"Albumentations {A.__version__}, OpenCV {cv2.__version__}, {len(pictures)} pictures")
    print(f"{'transform':<24} {'levels':>6} {'same':>10} {'box, px':>10} {'other':>6}")
    check_convolutions(pictures)
    check_rotate(pictures)
    check_motion(pictures)
    check_chain(pictures)
    check_colors(pictures)
    print(f"{failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
