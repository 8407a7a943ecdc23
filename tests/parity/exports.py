"""facemask export against those who read it: onnxruntime detects with the ONNX file what `facemask detect` detects with the
weights, and has of a face classifier the engine's probabilities; torch loads the state_dict into torchvision's model of that name.

usage: exports.py FACEMASK MAKE_WEIGHTS TRUNK_RUNNER      (the executables of tests/api/make_weights.c, tests/detect/trunk_runner.c)

Detections pair up when class and score (1e-4) and box (0.05 pixels) agree; 99 of 100 must, since a score beside a threshold
or two nearly equal overlaps may fall either way."""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import numpy as np
    import onnxruntime
    import torch
    import torch_reference as reference
    from engine_trunk import run_trunk
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

warnings.filterwarnings("ignore")
CLASSES = ("without_mask", "with_mask", "mask_weared_incorrect")
LITE = {
    "backbone_levels": [8, 16, 32],
    "fpn_channels": 64,
    "fpn_extra_levels": 0,
    "fpn_conv": "separable",
    "rpn_conv": "separable",
    "box_head_features": 128,
    "rpn_anchor_sizes": [[16, 24], [32, 64], [128, 256]],
    "rpn_anchor_aspect_ratios": [[1, 1.5]] * 3,
}
CASCADE = {"cascade_stages": 2, "box_vote_thresh": 0.6, "cascade_score_thresh": 0.9, "same_padding": "true"}
CASES = [
    ("fasterrcnn_mobilenet_v3_large_320_fpn", {}, (320, 320)),
    ("fasterrcnn_efficientnet_lite0_fpn", LITE, (320, 256)),
    ("fasterrcnn_mobilenet_v2_fpn", LITE | CASCADE, (256, 320)),
    ("fasterrcnn_mobilenet_v1_fpn", {"norm": "batch"}, (256, 320)),
    ("fasterrcnn_resnet50_fpn", {"rpn_post_nms_top_n_test": 300}, (256, 256)),
]
TORCHVISION = ("fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn")


def run(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=500)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words[:3]))}: {done.stderr}")
    return done.stdout


def liven(path):
    """Random weights give everything nearly the same score; these differ."""
    random = np.random.default_rng(1)
    tensors, metadata = reference.read_safetensors(path), reference.read_metadata(path)
    for name, tensor in tensors.items():
        if name.startswith(("rpn.head.cls_logits", "rpn.head.bbox_pred", "roi_heads.box_predictor")):
            values = torch.from_numpy(random.normal(0, 1, tuple(tensor.shape)).astype(np.float32))
            gain = 20 if ".cls_" in name else 1  # otherwise the order of boxes hangs on the last bit
            tensors[name] = values * (gain * tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.1)
        elif name.startswith("backbone.body") and tensor.dim() == 4 and tensor.shape[1] == 1:
            # Start values by fan_out let the picture die away over depthwise layers.
            deviation = (2 / tensor[0].numel()) ** 0.5
            tensors[name] = torch.from_numpy(random.normal(0, deviation, tuple(tensor.shape)).astype(np.float32))
        elif name.endswith(("_norm.bias", "bn1.bias", ".1.bias")):
            tensors[name] = torch.from_numpy(random.normal(0, 0.1, tuple(tensor.shape)).astype(np.float32))
    reference.write_safetensors(path, tensors, metadata)
    return tensors


def pair_up(ours, theirs):
    """How many of ours have a counterpart; each of theirs is used once."""
    free, pairs = list(theirs), 0
    for label, score, box in ours:
        for index, (their_label, their_score, their_box) in enumerate(free):
            near = abs(score - their_score) <= 1e-4 and np.abs(np.subtract(box, their_box)).max() <= 0.05
            if label == their_label and near:
                free.pop(index)
                pairs += 1
                break
    return pairs


def check_onnx(program, folder, weights, size):
    width, height = size
    model, picture = folder / "model.onnx", folder / "picture.png"
    run(program, "export", "--weights", weights, "--format", "onnx", "--out", model, "--size", f"{width}x{height}")
    pixels = reference.random_picture(np.random.default_rng(7), width, height)
    Image.fromarray(pixels).save(picture)
    words = (program, "detect", picture, "--weights", weights, "--score", 0.05, "--json", "--set", "train.precision=fp32")
    found = json.loads(run(*words))[0]["detections"]
    ours = [(d["label"], d["score"], d["box"]) for d in found]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    image = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
    boxes, labels, scores = session.run(None, {"image": image})
    theirs = list(zip(labels.tolist(), scores.tolist(), boxes.tolist()))
    names = session.get_modelmeta().custom_metadata_map.get("classes", "").split("\n")
    pairs = pair_up(ours, theirs)
    print(f"  onnx: {len(ours)} detections, {len(theirs)} of onnxruntime, {pairs} agree", end="")
    falling = all(a >= b for a, b in zip(scores, scores[1:]))
    return len(ours) > 5 and len(ours) == len(theirs) and pairs >= 0.99 * len(ours) and falling and names == list(CLASSES)


def check_torch(program, folder, weights, arch, norm):
    exported, plain = folder / "model.pth", folder / "plain.safetensors"
    run(program, "export", "--weights", weights, "--format", "torch", "--out", exported)
    run(program, "export", "--weights", weights, "--format", "safetensors", "--out", plain)
    expected = reference.read_safetensors(weights)
    for state in (torch.load(exported, weights_only=True), reference.read_safetensors(plain)):
        if set(state) != set(expected) or any(not torch.equal(state[k], v) for k, v in expected.items()):
            return False
    if arch in TORCHVISION:
        reference.build(arch, norm, 3).load_state_dict(state, strict=True)
    return not reference.read_metadata(plain)


def check(program, make_weights, folder, case):
    arch, settings, size = case
    weights = folder / "weights.safetensors"
    settings = settings | {"min_size": min(size), "max_size": max(size)}
    run(make_weights, weights, 5, f"model.arch={arch}", *(f"model.{k}={v}" for k, v in settings.items()))
    liven(weights)
    print(arch, flush=True)
    passed = check_onnx(program, folder, weights, size)
    print(f" {'ok' if passed else 'FAILED'}")
    loaded = check_torch(program, folder, weights, arch, settings.get("norm", "frozen"))
    print(f"  torch and safetensors {'ok' if loaded else 'FAILED'}", flush=True)
    return passed and loaded


def check_classifier(program, make_weights, trunk_runner, folder):
    """A face classifier, one cut-out and several at once."""
    side, mean, deviation = 64, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    weights, model = folder / "classifier.safetensors", folder / "classifier.onnx"
    settings = ["model.arch=face_classifier_efficientnet_lite0", f"model.crop_size={side}", "model.crops=[1.5, -2]",
                f"model.image_mean={list(mean)}", f"model.image_std={list(deviation)}"]
    run(make_weights, weights, 5, *settings)
    liven(weights)
    run(program, "export", "--weights", weights, "--format", "onnx", "--out", model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    passed = metadata.get("classes", "").split("\n") == list(CLASSES) and metadata.get("crops") == "1.5 -2"
    for count in (1, 5):
        faces = np.random.default_rng(count).uniform(0, 1, (count, 3, side, side)).astype(np.float32)
        normalised = (faces - np.reshape(mean, (3, 1, 1))) / np.reshape(deviation, (3, 1, 1))
        logits = run_trunk(trunk_runner, weights, normalised.astype(np.float32), settings)["logits.0"].reshape(count, 3)
        powers = np.exp(logits - logits.max(1, keepdims=True))
        ours = powers / powers.sum(1, keepdims=True)
        (theirs,) = session.run(None, {"faces": faces})
        difference = np.abs(ours - theirs).max()
        print(f"face classifier: {count} cut-outs, probabilities {ours.min():.3f} to {ours.max():.3f}, largest difference {difference:.1e}")
        passed = passed and theirs.shape == (count, 3) and difference < 1e-5 and ours.max() - ours.min() > 0.05
    print(f"  {'ok' if passed else 'FAILED'}", flush=True)
    return passed


def main():
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    cases = CASES if os.environ.get("FACEMASK_FULL") else CASES[:3]
    with tempfile.TemporaryDirectory() as folder:
        results = [check(*sys.argv[1:3], Path(folder), case) for case in cases]
        results.append(check_classifier(*sys.argv[1:], Path(folder)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
