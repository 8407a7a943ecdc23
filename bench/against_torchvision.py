"""Facemask and torchvision on this machine, in turn: training steps and single detections, in pairs.

usage: against_torchvision.py FACEMASK [--pairs N] [--steps N] [--threads N]

Each pair runs both programs one behind the other, so that a machine whose speed drifts drifts for both; what counts is the median of
the pairs' ratios. Prints a Markdown table.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

PEER = Path(__file__).parent / "peers" / "torchvision_step.py"
# arch, size in pixels, job, batch
CASES = (
    ("fasterrcnn_resnet50_fpn", 480, "train", 4),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", 320, "train", 4),
    ("fasterrcnn_resnet50_fpn", 480, "detect", 1),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", 320, "detect", 1),
)


def time_ours(arguments, case, precision):
    arch, size, job, batch = case
    command = [arguments.program, "bench", "--only", job, "--json", "--quiet", "--size", size, "--batch", batch]
    command += ["--steps", arguments.steps, "--threads", arguments.threads, "--precision", precision]
    command += ["--set", f"model.arch={arch}"]
    result = json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)
    return result["training" if job == "train" else "detection"]["ms"]


def time_peer(arguments, case):
    arch, size, job, batch = case
    command = ["/usr/bin/python3", "-W", "ignore", PEER, arch, job, "--size", size, "--batch", batch]
    command += ["--steps", arguments.steps, "--threads", arguments.threads]
    return json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)["ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print("| job | precision | ours, ms | torchvision fp32, ms | ratio (of each pair) |\n| --- | --- | ---: | ---: | --- |")
    for case in CASES:
        for precision in ("fp32", "bf16"):
            pairs = [(time_ours(arguments, case, precision), time_peer(arguments, case)) for _ in range(arguments.pairs)]
            ratios = [peer / ours for ours, peer in pairs]
            ours, peer = (statistics.median(column) for column in zip(*pairs))
            name = f"{case[0]} {case[2]}, {case[1]} x {case[1]}, batch {case[3]}"
            spread = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
            row = f"| {name} | {precision} | {ours:.0f} | {peer:.0f} | **{statistics.median(ratios):.2f}** ({spread}) |"
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
