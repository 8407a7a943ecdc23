"""Times training steps or detections of torchvision's Faster R-CNN on drawn noise, for bench/against_torchvision.py.

usage: torchvision_step.py ARCH train|detect --size PX --batch N --steps N --threads N [--norm frozen|batch]

Prints {"ms": the median of a step} as JSON. The model is torchvision's own, with random weights: frozen norm and three trained
stages unless asked otherwise; pictures of PX x PX pixels that the model does not resize; SGD with momentum. fp32.
"""
import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "parity"))
import torch_reference as reference  # noqa: E402

BOXES = 5


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", choices=reference.ARCHS)
    parser.add_argument("job", choices=("train", "detect"))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--norm", choices=("frozen", "batch"), default="frozen")
    return parser.parse_args()


def make_target(size):
    corner = torch.rand(BOXES, 2) * size * 0.6
    sides = size * (0.05 + 0.3 * torch.rand(BOXES, 2))
    return {"boxes": torch.cat([corner, corner + sides], 1), "labels": torch.randint(1, 4, (BOXES,))}


def main():
    arguments = parse()
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    model = reference.build(arguments.arch, arguments.norm, 3, min_size=arguments.size, max_size=arguments.size)
    pictures = [torch.rand(3, arguments.size, arguments.size) for _ in range(arguments.batch)]
    targets = [make_target(arguments.size) for _ in pictures]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)
    model.train(arguments.job == "train")

    def step():
        if arguments.job == "detect":
            with torch.inference_mode():
                model(pictures)
            return
        losses = model(pictures, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()

    times = []
    for _ in range(arguments.steps + 1):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    print(json.dumps({"ms": 1000 * statistics.median(times[1:]), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
