"""Makes an ONNX file narrower as ONNX Runtime's own tools do: static, 8 bits, a scale a channel for weights.

usage: onnx_quantize.py MODEL.onnx OUT.onnx --size PX

Convolutions and matrix products are narrowed, their ranges taken from random pictures: what is timed does not depend on them.
"""
import argparse
import tempfile

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

PICTURES = 4


class Pictures(CalibrationDataReader):
    def __init__(self, size):
        random = np.random.default_rng(1)
        self.pictures = iter(random.random((PICTURES, 1, 3, size, size), dtype=np.float32))

    def get_next(self):
        picture = next(self.pictures, None)
        return None if picture is None else {"image": picture}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--size", type=int, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = f"{folder}/prepared.onnx"
        quant_pre_process(arguments.model, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, arguments.out, Pictures(arguments.size), quant_format=QuantFormat.QDQ, per_channel=True,
                        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
                        op_types_to_quantize=["Conv", "Gemm", "MatMul"])  # fmt: skip


if __name__ == "__main__":
    main()
