"""What augmentation costs beside a training step, both on one core.

usage: augment_share.py FACEMASK BENCH_AUGMENT DATA [--steps N] [--rounds N]

The lists `notebook` and `strong`, and every transform there is, one after the other and none left out by chance, are timed for
pictures of 640 x 480 (bench_augment, processor time); a training step by `facemask bench --threads 1` on drawn pictures, for
the default model, the reference network and the smallest one. Prints a Markdown table of a picture's share of its step; exit
status 1 when one is above a tenth.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 0.1
# name, words of `facemask bench`, pictures a step
MODELS = (
    ("the default model, 704 x 704", ["--config", ROOT / "models/default.yaml", "--size", 704], 4),
    ("`fasterrcnn_resnet50_fpn`, 480 x 480", ["--set", "model.arch=fasterrcnn_resnet50_fpn", "--size", 480], 4),
    ("`fasterrcnn_mobilenet_v3_large_320_fpn`, 320 x 320", ["--set", "model.arch=fasterrcnn_mobilenet_v3_large_320_fpn", "--size", 320], 4),
)


def output(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


def time_lists(program, data, rounds):
    """Milliseconds a picture."""
    rows = [line.rsplit(None, 1) for line in output(program, data, rounds).splitlines()[1:]]
    times = {name.strip(): float(ms) for name, ms in rows}
    single = [ms for name, ms in times.items() if not name.startswith("preset")]
    return {
        "the list `notebook`": times["preset notebook"],
        "the list `strong`": times["preset strong"],
        f"all {len(single)} transforms, each with p 1": sum(single),
    }


def time_step(program, words, batch, steps):
    """Milliseconds a picture of a training step."""
    done = output(program, "bench", "--only", "train", "--json", "--quiet", "--threads", 1, "--batch", batch, "--steps", steps, *words)
    return json.loads(done)["training"]["ms"] / batch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("bench_augment")
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    lists = time_lists(arguments.bench_augment, arguments.data, arguments.rounds)
    worst = 0
    print("| training step on one core | ms a picture | " + " | ".join(lists) + " |")
    print("| --- | ---: |" + " ---: |" * len(lists))
    print("| | | " + " | ".join(f"{ms:.2f} ms" for ms in lists.values()) + " |")
    for name, words, batch in MODELS:
        step = time_step(arguments.program, words, batch, arguments.steps)
        shares = [ms / step for ms in lists.values()]
        worst = max(worst, *shares)
        print(f"| {name} | {step:.0f} | " + " | ".join(f"{100 * share:.2f} %" for share in shares) + " |", flush=True)
    return worst > LIMIT


if __name__ == "__main__":
    sys.exit(main())
