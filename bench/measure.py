"""Running facemask and its peers for bench/compare.py: programs in, milliseconds and MiB out."""
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
PIP = ("onnxruntime==1.32.0", "onnx==1.17.0", "ml_dtypes==0.5.4", "openvino", "pycocotools==2.0.8")


def fail(words, output):
    last = (output.strip() or "no message").splitlines()[-1]
    # Names without their folders: these lines come into the documents.
    return RuntimeError(f"{' '.join(Path(word).name for word in words[:3])}: {last}")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise fail(words, done.stderr)
    return done.stdout


def is_installed(python, requirement):
    name, _, version = requirement.partition("==")
    program = f"from importlib.metadata import version; exit({version!r} not in ('', version({name!r})))"
    return subprocess.run([python, "-c", program], capture_output=True).returncode == 0


def install_peers(folder):
    """The Python of an environment that sees Debian's PyTorch and has, from PyPI, what can be had of PIP."""
    python = folder / "bin" / "python3"
    if not python.exists():
        run("/usr/bin/python3", "-m", "venv", "--system-site-packages", folder)
    for requirement in PIP:
        if not is_installed(python, requirement):
            print(f"installing {requirement}", file=sys.stderr)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement])
    return python


class Ours:
    def __init__(self, build, threads):
        self.program = build / "facemask"
        self.threads = threads

    def bench(self, job, size, batch, steps, *words, threads=None):
        """The figures of `facemask bench` for one job."""
        words = ("bench", "--only", job, "--size", size, "--batch", batch, "--steps", steps, *words)
        text = run(self.program, *words, "--threads", threads or self.threads, "--json", "--quiet")
        return json.loads(text)["training" if job == "train" else "detection"]

    def once(self, *words):
        """Seconds from the start of the program to its end, and its largest memory in MiB."""
        words = [str(word) for word in (self.program, *words, "--threads", self.threads, "--quiet")]
        begun = time.perf_counter()
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise fail(words, "")
        return seconds, usage.ru_maxrss / 1024


class Peer:
    """A started peer; `start` is the seconds until its first result, `about` what it says of itself then."""

    def __init__(self, python, script, *words):
        words = [str(python), "-W", "ignore", str(PEERS / script), *map(str, words)]
        begun = time.perf_counter()
        self.child = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.child.stdout.readline()
        self.start = time.perf_counter() - begun
        if not line:
            raise fail(words[3:], self.child.communicate()[1])
        self.about = json.loads(line)

    def ask(self, steps):
        """Milliseconds of a step, the median of so many."""
        self.child.stdin.write(f"{steps}\n")
        self.child.stdin.flush()
        self.answer = json.loads(self.child.stdout.readline())
        return statistics.median(self.answer["ms"])

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def take_turns(pairs, *sides):
    """Every side in turn, as often as `pairs`: the times of each."""
    times = [[] for _ in sides]
    for pair in range(pairs):
        order = range(len(sides)) if pair % 2 == 0 else range(len(sides) - 1, -1, -1)
        for side in order:
            times[side].append(sides[side]())
    return times


def ratio(ours, theirs):
    """How many times as long they take: the median of the pairs."""
    return statistics.median(b / a for a, b in zip(ours, theirs))
