"""PyTorch's files as torch writes them, read and written again by the program's reader and writer, and compared by torch.
Files that hold more than tensors and plain containers must be refused by name, with nothing run.

usage: torch_files.py TORCH_RUNNER      (the executable of tests/format/torch_runner.c)
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

warnings.filterwarnings("ignore")
LAYOUTS = {
    "zip": {},
    "zip, protocol 4": {"pickle_protocol": 4},
    "old": {"_use_new_zipfile_serialization": False},
    "old, protocol 4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}


def flat(value, prefix=""):
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, torch.Tensor):
            yield name, item.detach()
        elif isinstance(item, dict):
            yield from flat(item, name + ".")


def contents():
    x = torch.arange(24.0).reshape(2, 3, 4)
    yield "types", {str(t): x.to(t) for t in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64)}
    yield "small types", {str(t): x.to(t) for t in (torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)}
    views = {"plain": x, "turned": x.permute(2, 0, 1), "stepped": x[1:, ::2], "spread": x[0, 0, :1].expand(5, 1, 3)}
    yield "views of one storage", views
    yield "odd shapes", {"none": torch.zeros(0, 3), "scalar": torch.tensor(3.5), "long": torch.zeros(2, 1, 1, 1, 1, 1, 3)}
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 2))
    yield "a state_dict", module.state_dict()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.randn(2, 3, 10, 10)).sum().backward()
    optimizer.step()
    checkpoint = {"model": module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.25}
    yield "a checkpoint", checkpoint | {"history": [1, (2, "x"), None, True], "ordered": collections.OrderedDict(w=x)}
    yield "parameters", {"weight": torch.nn.Parameter(x), "größe": x, "big": 2**80, "size": x.shape}
    yield "many tensors", {f"layer{i}.weight": torch.full((i % 7 + 1,), float(i)) for i in range(1500)}


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refused(folder):
    x, trace = torch.ones(3), str(folder / "ran")
    yield "posix.system", {"x": x, "y": Runs(os.system, f"touch {trace}")}
    yield "eval", {"x": x, "y": Runs(eval, f"open({trace!r}, 'w')")}
    yield "torch.nn.modules.linear.Linear", torch.nn.Linear(2, 3)
    yield "argparse.Namespace", {"model": {"x": x}, "args": argparse.Namespace(lr=1)}
    yield "_rebuild_sparse_tensor", {"x": x.to_sparse()}


def run(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.strip()


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


def check_copy(program, folder, name, value, layout):
    source, copy = folder / "source.pth", folder / "copy.pth"
    torch.save(value, source, **LAYOUTS[layout])
    code, message = run(program, source, copy)
    if code:
        return message
    expected = dict(flat(value))
    for loaded in (torch.load(copy), torch.load(copy, weights_only=True)):
        if list(loaded) != list(expected):
            return f"other names: {list(loaded)[:5]}"
        wrong = [key for key, tensor in expected.items() if not same(loaded[key], tensor)]
        if wrong:
            return f"other values: {wrong[:5]}"
    return None


def check_cut(program, folder, layout):
    """A file cut short anywhere is refused."""
    source, copy = folder / "source.pth", folder / "copy.pth"
    torch.save({"weight": torch.randn(7, 5), "bias": torch.randn(7)}, source, **LAYOUTS[layout])
    data = source.read_bytes()
    for size in range(0, len(data) - 1, 7):
        source.write_bytes(data[:size])
        code, message = run(program, source, copy)
        if code != 1 or not message.startswith(str(source)):
            return f"{size} of {len(data)} bytes: exit {code}, {message!r}"
    return None


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    program, failed = sys.argv[1], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def report(what, problem):
            nonlocal failed
            failed += problem is not None
            print(f"{what}: {problem or 'ok'}")

        for layout in LAYOUTS:
            for name, value in contents():
                report(f"{layout}: {name}", check_copy(program, folder, name, value, layout))
            for name, value in refused(folder):
                torch.save(value, folder / "source.pth", **LAYOUTS[layout])
                code, message = run(program, folder / "source.pth", folder / "copy.pth")
                named = code == 1 and "refused" in message and name in message
                report(f"{layout}: {name}", None if named else f"exit {code}, {message!r}")
            report(f"{layout}: cut short", check_cut(program, folder, layout))
        report("nothing was run", "something was" if (folder / "ran").exists() else None)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
