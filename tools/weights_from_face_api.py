"""The MobileNetV1 of face-api.js, trained to find faces, as start weights of fasterrcnn_mobilenet_v1_fpn.

usage: weights_from_face_api.py MODEL_FOLDER OUT.safetensors

MODEL_FOLDER is `model` of the npm package @vladmandic/face-api (MIT licence), with ssd_mobilenetv1_model-weights_manifest.json
and ssd_mobilenetv1_model.bin:

    npm pack @vladmandic/face-api && tar xzf vladmandic-face-api-*.tgz
    tools/weights_from_face_api.py package/model face_api.safetensors
    build/facemask import face_api.safetensors --out mobilenet_v1_faces.safetensors

The package keeps each array in 8 bits with a scale and a least value. Its pointwise convolutions have their norm folded in;
here that norm stays as one that changes nothing but adds the offset (mean 0, variance 1 - epsilon), so the weights are for
model.norm=frozen, the default: statistics of pictures they are not. The detector's own head is left out.
"""
import json
import sys
from pathlib import Path

import numpy as np
from folded_norm import folded
from safetensors_file import write_safetensors

PAIRS, EPSILON = 13, 1e-3


def read_arrays(folder):
    """TensorFlow.js's manifest: the arrays lie one behind the other in the files it names."""
    manifest = json.loads((folder / "ssd_mobilenetv1_model-weights_manifest.json").read_text())
    arrays = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            packing = entry.get("quantization")
            kind = np.dtype(packing["dtype"] if packing else entry["dtype"]).newbyteorder("<")
            count = int(np.prod(entry["shape"]))
            if at + count * kind.itemsize > len(data):
                raise SystemExit(f"{folder}: the data end before {entry['name']}")
            array = np.frombuffer(data, kind, count, at)
            at += count * kind.itemsize
            if packing:
                array = array.astype(np.float32) * np.float32(packing["scale"]) + np.float32(packing["min"])
            arrays[entry["name"]] = array.astype(np.float32).reshape(entry["shape"])
    return arrays


def pointwise(arrays, index):
    """A convolution whose norm is folded in."""
    name, layer = f"Conv2d_{index}_pointwise", f"conv_{index}.pointwise"
    weight = arrays[f"MobilenetV1/{name}/weights"].transpose(3, 2, 0, 1)
    return folded(layer, f"{layer}_norm", weight, arrays[f"MobilenetV1/{name}/convolution_bn_offset"], EPSILON)


def depthwise(arrays, index):
    name, layer = f"Conv2d_{index}_depthwise", f"conv_{index}.depthwise"
    norm = f"MobilenetV1/{name}/BatchNorm"
    return {
        f"{layer}.weight": arrays[f"MobilenetV1/{name}/depthwise_weights"].transpose(2, 3, 0, 1),
        f"{layer}_norm.weight": arrays[f"{norm}/gamma"],
        f"{layer}_norm.bias": arrays[f"{norm}/beta"],
        f"{layer}_norm.running_mean": arrays[f"{norm}/moving_mean"],
        f"{layer}_norm.running_var": arrays[f"{norm}/moving_variance"],
    }


def convert(arrays, prefix="backbone.body."):
    tensors = pointwise(arrays, 0)
    for index in range(1, PAIRS + 1):
        tensors |= depthwise(arrays, index) | pointwise(arrays, index)
    return {prefix + name: tensor for name, tensor in tensors.items()}


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    tensors = convert(read_arrays(Path(sys.argv[1])))
    write_safetensors(sys.argv[2], tensors)
    print(f"{sys.argv[2]}: {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
