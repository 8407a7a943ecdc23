"""Detections by ONNX Runtime or OpenVINO with the file that `facemask export --format onnx` wrote; see worker.py for how it is
asked.

usage: onnx_detect.py onnxruntime|openvino MODEL.onnx --size PX --threads N
"""
import argparse

import numpy as np
import worker


def with_onnxruntime(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return onnxruntime.__version__, lambda image: session.run(None, {"image": image})


def with_openvino(model, threads):
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    return openvino.__version__.split("-")[0], lambda image: compiled([image])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=("onnxruntime", "openvino"))
    parser.add_argument("model")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    make = with_onnxruntime if arguments.runtime == "onnxruntime" else with_openvino
    version, detect = make(arguments.model, arguments.threads)
    image = np.random.default_rng(1).random((1, 3, arguments.size, arguments.size), dtype=np.float32)
    worker.serve(lambda: detect(image), version=version)


if __name__ == "__main__":
    main()
