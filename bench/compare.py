"""Facemask beside those that would be used instead, on this machine: prints a table and writes it into docs/performance.md.

usage: compare.py BUILD [--quick] [--threads N] [PART...]

Parts: train-resnet train-light, detect-, memory- likewise, start coco threads loader growth (all of them unless named; what was measured before stays in
BUILD/bench/results.json and in the table). Within a part ours and theirs take turns, so that a machine whose speed drifts drifts
for all; a ratio is the median of the pairs. --quick takes each side once or twice. Peers are installed from PyPI into
BUILD/bench/peers; PyTorch and torchvision are Debian's, as PyPI's wheel brings several GB of CUDA.
"""
import argparse
import json
import statistics
import sys
from pathlib import Path

import curves
import table
from measure import HERE, Ours, Peer, install_peers, ratio, run, take_turns

RESNET = ("fasterrcnn_resnet50_fpn", 480)
LIGHT = ("fasterrcnn_mobilenet_v3_large_320_fpn", 320)
SETTINGS = ("bf16", "channels_last", "bf16+channels_last", "compiled")
# What issue and documents promise: at least so many times as fast as torchvision's fp32, as its best setting, as ONNX Runtime.
TRAIN_GOALS = {RESNET: (3, 1.7), LIGHT: (6, 3)}
DETECT_GOALS = {RESNET: (2.5, None, 2.2), LIGHT: (3, None, 2.5)}
BOUND_GOALS = {RESNET: 1.25, LIGHT: 1.5}
INT8_GOAL = 1.5


class Bench:
    def __init__(self, arguments):
        self.quick, self.threads = arguments.quick, arguments.threads
        self.build = Path(arguments.build).resolve()
        self.folder = self.build / "bench"
        self.folder.mkdir(exist_ok=True)
        self.ours = Ours(self.build, self.threads)
        self.python = install_peers(self.folder / "peers")
        self.pairs = 1 if self.quick else 3

    def weights(self, model):
        path = self.folder / f"{model[0]}.safetensors"
        if not path.exists():
            run(self.python, HERE / "peers" / "make_weights.py", *model, path)
        return path

    def onnx(self, model):
        path = self.folder / f"{model[0]}.onnx"
        if not path.exists():
            size = f"{model[1]}x{model[1]}"
            words = ("--format", "onnx", "--out", path, "--size", size)
            run(self.ours.program, "export", "--weights", self.weights(model), *words)
        return path

    def onnx_int8(self, model):
        path = self.folder / f"{model[0]}.int8.onnx"
        if not path.exists():
            run(self.python, HERE / "peers" / "onnx_quantize.py", self.onnx(model), path, "--size", model[1])
        return path

    def picture(self):
        folder = self.folder / "pictures"
        if not folder.exists():
            run(self.ours.program, "synth", "--count", 8, "--seed", 1, "--out", folder)
        return sorted((folder / "images").iterdir())[0]

    def torchvision(self, model, job, batch, setting="fp32"):
        words = (*model[:1], job, self.weights(model), "--size", model[1], "--batch", batch, "--threads", self.threads)
        return Peer(self.python, "torchvision_step.py", *words, "--setting", setting)

    def runtime(self, name, model, int8=False):
        file = self.onnx_int8(model) if int8 else self.onnx(model)
        return Peer(self.python, "onnx_detect.py", name, file, "--size", model[1], "--threads", self.threads)

    def torchvision_best(self, model, job, batch):
        """PyTorch's fastest setting, its time, and what each took or why it did not run."""
        times, notes = {}, []
        for setting in ("fp32", *SETTINGS):
            try:
                peer = self.torchvision(model, job, batch, setting)
                times[setting] = peer.ask(1)
                peer.close()
                notes.append(f"{setting} {times[setting]:.0f} ms")
            except RuntimeError as error:
                notes.append(f"{setting}: {str(error).split(': ')[-1]}")
        return min(times, key=times.get), "; ".join(notes)


def name_of(model):
    return f"`{model[0]}`, {model[1]} x {model[1]}"


def row(what, ours, peer, theirs, factor, goal=None, **more):
    return {"what": what, "ours": ours, "peer": peer, "theirs": theirs, "ratio": factor, "goal": goal, **more}


def bound_row(bench, model, job, batch, what):
    words = ("--weights", bench.weights(model), "--bound")
    figures = bench.ours.bench(job, model[1], batch, 3 if job == "train" else 10, *words)
    text = f"{figures['ms']:.1f} ms"
    return row(what, text, "its convolutions and products alone", f"{figures['bound_ms']:.1f} ms", figures["ratio"],
               BOUND_GOALS[model], most=True)  # fmt: skip


def rows_beside(what, ours, labels, columns, goals):
    """A row for each column of others' times."""
    return [
        row(what, f"{statistics.median(ours):.1f} ms", label, f"{statistics.median(column):.1f} ms", ratio(ours, column), goal)
        for label, column, goal in zip(labels, columns, goals)
    ]


def jobs_beside(bench, model, job, batch, what, peers, goals):
    """Rows of one job of ours beside started peers."""
    steps = (3 if job == "train" else 10) if model is RESNET else 5 if job == "train" else 20
    theirs = 1 if job == "train" else max(steps // 4, 2)
    weights = ("--weights", bench.weights(model))
    sides = [lambda: bench.ours.bench(job, model[1], batch, steps, *weights)["ms"]]
    sides += [lambda peer=peer: peer.ask(theirs) for _, peer in peers]
    if job == "detect":
        sides.append(lambda: bench.ours.bench(job, model[1], batch, steps, *weights, "--precision", "int8")["ms"])
    times = take_turns(bench.pairs, *sides)
    labels = [f"{name} {peer.about['version']}" for name, peer in peers]
    rows = rows_beside(what, times[0], labels, times[1:], goals)
    for _, peer in peers:
        peer.close()
    if job == "detect":
        # The others' wider numbers are the goal here too: int8 is what `auto` takes for weights with ranges.
        columns, goals = times[:-1], [INT8_GOAL, *goals] + [None] * (len(peers) - len(goals))
        rows += rows_beside(f"{what}, in int8", times[-1], ["ours, not in int8", *labels], columns, goals)
    rows.append(bound_row(bench, model, job, batch, what))
    return rows


def torchvision_peers(bench, model, job, batch, what, notes):
    """torchvision as it comes, and in its fastest setting when that is another; quickly, the first alone."""
    peers = [("torchvision fp32", bench.torchvision(model, job, batch))]
    if bench.quick:
        return peers
    best, note = bench.torchvision_best(model, job, batch)
    notes.append(f"torchvision, {what}: {note}.")
    if best != "fp32":
        peers.append((f"torchvision {best}", bench.torchvision(model, job, batch, best)))
    return peers


def train(bench, model):
    notes, what = [], f"training step, {name_of(model)}, batch 4"
    peers = torchvision_peers(bench, model, "train", 4, what, notes)
    return jobs_beside(bench, model, "train", 4, what, peers, TRAIN_GOALS[model]), notes


def start_runtimes(bench, model, notes):
    peers = []
    runtimes = (("ONNX Runtime", "onnxruntime", False), ("OpenVINO", "openvino", False), ("ONNX Runtime int8", "onnxruntime", True))
    for label, name, int8 in runtimes:
        try:
            peers.append((label, bench.runtime(name, model, int8)))
        except RuntimeError as error:
            notes.append(f"{label} did not run: {error}.")
    return peers


def detect(bench, model):
    notes, what = [], f"detection, {name_of(model)}, one picture"
    peers = torchvision_peers(bench, model, "detect", 1, what, notes)
    runtimes = start_runtimes(bench, model, notes)
    goals = [DETECT_GOALS[model][0]] + [None] * (len(peers) - 1)
    # The peer in int8, the last, has no goal and so no row beside our wider numbers.
    goals += [DETECT_GOALS[model][2] if label == "ONNX Runtime" else None for label, _ in runtimes if "int8" not in label]
    return jobs_beside(bench, model, "detect", 1, what, peers + runtimes, goals), notes


def start(bench):
    """From the start of a program to the boxes of one picture, and the memory it took."""
    rows, notes, picture = [], [], bench.picture()
    # The working copy's own, or the light one of torchvision's.
    models = (("the shipped model", []), (name_of(LIGHT), ["--weights", bench.weights(LIGHT)]))
    runs = [[bench.ours.once("detect", picture, "--json", *words) for _ in range(3 * bench.pairs)] for _, words in models]
    theirs = []
    for label, make in (("torchvision", lambda: bench.torchvision(LIGHT, "detect", 1)),
                        ("ONNX Runtime", lambda: bench.runtime("onnxruntime", LIGHT)),
                        ("OpenVINO", lambda: bench.runtime("openvino", LIGHT))):  # fmt: skip
        try:
            peer = make()
            theirs.append((f"{label} {peer.about['version']}, {name_of(LIGHT)}", peer.start, peer.about["peak_mib"]))
            peer.close()
        except RuntimeError as error:
            notes.append(f"{label} did not run: {error}.")
    for (what, _), ours in zip(models, runs):
        seconds, mib = (statistics.median(column) for column in zip(*ours))
        rows.append(row(f"start to the first result, {what}", f"{seconds:.2f} s", "goal", "0.30 s", seconds / 0.3, 1, most=True))
        rows.append(row(f"memory of that, {what}", f"{mib:.0f} MiB", "goal", "150 MiB", mib / 150, 1, most=True))
    for label, seconds, mib in theirs:
        ours = [statistics.median(column) for column in zip(*runs[1])]
        rows.append(row("start to the first result", f"{ours[0]:.2f} s", label, f"{seconds:.2f} s", seconds / ours[0]))
        rows.append(row("memory of that", f"{ours[1]:.0f} MiB", label, f"{mib:.0f} MiB", mib / ours[1]))
    return rows, notes


def memory(bench, model):
    ours = bench.ours.bench("train", model[1], 10, 2, "--weights", bench.weights(model))["peak_mib"]
    peer = bench.torchvision(model, "train", 10)
    peer.ask(2)  # momentum comes with the first step's end, so the second one holds the most
    theirs = peer.answer["peak_mib"]
    peer.close()
    what = f"peak memory of training, {name_of(model)}, batch 10"
    label = f"torchvision fp32 {peer.about['version']}"
    return [row(what, f"{ours:.0f} MiB", label, f"{theirs:.0f} MiB", theirs / ours, 2)], []


def coco(bench):
    out = bench.folder / "coco.json"
    repeats = 1 if bench.quick else 3
    runner = bench.build / "tests" / "eval" / "coco_runner"
    run(bench.python, HERE / "coco_speed.py", runner, "--repeats", repeats, "--json", out)
    done = json.loads(out.read_text())
    ours, theirs = statistics.median(done["seconds"]), statistics.median(done["seconds_pycocotools"])
    what = "COCO measure, 5,000 pictures x 100 detections x 80 classes"
    label = f"pycocotools {done['pycocotools']}"
    return [row(what, f"{ours:.2f} s", label, f"{theirs:.1f} s", done["median_ratio"], 10)], []


def threads(bench):
    rows = []
    for model, job, batch in ((RESNET, "train", 4), (RESNET, "detect", 1), (LIGHT, "train", 4), (LIGHT, "detect", 1)):
        steps = (3 if job == "train" else 9) if model is RESNET else 9 if job == "train" else 41
        words = (job, model[1], batch, steps, "--weights", bench.weights(model))
        # What is short is taken more often: who else uses the machine disturbs two threads more than one.
        pairs = bench.pairs if model is RESNET else 2 * bench.pairs + 1
        two, one = take_turns(pairs, *(lambda n=n: bench.ours.bench(*words, threads=n)["ms"] for n in (2, 1)))
        what = f"2 threads against 1, {'training step' if job == 'train' else 'detection'}, {name_of(model)}"
        times = f"{statistics.median(two):.0f} ms", "1 thread", f"{statistics.median(one):.0f} ms"
        rows.append(row(what, *times, ratio(two, one), 1.85))
    return rows, []


def loader(bench):
    rows = []
    for chain in ("notebook", "strong"):
        for model in (RESNET, LIGHT):
            words = ("--weights", bench.weights(model), "--set", f"augment={chain}")
            figures = bench.ours.bench("train", model[1], 4, 3 if bench.quick else 8, *words)
            what = f"waiting for the loader, augment={chain}, {name_of(model)}, batch 4"
            share = figures["data_ms"] / figures["ms"]
            text = f"{figures['data_ms']:.2f} of {figures['ms']:.0f} ms"
            rows.append(row(what, text, "goal", "2 %", share / 0.02, 1, most=True))
    return rows, []


def for_models(part):
    return {f"{part.__name__}-resnet": lambda bench: part(bench, RESNET), f"{part.__name__}-light": lambda bench: part(bench, LIGHT)}


PARTS = for_models(train) | for_models(detect) | for_models(memory)
PARTS |= {part.__name__: part for part in (start, coco, threads, loader)} | {"growth": curves.growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_intermixed_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {' '.join(sorted(unknown))}; there are {' '.join(PARTS)}")
    bench = Bench(arguments)
    results = table.Results(bench.folder / "results.json")
    for name in arguments.parts or PARTS:
        print(f"== {name}", file=sys.stderr, flush=True)
        rows, notes = PARTS[name](bench)
        results.put(name, rows, notes, bench)
        print(table.markdown(rows), flush=True)
    print(results.page())
    results.write(HERE.parent / "docs" / "performance.md")


if __name__ == "__main__":
    main()
