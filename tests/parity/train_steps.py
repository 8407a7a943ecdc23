#!/usr/bin/python3
"""Training as torchvision does it: from the same random weights, pictures and boxes, `facemask train` and torch each make
three SGD steps. Compared are the four losses of every step, every parameter's update, and the running statistics.

    train_steps.py build/facemask [--arch NAME] [--norm frozen|batch] [--precision fp32|bf16]

Exits with 1 when a figure is out of bounds: fp32 losses 1e-4 relative, updates 1e-3 relative (norm of the difference over
norm of the update, per tensor), bf16 losses 3 %."""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch

import torch_reference as reference

warnings.filterwarnings("ignore")
STEPS, BATCH = 3, 2
LR, MOMENTUM, DECAY = 0.002, 0.9, 5e-4
# Sampling that takes everything is the same on both sides, whatever the random numbers.
SETTINGS = {
    "rpn_batch_size_per_image": 1000000,
    "box_batch_size_per_image": 1000000,
    "rpn_positive_fraction": 0.5,
    "box_positive_fraction": 0.5,
    "rpn_pre_nms_top_n_train": 300,
    "rpn_post_nms_top_n_train": 200,
}
LOSS_BOUND = {"fp32": 1e-4, "bf16": 3e-2}
UPDATE_BOUND = 1e-3
# Pictures of different sizes, tall and wide, so that batches are padded and pictures shrink and grow.
SIZES = ((260, 200), (181, 240), (320, 233), (200, 200), (150, 307), (243, 190))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--arch", choices=reference.ARCHS, action="append")
    parser.add_argument("--norm", choices=("frozen", "batch"), action="append")
    parser.add_argument("--precision", choices=("fp32", "bf16"), action="append")
    parser.add_argument("--layers", type=int, help="trainable_backbone_layers (default: 3)", default=3)
    parser.add_argument("--min-size", type=int, default=192)
    parser.add_argument("--max-size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workdir", help="keep the files there")
    return parser.parse_args()


def run_torch(model, items):
    """Losses per step and the state after the last."""
    optimizer = reference.make_optimizer(model, LR, MOMENTUM, DECAY)
    model.train()
    losses = []
    for step in range(STEPS):
        losses.append(reference.train_step(model, optimizer, items[step * BATCH : (step + 1) * BATCH]))
    return losses, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def run_program(arguments, case, folder):
    arch, norm, precision = case
    settings = {
        "model.arch": arch,
        "model.norm": norm,
        "model.trainable_backbone_layers": arguments.layers,
        "model.min_size": arguments.min_size,
        "model.max_size": arguments.max_size,
        "augment": "[]",
        "train.precision": precision,
        "train.shuffle": "false",
        "train.batch_size": BATCH,
        "train.lr": LR,
        "train.momentum": MOMENTUM,
        "train.weight_decay": DECAY,
        "train.schedule": "constant",
        "train.epochs": 1,
        **{"model." + key: value for key, value in SETTINGS.items()},
    }
    command = [arguments.program, "train", str(folder / "data"), "--weights", str(folder / "start.safetensors")]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    name = f"{norm}_{precision}"
    command += ["--split", str(folder / "data" / "split.json"), "--fold", "none", "--max-steps", str(STEPS)]
    command += ["--runs", str(folder / "runs"), "--name", name, "--threads", str(arguments.threads), "--quiet"]
    subprocess.run(command, check=True)
    run = folder / "runs" / name / "fold_all"
    lines = [json.loads(line) for line in (run / "steps.jsonl").read_text().splitlines()]
    return lines, reference.read_safetensors(run / "weights" / "last.safetensors")


def compare_losses(ours, torchs, bound):
    worst = 0
    for step, (a, b) in enumerate(zip(ours, torchs)):
        cells = []
        for name in reference.LOSSES:
            error = abs(a[name] - b[name]) / max(abs(b[name]), 1e-6)
            worst = max(worst, error)
            cells.append(f"{name[5:]} {b[name]:.6f} ({error:.1e})")
        print(f"    step {step + 1}: " + ", ".join(cells))
    return worst <= bound and len(ours) == len(torchs), worst


def compare_updates(start, ours, torchs, bound):
    """Every tensor of the state_dict; a tensor that torch leaves alone must stay as it was, to the bit."""
    missing = sorted(set(torchs) ^ set(ours))
    errors = []
    for name, after in torchs.items():
        if name not in ours:
            continue
        before, mine = start[name].double(), ours[name].double().reshape(after.shape)
        update = (after.double() - before).norm().item()
        difference = (mine - after.double()).norm().item()
        error = difference / update if update > 0 else (0.0 if difference == 0 else float("inf"))
        rounding = (before.abs() * 2**-24).norm().item() / update if update > 0 else 0
        errors.append((error, name, rounding))
    errors.sort(reverse=True)
    for error, name, rounding in errors[:3]:
        print(f"    update {error:.1e} {name} (rounding {rounding:.1e})")
    for name in missing[:10]:
        print(f"    only on one side: {name}")
    return not missing and errors[0][0] <= bound, errors[0][0]


def check_case(arguments, case, folder):
    arch, norm, precision = case
    print(f"{arch} {norm} {precision}, {arguments.layers} trained stages", flush=True)
    items = reference.make_dataset(folder / "data", SIZES, arguments.seed)
    model = reference.random_model(
        arch, norm, arguments.layers, arguments.seed, min_size=arguments.min_size, max_size=arguments.max_size, **SETTINGS
    )
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    reference.write_safetensors(folder / "start.safetensors", start)
    torch_losses, torch_state = run_torch(model, items)
    our_losses, our_state = run_program(arguments, case, folder)
    passed, worst = compare_losses(our_losses, torch_losses, LOSS_BOUND[precision])
    print(f"    losses: worst {worst:.1e}, bound {LOSS_BOUND[precision]:.0e}: {'ok' if passed else 'FAILED'}")
    if precision == "fp32":
        same, worst = compare_updates(start, our_state, torch_state, UPDATE_BOUND)
        print(f"    updates: worst {worst:.1e}, bound {UPDATE_BOUND:.0e}: {'ok' if same else 'FAILED'}")
        passed = passed and same
    return passed


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    cases = [
        (arch, norm, precision)
        for arch in arguments.arch or reference.ARCHS
        for norm in arguments.norm or ("frozen", "batch")
        for precision in arguments.precision or ("fp32", "bf16")
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(arguments.workdir or temporary)
        for case in cases:
            folder = root / "_".join(case)
            folder.mkdir(parents=True, exist_ok=True)
            failed += not check_case(arguments, case, folder)
    print(f"{len(cases) - failed} of {len(cases)} cases passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
