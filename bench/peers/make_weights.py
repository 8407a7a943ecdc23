"""Random weights of one of torchvision's detectors, as a weights file that facemask and the peers read.

usage: make_weights.py ARCH SIZE OUT.safetensors
"""
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "parity"))
import torch_reference as reference  # noqa: E402


def main():
    arch, size, out = sys.argv[1:]
    torch.manual_seed(1)
    model = reference.build(arch, "frozen", 3)
    config = f"model:\n  arch: {arch}\n  min_size: {size}\n  max_size: {size}\n"
    metadata = {"config": config, "classes": json.dumps(reference.CLASSES)}
    reference.write_safetensors(out, model.state_dict(), metadata)


if __name__ == "__main__":
    main()
