"""The MobileNetV2 of MediaPipe's Objectron, trained to detect objects of Open Images, as start weights of
fasterrcnn_mobilenet_v2_fpn.

usage: weights_from_objectron.py ASSETS OUT.safetensors

ASSETS is objectron_solution_packed_assets.data of the npm package @mediapipe/objectron (Apache-2.0):

    npm pack @mediapipe/objectron && tar xzf mediapipe-objectron-*.tgz
    tools/weights_from_objectron.py package/objectron_solution_packed_assets.data mobilenet_v2_objects.safetensors

It holds, from byte 184, a TensorFlow Lite model with weights in half precision and norms folded into its convolutions. As
weights of ours each norm stays as one that only adds the bias (mean 0, variance 1 - epsilon), for model.norm=frozen. The
file names its settings: TensorFlow's padding and pixels from -1 to 1. The detector's own head is left out.
"""
import struct
import sys
from pathlib import Path

import numpy as np
from mobilenet_v2_layers import layers, tensors_of
from safetensors_file import write_safetensors

MODEL_AT = 184
CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE = 3, 4, 6
TYPES = {0: "<f4", 1: "<f2"}
SETTINGS = """model:
  arch: fasterrcnn_mobilenet_v2_fpn
  same_padding: true
  image_mean: [0.5, 0.5, 0.5]
  image_std: [0.5, 0.5, 0.5]
"""


class Table:
    """A table of a flatbuffer (https://flatbuffers.dev/internals): fields by their number in the schema."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.fields = at - struct.unpack_from("<i", data, at)[0]
        self.size = struct.unpack_from("<H", data, self.fields)[0]

    def offset(self, field):
        entry = 4 + 2 * field
        return struct.unpack_from("<H", self.data, self.fields + entry)[0] if entry < self.size else 0

    def number(self, field, kind):
        offset = self.offset(field)
        return struct.unpack_from(kind, self.data, self.at + offset)[0] if offset else 0

    def vector(self, field):
        """Where the items lie, and how many there are."""
        offset = self.offset(field)
        if not offset:
            return 0, 0
        at = self.at + offset
        at += struct.unpack_from("<I", self.data, at)[0]
        return at + 4, struct.unpack_from("<I", self.data, at)[0]

    def array(self, field, kind):
        at, count = self.vector(field)
        return np.frombuffer(self.data, kind, count, at)

    def tables(self, field):
        at, count = self.vector(field)
        places = [at + 4 * i for i in range(count)]
        return [Table(self.data, place + struct.unpack_from("<I", self.data, place)[0]) for place in places]


class Model:
    """The convolutions of a TensorFlow Lite model (its schema.fbs) in their order."""

    def __init__(self, data):
        if data[4:8] != b"TFL3":
            raise SystemExit("there is no TensorFlow Lite model where it is expected")
        root = Table(data, struct.unpack_from("<I", data, 0)[0])
        codes = [max(code.number(0, "<b"), code.number(3, "<i")) for code in root.tables(1)]
        graph = root.tables(2)[0]
        self.tensors, self.buffers = graph.tables(0), root.tables(4)
        self.halves, self.convolutions = {}, []
        for operator in graph.tables(3):
            code = codes[operator.number(0, "<I")]
            inputs, outputs = operator.array(1, "<i4"), operator.array(2, "<i4")
            if code == DEQUANTIZE:
                self.halves[outputs[0]] = inputs[0]
            elif code in (CONV_2D, DEPTHWISE_CONV_2D):
                self.convolutions.append((code, inputs[1], inputs[2]))

    def values(self, index):
        tensor = self.tensors[self.halves.get(index, index)]
        kind = np.dtype(TYPES[tensor.number(1, "<b")])
        data = self.buffers[tensor.number(2, "<I")].array(0, "u1")
        return data.view(kind).astype(np.float32).reshape(tensor.array(0, "<i4"))

    def shape(self, index):
        return tuple(self.tensors[self.halves.get(index, index)].array(0, "<i4"))


def convert(model):
    tensors, convolutions = {}, iter(model.convolutions)
    for names, shape, depthwise in layers():
        # TensorFlow's order of dimensions: outputs last if depthwise, otherwise first, inputs last.
        order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        code = DEPTHWISE_CONV_2D if depthwise else CONV_2D
        # The head's convolutions stand among the backbone's.
        for found, weight, bias in convolutions:
            theirs = model.shape(weight)
            if found == code and tuple(theirs[i] for i in order) == shape:
                break
        else:
            raise SystemExit(f"the model has no convolution {names[0]} of shape {shape}")
        tensors |= tensors_of(names, model.values(weight).transpose(order), model.values(bias))
    return tensors


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    tensors = convert(Model(Path(sys.argv[1]).read_bytes()[MODEL_AT:]))
    write_safetensors(sys.argv[2], tensors, {"config": SETTINGS})
    print(f"{sys.argv[2]}: {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
