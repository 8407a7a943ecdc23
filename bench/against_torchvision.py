"""Facemask and torchvision on this machine, in turn: training steps and single detections, in pairs.

usage: against_torchvision.py FACEMASK [--pairs N] [--steps N] [--threads N] [--arch NAME] [--job train|detect]

Each round runs ours in fp32, ours in bf16 and torchvision one behind the other, so that a machine whose speed drifts drifts for all;
what counts is the median of the rounds' ratios. Prints a Markdown table.
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
PRECISIONS = ("fp32", "bf16")


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


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--arch", choices=sorted({case[0] for case in CASES}))
    parser.add_argument("--job", choices=("train", "detect"))
    return parser.parse_args()


def main():
    arguments = parse()
    print("| job | precision | ours, ms | torchvision fp32, ms | ratio (of each pair) |\n| --- | --- | ---: | ---: | --- |")
    for case in CASES:
        if case[0] != (arguments.arch or case[0]) or case[2] != (arguments.job or case[2]):
            continue
        rounds = [
            [*(time_ours(arguments, case, precision) for precision in PRECISIONS), time_peer(arguments, case)]
            for _ in range(arguments.pairs)
        ]
        for column, precision in enumerate(PRECISIONS):
            ratios = [times[-1] / times[column] for times in rounds]
            ours, peer = (statistics.median(times[at] for times in rounds) for at in (column, -1))
            name = f"{case[0]} {case[2]}, {case[1]} x {case[1]}, batch {case[3]}"
            spread = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
            row = f"| {name} | {precision} | {ours:.0f} | {peer:.0f} | **{statistics.median(ratios):.2f}** ({spread}) |"
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
