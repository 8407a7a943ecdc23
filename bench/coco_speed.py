"""How long the COCO measure takes for 5,000 pictures with 100 detections each in 80 classes, ours against pycocotools.

usage: coco_speed.py RUNNER [--repeats 3] [--seed 1] [--json FILE]

RUNNER is build/tests/eval/coco_runner. The two are run in turn on the same boxes in memory (reading and writing files is in
neither time), ours first and pycocotools first alternately, and every figure of both is compared. pycocotools' time is that of
evaluate, accumulate and summarize. Exit status 1 when a figure differs by more than 1e-9 or the median ratio is below 10."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "parity"))
import coco
import numpy as np


def run_ours(runner, path):
    """The figures, and the seconds, which stand behind them."""
    with open(path, "rb") as lines:
        values = np.frombuffer(subprocess.run([runner], stdin=lines, capture_output=True, check=True).stdout, dtype=np.float64)
    return values[:-1], float(values[-1])


def run_theirs(case):
    with open(os.devnull, "w") as nowhere, coco.contextlib.redirect_stdout(nowhere):
        evaluation, seconds = coco.reference(case)
    return np.concatenate([np.asarray(values, dtype=np.float64) for _, values in coco.expected(evaluation, case)]), seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    case = coco.large_case(np.random.default_rng(arguments.seed))
    pairs, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(case) + "\n")
        for repeat in range(arguments.repeats):
            jobs = [lambda: run_ours(arguments.runner, path), lambda: run_theirs(case)]
            done = [jobs[at]() for at in ((0, 1) if repeat % 2 == 0 else (1, 0))]
            (ours, our_seconds), (theirs, their_seconds) = done if repeat % 2 == 0 else done[::-1]
            worst = max(worst, float(np.abs(ours - theirs).max()))
            pairs.append((our_seconds, their_seconds))
            print(f"ours {our_seconds:.3f} s, pycocotools {their_seconds:.2f} s, {their_seconds / our_seconds:.0f} times", flush=True)
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    result = {
        "pictures": len(case["images"]),
        "detections": len(case["results"]),
        "faces": len(case["truths"]),
        "classes": case["categories"],
        "seconds": [ours for ours, _ in pairs],
        "seconds_pycocotools": [theirs for _, theirs in pairs],
        "median_ratio": ratio,
        "largest_difference": worst,
        "pycocotools": metadata.version("pycocotools"),
        "processor": platform.processor() or platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
    }
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")
    print(f"median of {len(pairs)}: {ratio:.0f} times as fast; largest difference of any figure {worst:g}")
    sys.exit(ratio < 10 or not worst <= coco.TOLERANCE)


if __name__ == "__main__":
    main()
