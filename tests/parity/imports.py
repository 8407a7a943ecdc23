"""facemask import against torchvision: what a classifier's or a detector's own state_dict becomes is, name by name and bit by
bit, what torchvision's detector of that backbone has in the same places.

usage: imports.py FACEMASK
"""
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import torch
    import torch_reference as reference
    from torchvision.models import mobilenet_v2, mobilenet_v3_large, resnet50
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn, fasterrcnn_resnet50_fpn
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

warnings.filterwarnings("ignore")
BACKBONES = {"weights": None, "weights_backbone": None}


def run_import(program, source, out):
    done = subprocess.run([program, "import", source, "--out", out, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"import {source}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def detector_with(body):
    """The state_dict of a detector whose backbone is that classifier's body."""
    return {f"backbone.body.{name}": tensor for name, tensor in body.items()}


def old_names(state):
    """As torchvision before 0.13 wrote them."""
    renamed = {}
    for name, tensor in state.items():
        for block in ("inner_blocks", "layer_blocks"):
            for level in range(4):
                name = name.replace(f"fpn.{block}.{level}.0.", f"fpn.{block}.{level}.")
        renamed[name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")] = tensor
    return renamed


def cases():
    """(what, the file's content, how it is saved, the expected tensors, archs, complete, eps of the frozen norm)"""
    torch.manual_seed(3)
    resnet = resnet50().state_dict()
    body = {k: v for k, v in resnet.items() if not k.startswith("fc.")}
    yield "ResNet-50", resnet, {}, detector_with(body), "fasterrcnn_resnet50_fpn", False, 1e-5
    wrapped = {"state_dict": {f"module.{k}": v for k, v in resnet.items()}, "epoch": 4}
    yield "ResNet-50 in a checkpoint", wrapped, {}, detector_with(body), "fasterrcnn_resnet50_fpn", False, 1e-5
    mobilenet = mobilenet_v3_large().state_dict()
    features = {k[9:]: v for k, v in mobilenet.items() if k.startswith("features.")}
    both = "fasterrcnn_mobilenet_v3_large_fpn, fasterrcnn_mobilenet_v3_large_320_fpn"
    old = {"_use_new_zipfile_serialization": False}
    yield "MobileNetV3 in the old layout", mobilenet, old, detector_with(features), both, False, None
    v2 = mobilenet_v2().state_dict()
    features = {k[9:]: v for k, v in v2.items() if k.startswith("features.")}
    yield "MobileNetV2", v2, {}, detector_with(features), "fasterrcnn_mobilenet_v2_fpn", False, 1e-5
    small = fasterrcnn_mobilenet_v3_large_320_fpn(**BACKBONES, num_classes=4).state_dict()
    yield "a MobileNetV3 detector", small, {}, small, both, True, None
    coco = fasterrcnn_resnet50_fpn(**BACKBONES, num_classes=91).state_dict()
    yield "a COCO detector under old names", old_names(coco), {}, coco, "fasterrcnn_resnet50_fpn", True, 0
    half = {k: v.half() if v.is_floating_point() else v for k, v in coco.items()}
    whole = {k: v.float() if v.is_floating_point() else v for k, v in half.items()}
    yield "a COCO detector in half precision", half, {}, whole, "fasterrcnn_resnet50_fpn", True, 0


def check(program, folder, case):
    what, content, saving, expected, archs, complete, eps = case
    source, out = folder / "source.pth", folder / "out.safetensors"
    torch.save(content, source, **saving)
    report = run_import(program, source, out)
    tensors = reference.read_safetensors(out)
    problems = []
    if sorted(tensors) != sorted(expected):
        problems.append(f"other names: {sorted(set(tensors) ^ set(expected))[:4]}")
    wrong = [n for n, t in tensors.items() if n in expected and not torch.equal(t, expected[n])]
    if wrong:
        problems.append(f"other values: {wrong[:4]}")
    if (report["archs"], report["complete"], report["tensors"]) != (archs, complete, len(expected)):
        problems.append(f"reported {report['archs']}, complete {report['complete']}, {report['tensors']} tensors")
    settings = reference.read_metadata(out).get("config", "")
    if (f"arch: {archs}\n" in settings) != (eps is not None):
        problems.append(f"settings {settings[:60]!r}")
    elif eps is not None and float(settings.split("frozen_bn_eps: ")[1].split()[0]) != eps:
        problems.append(f"frozen_bn_eps is not {eps}")
    print(f"{what}: {'; '.join(problems) or 'ok'}", flush=True)
    return not problems


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        passed = [check(sys.argv[1], Path(folder), case) for case in cases()]
        source = Path(folder) / "source.pth"
        torch.save({"encoder.weight": torch.ones(3)}, source)
        done = subprocess.run([sys.argv[1], "import", source, "--out", "x"], capture_output=True, text=True)
        passed.append(done.returncode == 1 and "encoder.weight" in done.stderr)
        print(f"names of no known kind: {'ok' if passed[-1] else done}")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
