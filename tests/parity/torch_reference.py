"""What the parity scripts share: torchvision's models, small random data sets in the Kaggle layout, safetensors files, and
training steps in torch. Runs with Debian's python3-torch and python3-torchvision."""

import copy
import json
import struct
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import numpy
import torch
from PIL import Image
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import _mobilenet_extractor, _resnet_fpn_extractor
from torchvision.models.mobilenetv3 import mobilenet_v3_large
from torchvision.models.resnet import resnet50
from torchvision.ops import box_iou
from torchvision.ops.misc import FrozenBatchNorm2d

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import safetensors_file  # noqa: E402

ARCHS = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
)
# The label order of the Kaggle set, 1-based.
CLASSES = ("without_mask", "with_mask", "mask_weared_incorrect")
LOSSES = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")


def build(arch, norm, trainable_layers, **keywords):
    """What torchvision's builder of this name makes, but with the norm and the trained layers the caller wants: the builders
    themselves take both from whether pretrained weights are asked for."""
    layer = FrozenBatchNorm2d if norm == "frozen" else nn.BatchNorm2d
    if arch == "fasterrcnn_resnet50_fpn":
        backbone = _resnet_fpn_extractor(resnet50(norm_layer=layer), trainable_layers)
        return FasterRCNN(backbone, len(CLASSES) + 1, **keywords)
    backbone = _mobilenet_extractor(mobilenet_v3_large(norm_layer=layer), True, trainable_layers)
    defaults = {"rpn_score_thresh": 0.05}
    if arch == "fasterrcnn_mobilenet_v3_large_320_fpn":
        defaults.update(min_size=320, max_size=640, rpn_pre_nms_top_n_test=150, rpn_post_nms_top_n_test=150)
    defaults.update(keywords)
    sizes = ((32, 64, 128, 256, 512),) * 3
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 3)
    return FasterRCNN(backbone, len(CLASSES) + 1, rpn_anchor_generator=anchors, **defaults)


# --- files --------------------------------------------------------------------------------------------------------------

_DTYPES = {"F32": numpy.float32, "F64": numpy.float64, "I64": numpy.int64, "F16": numpy.float16}


def write_safetensors(path, tensors, metadata=None):
    safetensors_file.write_safetensors(path, {name: tensor.detach().numpy() for name, tensor in tensors.items()}, metadata)


def read_metadata(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        return json.loads(file.read(size)).get("__metadata__", {})


def read_safetensors(path):
    data = Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        array = numpy.frombuffer(data[8 + size + begin : 8 + size + end], dtype=_DTYPES[entry["dtype"]])
        tensors[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    return tensors


def random_picture(random, width, height):
    """Smooth blobs with some noise, as uint8 (height, width, 3): detectors see structure, resizing sees edges."""
    coarse = random.integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), dtype=numpy.uint8)
    smooth = numpy.asarray(Image.fromarray(coarse).resize((width, height), Image.BILINEAR), dtype=numpy.int32)
    return numpy.clip(smooth + random.integers(-30, 31, smooth.shape), 0, 255).astype(numpy.uint8)


def random_boxes(random, width, height, count):
    boxes, labels = [], []
    for _ in range(count):
        w = int(random.integers(8, max(9, width // 2)))
        h = int(random.integers(8, max(9, height // 2)))
        x = int(random.integers(0, width - w))
        y = int(random.integers(0, height - h))
        boxes.append([x, y, x + w, y + h])
        labels.append(int(random.integers(1, len(CLASSES) + 1)))
    return boxes, labels


def write_annotation(path, name, width, height, boxes, labels):
    objects = "".join(
        f"<object><name>{escape(CLASSES[label - 1])}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for box, label in zip(boxes, labels)
    )
    Path(path).write_text(
        f"<annotation><folder>images</folder><filename>{name}.png</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{objects}</annotation>"
    )


def make_dataset(folder, sizes, seed, boxes_per_picture=4):
    """Writes a data set in the Kaggle layout and its split file; returns [(name, pixels, boxes, labels)] in its order."""
    random = numpy.random.default_rng(seed)
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    items = []
    for index, (width, height) in enumerate(sizes):
        name = f"picture{index:03d}"
        pixels = random_picture(random, width, height)
        boxes, labels = random_boxes(random, width, height, int(random.integers(1, boxes_per_picture + 1)))
        # All three classes must occur, since class names come from the data.
        if index == 0:
            extra, _ = random_boxes(random, width, height, len(CLASSES))
            boxes, labels = boxes + extra, labels + [1, 2, 3]
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
        write_annotation(folder / "annotations" / f"{name}.xml", name, width, height, boxes, labels)
        items.append((name, pixels, boxes, labels))
    split = {"seed": 0, "train": [item[0] for item in items], "test": [], "folds": []}
    (folder / "split.json").write_text(json.dumps(split))
    return items


# --- torch's side -------------------------------------------------------------------------------------------------------


def to_tensor(pixels, dtype=torch.float32):
    return torch.from_numpy(pixels).permute(2, 0, 1).to(dtype) / 255


def to_target(boxes, labels, dtype=torch.float32):
    return {
        "boxes": torch.tensor(boxes, dtype=dtype).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def float_overlap(boxes, others):
    """Boxes are matched by overlaps in float32, whatever the model computes in. Anchors overlap a box equally by the dozen,
    and which of them are equal to the last bit belongs to the arithmetic of float32."""
    return box_iou(boxes.float(), others.float())


def train(model, batches, optimizer, dtype, kinks=None):
    """SGD steps of a copy of the model on lists of make_dataset's items; optimizer: its settings. The four losses of every
    step, and the state after the last in float64. kinks: a kinks.Kinks that watches."""
    model = copy.deepcopy(model).to(dtype).train()
    model.rpn.box_similarity = model.roi_heads.box_similarity = float_overlap
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, **optimizer)
    if kinks:
        kinks.attach(model)
    steps = []
    for items in batches:
        if kinks:
            kinks.next_step()
        pictures = [to_tensor(pixels, dtype) for _, pixels, _, _ in items]
        targets = [to_target(boxes, labels, dtype) for _, _, boxes, labels in items]
        losses = model(pictures, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        steps.append({name: float(losses[name]) for name in LOSSES})
    return steps, {name: tensor.double() for name, tensor in model.state_dict().items()}
