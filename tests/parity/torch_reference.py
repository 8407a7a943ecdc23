"""What the parity scripts share: torchvision's models with sane random weights, small random data sets in the Kaggle layout,
safetensors files, and one torch training step. Runs with Debian's python3-torch and python3-torchvision."""

import json
import struct
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
from torchvision.ops.misc import FrozenBatchNorm2d

ARCHS = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
)
# The label order of the Kaggle set, 1-based.
CLASSES = ("without_mask", "with_mask", "mask_weared_incorrect")
WEIGHT_SCALE, NORM_SCALE = 0.3, 0.3
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


def random_model(arch, norm, trainable_layers, seed, **keywords):
    """Random weights whose activations neither vanish nor explode: the running statistics are those of random pictures, and
    every bias, norm weight and head weight is away from the trivial value it starts with."""
    torch.manual_seed(seed)
    source = build(arch, "batch", 5, **keywords)
    with torch.no_grad():
        for name, parameter in source.named_parameters():
            if name.startswith("backbone.body") and parameter.dim() == 4 and ".fc" not in name:
                # The norm behind takes the factor out again, but the gradient grows by its inverse: updates that are small
                # beside the weight would drown in the weight's own rounding.
                parameter.mul_(WEIGHT_SCALE)
            if parameter.dim() == 1:
                start = 1 if name.endswith("weight") else 0
                parameter.copy_(start + 0.1 * torch.randn_like(parameter))
                if name.startswith("backbone.body") and ".fc" not in name:
                    parameter.mul_(NORM_SCALE)
                if name.endswith("bn3.weight"):
                    # Weak residual branches keep rounding from growing with depth; otherwise enough ReLUs switch by it to
                    # move the gradients by some percent, torch's own with another convolution as well.
                    parameter.mul_(0.2)
        # Without this all proposals have nearly the same score, and which ones survive hangs on the last bit.
        source.rpn.head.cls_logits.weight.mul_(4)
        for module in source.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        source.train()
        random = numpy.random.default_rng(seed)
        pictures = [to_tensor(random_picture(random, 256, 224)) for _ in range(4)]
        source.backbone(source.transform(pictures)[0].tensors)
        # Statistics off the batch's own, so that their updates are more than rounding (a norm behind a linear layer behind a
        # norm sees the same mean in every batch).
        for module in source.modules():
            if norm == "batch" and isinstance(module, nn.BatchNorm2d):
                deviation = module.running_var.sqrt()
                module.running_mean.add_(0.1 * deviation * torch.randn_like(deviation))
                module.running_var.mul_(torch.exp(0.1 * torch.randn_like(deviation)))
    model = build(arch, norm, trainable_layers, **keywords)
    state = source.state_dict()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    return model


# --- files --------------------------------------------------------------------------------------------------------------

_DTYPES = {"F32": numpy.float32, "F64": numpy.float64, "I64": numpy.int64, "F16": numpy.float16}


def write_safetensors(path, tensors, metadata=None):
    header, blobs, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        array = tensor.detach().contiguous().numpy()
        kind = "I64" if array.dtype == numpy.int64 else "F32"
        blob = array.astype(_DTYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            file.write(blob)


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


def to_tensor(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def to_target(boxes, labels):
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def make_optimizer(model, lr, momentum=0.9, weight_decay=5e-4):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.SGD(trained, lr=lr, momentum=momentum, weight_decay=weight_decay)


def train_step(model, optimizer, items):
    """One step on items of make_dataset; returns the four losses."""
    losses = model([to_tensor(item[1]) for item in items], [to_target(item[2], item[3]) for item in items])
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
    return {name: float(losses[name]) for name in LOSSES}
