"""Training steps or detections of torchvision's Faster R-CNN on drawn noise; see worker.py for how it is asked.

usage: torchvision_step.py ARCH train|detect WEIGHTS --size PX --batch N --threads N [--setting fp32|bf16|...]

The model is torchvision's own: frozen norm, three trained stages, pictures that it does not resize; SGD with momentum. Settings:
fp32 as it comes; bf16: autocast, the box operators that lack bf16 being given fp32; channels_last: convolutions interleaved; both; compiled: torch.compile, where there is one.
"""
import argparse
import contextlib
import sys
from pathlib import Path

import torch
import torchvision
import worker

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "parity"))
import torch_reference as reference  # noqa: E402

BOXES = 5
SETTINGS = ("fp32", "bf16", "channels_last", "bf16+channels_last", "compiled")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", choices=reference.ARCHS)
    parser.add_argument("job", choices=("train", "detect"))
    parser.add_argument("weights")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--setting", choices=SETTINGS, default="fp32")
    return parser.parse_args()


def make_target(size):
    corner = torch.rand(BOXES, 2) * size * 0.6
    sides = size * (0.05 + 0.3 * torch.rand(BOXES, 2))
    return {"boxes": torch.cat([corner, corner + sides], 1), "labels": torch.randint(1, 4, (BOXES,))}


def make_model(arguments):
    model = reference.build(arguments.arch, "frozen", 3, min_size=arguments.size, max_size=arguments.size)
    model.load_state_dict(reference.read_safetensors(arguments.weights))
    model.train(arguments.job == "train")
    if "channels_last" in arguments.setting:
        model = model.to(memory_format=torch.channels_last)
    if arguments.setting == "compiled":
        if not hasattr(torch, "compile"):
            sys.exit(f"PyTorch {torch.__version__} has no torch.compile")
        model.backbone = torch.compile(model.backbone)
    return model


def widen_box_operators():
    """NMS and RoIAlign have no bf16 on processors; what a user would do who wants autocast all the same."""
    nms, roi_align = torchvision.ops.boxes.nms, torchvision.ops.poolers.roi_align
    torchvision.ops.boxes.nms = lambda boxes, scores, threshold: nms(boxes.float(), scores.float(), threshold)
    torchvision.ops.poolers.roi_align = lambda x, rois, **more: roi_align(x.float(), rois.float(), **more)


def main():
    arguments = parse()
    if "bf16" in arguments.setting:
        widen_box_operators()
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    model = make_model(arguments)
    pictures = [torch.rand(3, arguments.size, arguments.size) for _ in range(arguments.batch)]
    targets = [make_target(arguments.size) for _ in pictures]
    trained = [p for p in model.parameters() if p.requires_grad]
    # So small a rate that the losses stay what they are.
    optimizer = torch.optim.SGD(trained, lr=1e-6, momentum=0.9)

    def cast():
        return torch.autocast("cpu", torch.bfloat16) if "bf16" in arguments.setting else contextlib.nullcontext()

    def step():
        if arguments.job == "detect":
            with torch.inference_mode(), cast():
                model(pictures)
            return
        with cast():
            losses = model(pictures, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()

    worker.serve(step, version=torch.__version__)


if __name__ == "__main__":
    main()
