#!/usr/bin/python3
"""A training that is killed, stopped or fails ends with the same bytes as one that is left alone.

    train_resume.py build/facemask [--kills N] [--seed 1] [--keep DIR]

Makes a small data set with `facemask synth`, trains a small model on it undisturbed, then again and again with SIGKILL at
random moments (every second one while a checkpoint is being written), resumes each, and compares weights and logs. Then
SIGTERM, settings that differ on resume, more epochs, epochs without a validation, sizes of training and of detection, restarts, a finished run, a loss that is not finite, and a disk that is full. The kills are 4, with FACEMASK_FULL set 20."""

import argparse
import array
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checks import SMALL_TRAINING, check, failures, hide_gnuplot

SETTINGS = {
    **SMALL_TRAINING,
    "model.fpn_channels": 32,
    "model.box_head_features": 32,
    "train.epochs": 2,
    "train.batch_size": 3,
    "train.lr": 0.01,
    "train.ema": 0.9,
    "train.checkpoint_steps": 1,
}
PICTURES = 14
FILES = ("weights/best.safetensors", "weights/last.safetensors")


class Bench:
    def __init__(self, program, root):
        self.program, self.root, self.runs = program, root, root / "runs"
        self.data = root / "data"
        self.run([program, "synth", "--count", str(PICTURES), "--seed", "3", "--out", str(self.data)])
        self.split = root / "split.json"
        self.run([program, "split", str(self.data), "--folds", "3", "--out", str(self.split)])

    @staticmethod
    def run(command, **options):
        done = subprocess.run(command, capture_output=True, text=True, **options)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
        return done

    def command(self, name, *more, settings=None, resume=False):
        words = [self.program, "train", str(self.data), "--runs", str(self.runs), "--name", name, "--threads", "2"]
        if resume:
            return words + ["--resume", *more]
        for key, value in {**SETTINGS, **(settings or {})}.items():
            words += ["--set", f"{key}={value}"]
        return words + ["--split", str(self.split), "--fold", "1", *more]

    def result(self, name):
        """What must not differ: the weights' bytes, and the logs without their times."""
        folder = self.runs / name / "fold_1"
        steps = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
        for step in steps:
            del step["seconds"], step["data_seconds"]
        rows = [line.rsplit(",", 1)[0] for line in (folder / "metrics.csv").read_text().splitlines()]
        return [(folder / file).read_bytes() for file in FILES] + [steps, rows]

    def settings_of(self, name):
        return (self.runs / name / "config.yaml").exists()


def kill_while_writing(process, folder):
    """Kills as soon as a checkpoint lies half written beside the real one; True when it still did at the end."""
    while process.poll() is None:
        if any(folder.glob("checkpoint.safetensors?*")):
            process.kill()
            process.wait()
            return any(folder.glob("checkpoint.safetensors?*"))
    return False


def kill_runs(bench, reference, seconds, kills, chance):
    """A run that had finished before its kill tells nothing: it says how long one takes by now, and another takes its place."""
    within = done = number = 0
    while done < kills and number < 4 * kills:
        name = f"kill{number}"
        number += 1
        begun = time.monotonic()
        process = subprocess.Popen(bench.command(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0, seconds * 0.95))
        except subprocess.TimeoutExpired:
            pass
        writing = done % 2 and kill_while_writing(process, bench.runs / name / "fold_1")
        finished = process.poll() == 0
        process.kill()
        process.wait()
        if finished:
            seconds = min(seconds, time.monotonic() - begun)
            shutil.rmtree(bench.runs / name)
            continue
        again = bench.command(name, resume=True) if bench.settings_of(name) else bench.command(name)
        bench.run(again)
        done += 1
        within += writing
        same = bench.result(name) == reference
        check(same, f"killed at random, resumed: the same bytes ({done} of {kills})")
        if same:
            shutil.rmtree(bench.runs / name)
    check(done == kills, f"{done} of {kills} runs were killed before they had finished, {within} of them while writing a checkpoint")


def terminate_run(bench, reference, seconds):
    process = subprocess.Popen(bench.command("term"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    # In the middle of the training, however slow the machine is by now.
    steps = bench.runs / "term" / "fold_1" / "steps.jsonl"
    deadline = time.monotonic() + 20 * seconds + 60
    while time.monotonic() < deadline and not (steps.exists() and steps.read_text().count("\n") >= 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=120)[0]
    check(process.returncode == 0, "SIGTERM: exit status 0")
    lines = [line.split(": ", 1)[1] for line in output.splitlines() if line.startswith("to go on: ")]
    check(len(lines) == 1, "SIGTERM: the command to go on is printed")
    if lines:
        bench.run(["/bin/sh", "-c", lines[0]])
        check(bench.result("term") == reference, "SIGTERM: that command ends with the same bytes")


def refusals(bench):
    def attempt(text, command, status, *words):
        done = subprocess.run(command, capture_output=True, text=True)
        lines = done.stderr.strip().splitlines()
        found = done.returncode == status and lines and all(word in lines[-1] for word in words)
        check(found, f"{text}: status {done.returncode}, {lines[-1] if lines else 'nothing said'}")

    attempt("a name that exists", bench.command("plain"), 1, "plain", "--resume")
    attempt("a run that does not", bench.command("nowhere", resume=True), 1, "nowhere")
    attempt(
        "another setting on resume", bench.command("plain", "--set", "train.lr=0.5", resume=True), 2, "train.lr", "0.01"
    )
    attempt("an unknown key", bench.command("other", settings={"train.epoch": 3}), 2, "train.epochs")
    attempt("an unknown fold", bench.command("other", "--fold", "9"), 2, "--fold", "9")
    done = bench.run(bench.command("plain", resume=True))
    check("finished already" in done.stdout, "a finished run says so")
    bench.run(bench.command("plain", "--set", "model.views=[1, -0.5]", resume=True))
    check("views: [1, -0.5]" in (bench.runs / "plain" / "config.yaml").read_text(), "other views may be asked for on resume")


def more_epochs(bench, reference):
    """A run of one epoch that is resumed with a second one is the run that had two from the beginning."""
    bench.run(bench.command("short", settings={"train.epochs": 1}))
    done = bench.run(bench.command("short", "--set", "train.epochs=2", resume=True))
    check("train.epochs: 1 becomes 2" in done.stderr, "more epochs on resume are announced")
    check(bench.result("short") == reference, "and end with the same bytes as a run that was begun with them")
    check("epochs: 2" in (bench.runs / "short" / "config.yaml").read_text(), "config.yaml has them then")
    settings = {"train.epochs": 1, "train.schedule": "cosine", "model.norm": "frozen"}
    said = bench.run(bench.command("cosine", settings=settings)).stderr
    check("model.norm=batch" in said, "a frozen norm over random weights is warned of")
    for name, epochs, word in (("short", 1, "only grow"), ("cosine", 2, "cosine")):
        done = subprocess.run(bench.command(name, "--set", f"train.epochs={epochs}", resume=True), capture_output=True, text=True)
        check(done.returncode == 2 and word in done.stderr, f"not where that changes what is done: {done.stderr.strip()[-90:]!r}")


def some_validations(bench, reference):
    """Without the validation of an epoch the steps are the same, and so are the weights and what is validated."""
    best, last, steps, rows = reference
    limit = len(steps) // 2  # the end of the first epoch, which is not validated
    for name, limits in (("seldom", ()), ("seldom_resumed", ("--max-steps", str(limit)))):
        done = bench.run(bench.command(name, *limits, settings={"train.validate_every": 0}))
        if limits:
            check("best mAP" not in done.stdout, "no best weights before the first validation")
            check(not (bench.runs / name / "fold_1" / FILES[0]).exists(), "nor their file")
            bench.run(bench.command(name, resume=True))
        found = bench.result(name)
        check(found[1:3] == [last, steps], f"{name}: validated in the last epoch alone: the same steps and weights")
        first = ",".join(rows[1].split(",")[:8]) + "," * 8
        check(found[3] == [rows[0], first, rows[2]], f"{name}: the row of the epoch before it has no validation")
        check(found[0] == found[1], f"{name}: the best weights are those of the validated epoch")
    bench.run(bench.command("second", settings={"train.validate_every": 2, "train.epochs": 3}))
    _, _, _, found = bench.result("second")
    check([row.count(",,") == 0 for row in found[1:]] == [False, True, True], "every second epoch, and the last")
    check(found[2] == rows[2], "the validation is the one that follows from these weights")


def other_sizes(bench, reference):
    """Training sees its own size: losses of the reference; validation and the weights file have the model's."""
    settings = {"model.min_size": 64, "model.max_size": 64, "train.min_size": 96, "train.max_size": 96}
    bench.run(bench.command("sizes", settings=settings))
    _, _, steps, rows = bench.result("sizes")
    check(steps == reference[2], "with train.max_size of the model's size, the steps are the same")
    check(rows != reference[3], "with another model.max_size, the validation is not")


def tensors_of(path, prefix=""):
    """Of a safetensors file: each tensor's numbers by its name behind the prefix."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    return {
        name[len(prefix) :]: array.array("f", data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]])
        for name, entry in header.items()
        if name != "__metadata__" and name.startswith(prefix) and entry["dtype"] == "F32"
    }


def restarts(bench):
    """The mean of the weights at the restart and at the end. A cycle is a run of its own until it ends, and stops change nothing."""
    cosine = {"train.schedule": "cosine", "train.ema": 0, "train.warmup_steps": 2}
    anew = {**cosine, "train.restarts": [1]}
    bench.run(bench.command("first", settings={**cosine, "train.epochs": 1}))
    bench.run(bench.command("anew", settings=anew))
    folder = bench.runs / "anew" / "fold_1"
    first = tensors_of(bench.runs / "first" / "fold_1" / "weights" / "last.safetensors")
    last, second = tensors_of(folder / "weights" / "last.safetensors"), tensors_of(folder / "checkpoint.safetensors", "value/")
    trained = [name for name in last if first[name] != second[name]]
    worst = max(
        abs((a + b) / 2 - mean) / (abs(a) + abs(b) + 1e-6)
        for name in trained
        for a, b, mean in zip(first[name], second[name], last[name])
    )
    check(len(trained) > 20 and worst < 1e-6, f"restarts: {len(trained)} tensors are the mean of both cycles' ends, off by {worst:.1e}")
    steps = [json.loads(line)["lr"] for line in (folder / "steps.jsonl").read_text().splitlines()]
    half = len(steps) // 2
    check(steps[:half] == steps[half:] and steps[0] < steps[1], "restarts: the second cycle has the rates of the first")
    for number in (half, half + 1):
        bench.run(bench.command(f"cut{number}", "--max-steps", str(number), settings=anew))
        bench.run(bench.command(f"cut{number}", resume=True))
        check(bench.result(f"cut{number}") == bench.result("anew"), f"restarts: stopped at step {number}, the same bytes")


def not_finite(bench):
    names = [path.stem for path in (bench.data / "images").iterdir()]
    for name, every in (("wild", 0), ("wilder", 1)):
        settings = {"train.lr": 1e30, "train.ema": 0, "train.checkpoint_steps": every}
        done = subprocess.run(bench.command(name, settings=settings), capture_output=True, text=True)
        line = (done.stderr.strip().splitlines() or [""])[-1]
        check(done.returncode == 1 and "step" in line and "finite" in line, f"a loss that is not finite: {line}")
        check(any(name in line for name in names), "it names the pictures")


def full_disk(bench, reference):
    bench.run(bench.command("full", "--max-steps", "2"))
    checkpoint = bench.runs / "full" / "fold_1" / "checkpoint.safetensors"
    before = checkpoint.read_bytes()
    limit = len(before) // 2
    # Python ignores SIGXFSZ; without restore_signals the program inherits that, and its write fails as on a full disk.
    done = subprocess.run(
        bench.command("full", resume=True),
        capture_output=True,
        text=True,
        restore_signals=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    lines = done.stderr.strip().splitlines()
    check(done.returncode == 1 and bool(lines) and "checkpoint" in lines[-1], f"a write that fails: {lines[-1:]}")
    check(checkpoint.read_bytes() == before, "the checkpoint before it is intact")
    bench.run(bench.command("full", resume=True))
    check(bench.result("full") == reference, "with room again it goes on to the same bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=20 if os.environ.get("FACEMASK_FULL") else 4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="work in this folder and leave it")
    arguments = parser.parse_args()
    hide_gnuplot()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(arguments.keep or temporary)
        root.mkdir(parents=True, exist_ok=True)
        bench = Bench(str(Path(arguments.program).resolve()), root)
        started = time.monotonic()
        said = bench.run(bench.command("plain")).stderr
        check("no --weights" in said and "model.norm" not in said, "a start from random weights is announced")
        seconds = time.monotonic() - started
        reference = bench.result("plain")
        print(f"        undisturbed: {seconds:.1f} s, {len(reference[2])} steps, {len(reference[3]) - 1} epochs")
        bench.run(bench.command("again"))
        check(bench.result("again") == reference, "undisturbed twice: the same bytes")
        kill_runs(bench, reference, seconds, arguments.kills, random.Random(arguments.seed))
        terminate_run(bench, reference, seconds)
        refusals(bench)
        more_epochs(bench, reference)
        some_validations(bench, reference)
        other_sizes(bench, reference)
        restarts(bench)
        not_finite(bench)
        full_disk(bench, reference)
    print(f"{failures()} failed")
    return 1 if failures() else 0


if __name__ == "__main__":
    sys.exit(main())
