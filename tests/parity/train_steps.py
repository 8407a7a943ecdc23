#!/usr/bin/python3
"""Training as torchvision does it: from the same random weights, pictures and boxes, `facemask train` and torch each make
three SGD steps. Compared are the four losses of every step, and every tensor after the last: parameters and statistics.

    train_steps.py build/facemask [--arch NAME] [--norm frozen|batch] [--precision fp32|bf16] [--resize yes|no] [--seed N]

The judge of the updates is torch in float64; torch in float32 is measured beside us. In fp32 a case passes when
- the losses are within 1e-4 of torch's, relative;
- every tensor is within 1e-3 of its update, and what three roundings to float32 may cost on top (norms, per tensor).
Where our worst tensor is further from the judge than a few times torch's float32 run's worst, the reason is looked for: a unit
that lies on the bend of its ReLU or hard-swish up to rounding has its slope decided by rounding. One that explains the
difference (the judge with this unit on the other side agrees) is named; where none does, that is said.
In bf16, when the losses are within 3 % of torch's in float32."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import torch
    import torch_reference as reference
    from kinks import Kinks, describe
    from processor import knows_bf16
    from random_weights import random_model
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

warnings.filterwarnings("ignore")
STEPS, BATCH = 3, 2
MOMENTUM, DECAY = 0.9, 5e-4
# Sampling that takes everything is the same on both sides, whatever the random numbers.
EVERYTHING = {
    "rpn_batch_size_per_image": 1000000,
    "box_batch_size_per_image": 1000000,
    "rpn_positive_fraction": 0.5,
    "box_positive_fraction": 0.5,
}
SETTINGS = {
    # The best few of each level, thinned, and of those the best few: every cut bites.
    "fp32": {**EVERYTHING, "rpn_pre_nms_top_n_train": 100, "rpn_post_nms_top_n_train": 80},
    # bf16 ranks proposals otherwise than float32, so all of them are kept.
    "bf16": {
        **EVERYTHING,
        "rpn_pre_nms_top_n_train": 1000000,
        "rpn_post_nms_top_n_train": 1000000,
        "rpn_nms_thresh": 1.0,
        "rpn_score_thresh": 0.0,
    },
}
LOSS_BOUND = {"fp32": 1e-4, "bf16": 3e-2}
UPDATE_BOUND, PEER_FACTOR, PEER_FLOOR = 1e-3, 4, 1e-4
UNITS_TRIED = 4
# Pictures (width, height) of different sizes, tall and wide, so that batches are padded; and the shorter and the longer side
# they are resized to: some shrink, some grow, some meet the one limit and some the other.
RESIZED = (((260, 200), (181, 240), (320, 233), (200, 200), (150, 307), (243, 190)), 192, 256)
AS_THEY_ARE = (((256, 192), (192, 224), (200, 192), (192, 192), (192, 250), (243, 192)), 192, 256)
# All proposals of a ResNet's fine levels are many.
SMALL = (((130, 100), (90, 120), (160, 117), (100, 100), (75, 153), (121, 95)), 96, 128)
# As large as the losses stay tame, for updates well above the rounding of weights.
RATES = {
    ("fasterrcnn_resnet50_fpn", "frozen"): 0.002,
    ("fasterrcnn_resnet50_fpn", "batch"): 0.002,
    ("fasterrcnn_mobilenet_v3_large_fpn", "frozen"): 0.003,
    ("fasterrcnn_mobilenet_v3_large_fpn", "batch"): 0.01,
    ("fasterrcnn_mobilenet_v3_large_320_fpn", "frozen"): 0.003,
    ("fasterrcnn_mobilenet_v3_large_320_fpn", "batch"): 0.01,
}

QUICK = [
    ("fasterrcnn_mobilenet_v3_large_320_fpn", "batch", "fp32", "yes", 1),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", "frozen", "bf16", "yes", 1),
]
# Of a steep descent, weights rounded to 8 bits soon take another way: here the losses must not leap from step to step.
BF16_RATE = 0.1


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--arch", choices=reference.ARCHS, action="append")
    parser.add_argument("--norm", choices=("frozen", "batch"), action="append")
    parser.add_argument("--precision", choices=("fp32", "bf16"), action="append")
    parser.add_argument("--resize", choices=("yes", "no"), action="append")
    parser.add_argument("--seed", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--layers", type=int, help="trainable_backbone_layers (default: 3)", default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workdir", help="keep the files there")
    return parser.parse_args()


@torch.no_grad()
def still_proposals(model):
    """Proposals close to their anchors. Which of them overlap a face by half is a decision, and one more or less of the few
    that do is no matter of precision."""
    for parameter in model.rpn.head.bbox_pred.parameters():
        parameter.mul_(0.01)


class Case:
    def __init__(self, arguments, key, folder):
        self.arch, self.norm, self.precision, self.resize, self.seed = key
        self.program, self.layers, self.threads = arguments.program, arguments.layers, arguments.threads
        self.folder = folder
        sizes, low, high = RESIZED if self.resize == "yes" else AS_THEY_ARE
        if self.precision == "bf16":
            sizes, low, high = SMALL
        self.settings = {"min_size": low, "max_size": high, **SETTINGS[self.precision]}
        self.lr = RATES[self.arch, self.norm] * (BF16_RATE if self.precision == "bf16" else 1)
        self.items = reference.make_dataset(folder / "data", sizes, self.seed, boxes_per_picture=8)
        self.model = random_model(self.arch, self.norm, self.layers, self.seed, **self.settings)
        if self.precision == "bf16":
            still_proposals(self.model)
        self.start = {name: tensor.double() for name, tensor in self.model.state_dict().items()}
        reference.write_safetensors(folder / "start.safetensors", self.model.state_dict())

    def run_torch(self, dtype, kinks=None):
        batches = [self.items[at : at + BATCH] for at in range(0, STEPS * BATCH, BATCH)]
        optimizer = {"lr": self.lr, "momentum": MOMENTUM, "weight_decay": DECAY}
        return reference.train(self.model, batches, optimizer, dtype, kinks)

    def run_program(self):
        settings = {
            "model.arch": self.arch,
            "model.norm": self.norm,
            "model.trainable_backbone_layers": self.layers,
            "augment": "[]",
            "train.precision": self.precision,
            "train.shuffle": "false",
            "train.batch_size": BATCH,
            "train.lr": self.lr,
            "train.momentum": MOMENTUM,
            "train.weight_decay": DECAY,
            "train.schedule": "constant",
            "train.epochs": 1,
            **{"model." + key: value for key, value in self.settings.items()},
        }
        command = [self.program, "train", str(self.folder / "data"), "--weights", str(self.folder / "start.safetensors")]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        command += ["--split", str(self.folder / "data" / "split.json"), "--fold", "none", "--max-steps", str(STEPS)]
        command += ["--runs", str(self.folder / "runs"), "--name", "run", "--threads", str(self.threads), "--quiet"]
        subprocess.run(command, check=True)
        run = self.folder / "runs" / "run" / "fold_all"
        steps = [json.loads(line) for line in (run / "steps.jsonl").read_text().splitlines()]
        state = reference.read_safetensors(run / "weights" / "last.safetensors")
        return steps, {name: tensor.double() for name, tensor in state.items()}


def compare_losses(ours, torchs, bound):
    worst = 0
    for step, (a, b) in enumerate(zip(ours, torchs)):
        cells = []
        for name in reference.LOSSES:
            error = abs(a[name] - b[name]) / max(abs(b[name]), 1e-6)
            worst = max(worst, error)
            cells.append(f"{name[5:]} {b[name]:.6f} ({error:.1e})")
        print(f"    step {step + 1}: " + ", ".join(cells))
    passed = worst <= bound and len(ours) == len(torchs)
    print(f"    losses: worst {worst:.1e}, bound {bound:.0e}: {'ok' if passed else 'FAILED'}")
    return passed


def errors_of(start, state, judge):
    """[(error, rounding, name)] of every tensor, both relative to its update, by falling excess of error over rounding. A
    tensor that the judge leaves alone must stay as it was, to the bit."""
    errors = []
    for name, after in judge.items():
        before, mine = start[name], state[name].reshape(after.shape)
        update, difference = (after - before).norm().item(), (mine - after).norm().item()
        if update == 0:
            if difference > 0:
                errors.append((float("inf"), 0.0, name))
        else:
            errors.append((difference / update, STEPS * 2**-24 * before.norm().item() / update, name))
    return sorted(errors, key=lambda entry: entry[1] - entry[0])


def worst_excess(errors):
    return max(errors[0][0] - errors[0][1], 0)


def median(errors):
    return statistics.median(error for error, _, _ in errors)


def names_agree(ours, judge):
    if set(ours) != set(judge):
        print("    only on one side: " + " ".join(sorted(set(ours) ^ set(judge))[:10]))
    return set(ours) == set(judge)


def compare_updates(start, ours, judge, bound):
    """(passed, worst excess)"""
    errors = errors_of(start, ours, judge)
    worst = worst_excess(errors)
    for error, rounding, name in errors[:3]:
        print(f"    update off by {error:.1e} (rounding may cost {rounding:.1e}): {name}")
    print(
        f"    {len(errors)} updates off by {median(errors):.1e} (median); above rounding by {worst:.1e} at most, bound {bound:.1e}: "
        f"{'ok' if worst <= bound else 'too much'}",
        flush=True,
    )
    return worst <= bound, worst


def judge_updates(case, ours, peer):
    """Compares with float64; when that fails, with float64 and those units on the other side of their bend that lie there
    up to the rounding of float32, as long as each explains at least half of what is left."""
    seen = Kinks()
    judge = case.run_torch(torch.float64, seen)[1]
    if not names_agree(ours, judge):
        return False
    torchs = errors_of(case.start, peer, judge)
    bound = min(UPDATE_BOUND, PEER_FACTOR * worst_excess(torchs) + PEER_FLOOR)
    print(f"    torch's float32 is off by {median(torchs):.1e} (median); above rounding by {worst_excess(torchs):.1e} at most")
    passed, worst = compare_updates(case.start, ours, judge, bound)
    across = []
    for unit in [] if passed else seen.nearest(UNITS_TRIED):
        print(f"    the judge once more, on the other side: {describe(unit)}")
        judge = case.run_torch(torch.float64, Kinks([*across, unit]))[1]
        passed, left = compare_updates(case.start, ours, judge, bound)
        if left < worst / 2:
            across, worst = [*across, unit], left
        if passed:
            break
    if not passed and worst <= UPDATE_BOUND:
        print(f"    within {UPDATE_BOUND:.0e}, which is what is asked for, and further off than float32 explains")
        passed = True
    print(f"    updates: {'ok' if passed else 'FAILED'}" + (f", decided by rounding: {len(across)} units" if across else ""))
    return passed


def check_case(arguments, key, folder):
    folder.mkdir(parents=True, exist_ok=True)
    case = Case(arguments, key, folder)
    print(f"{' '.join(map(str, key))}, {case.layers} trained stages, lr {case.lr}", flush=True)
    our_losses, our_state = case.run_program()
    torch_losses, torch_state = case.run_torch(torch.float32)
    passed = compare_losses(our_losses, torch_losses, LOSS_BOUND[case.precision])
    if case.precision == "fp32":
        passed &= judge_updates(case, our_state, torch_state)
    return passed


def chosen_keys(arguments):
    """All, or those that the options name; of all a few, unless FACEMASK_FULL is set."""
    named = arguments.arch or arguments.norm or arguments.precision or arguments.resize or arguments.seed
    if not named and not os.environ.get("FACEMASK_FULL"):
        return QUICK
    return [
        (arch, norm, precision, resize, seed)
        for arch in arguments.arch or reference.ARCHS
        for norm in arguments.norm or ("frozen", "batch")
        for precision in arguments.precision or ("fp32", "bf16")
        for resize in arguments.resize or ("yes", "no")
        for seed in arguments.seed or (1, 2)
        if not (precision == "bf16" and resize == "no")
    ]


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    keys = [key for key in chosen_keys(arguments) if key[2] != "bf16" or knows_bf16()]
    if not keys:
        print("skipped: this processor has no bf16")
        sys.exit(77)
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        for key in keys:
            folder = Path(arguments.workdir or temporary) / "_".join(map(str, key))
            failed += not check_case(arguments, key, folder)
    print(f"{len(keys) - failed} of {len(keys)} cases passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
