"""The verb samples, from words to files and exit status.

usage: samples.py FACEMASK
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, failures

FACEMASK = sys.argv[1]


def run(*words):
    return subprocess.run([FACEMASK, *map(str, words)], capture_output=True, text=True)


def samples(*words):
    return run("samples", *words)


def check_fails(done, code, words, text):
    error = done.stderr
    check(done.returncode == code and words in error and done.stdout == "", f"{text}: {done.returncode} {error.strip()[-160:]!r}")


def check_pictures(folder, data):
    out = folder / "out"
    done = samples(data, "--count", 5, "--seed", 1, "--out", out, "--json")
    result = json.loads(done.stdout)
    check(done.returncode == 0 and len(result["samples"]) == 5, "as many samples as asked for")
    files = sorted([result["sheet"], *(s["file"] for s in result["samples"])])
    check(files == sorted(map(str, out.iterdir())), "the files of the result, and no others")
    check(all(Path(f).read_bytes()[:4] == b"\x89PNG" for f in files), "all of them PNG")
    quiet = samples(data, "--count", 5, "--seed", 1, "--out", out, "--quiet")
    check(quiet.returncode == 0 and quiet.stdout == quiet.stderr == "", "with --quiet nothing is said")
    check([s["name"] for s in json.loads(samples(data, "--count", 5, "--seed", 2, "--out", out, "--json").stdout)["samples"]]
          != [s["name"] for s in result["samples"]], "another seed takes other pictures")
    return result


def check_augmented(folder, data, plain):
    def augmented(*words):
        done = samples(data, "--count", 5, "--seed", 1, "--out", folder / "augmented", "--augment", "--json", *words)
        return json.loads(done.stdout)

    first = augmented("--set", "augment=strong")
    check([s["name"] for s in first["samples"]] == [s["name"] for s in plain["samples"]], "the same seed takes the same pictures")
    check(first == augmented("--set", "augment=strong"), "and does the same to them")
    check([s["faces"] for s in first["samples"]] != [s["faces"] for s in plain["samples"]], "boxes are where the transforms put them")
    none = augmented("--set", "augment=[]")
    check([s["faces"] for s in none["samples"]] == [s["faces"] for s in plain["samples"]], "no transforms leave boxes alone")
    config = folder / "config.yaml"
    config.write_text("train: {seed: 1}\naugment:\n  - horizontal_flip: {p: 1}\n")
    flipped = augmented("--config", config)
    width = {s["name"]: s["width"] for s in plain["samples"]}
    boxes = {s["name"]: [f["box"] for f in s["faces"]] for s in plain["samples"]}
    check(all(abs(f["box"][0] - (width[s["name"]] - boxes[s["name"]][i][2])) < 1e-3
              for s in flipped["samples"] for i, f in enumerate(s["faces"])), "a flip from a file mirrors every box")
    names = [s["name"] for s in json.loads(samples(data, "--count", 5, "--config", config, "--out", folder / "augmented", "--json").stdout)["samples"]]
    check(names == [s["name"] for s in plain["samples"]], "train.seed of the file is the seed")


def check_mistakes(folder, data):
    out = ["--out", folder / "none"]
    check_fails(samples(), 2, "usage", "no data")
    check_fails(samples(folder / "gone", *out), 1, "gone", "missing data")
    check_fails(samples(data, "--cont", 3, *out), 2, "--count", "a misspelt option")
    check_fails(samples(data, "--count", 0, *out), 2, "--count", "no pictures")
    check_fails(samples(data, "--seed", 1.5, *out), 2, "--seed", "half a seed")
    check_fails(samples(data, "--set", "augment=strng", *out), 2, "strong", "a misspelt list")
    check_fails(samples(data, "--set", "augment=[{rotate: {limt: 3}}]", *out), 2, "limit", "a misspelt parameter")
    check_fails(samples(data, "--set", "augment=[{rotate: {limit: 200}}]", *out), 2, "limit", "too large an angle")
    check_fails(samples(data, "--out", "/dev/null/folder"), 1, "/dev/null", "a folder that cannot be made")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        run("synth", "--count", 9, "--seed", 3, "--out", data)
        check_augmented(folder, data, check_pictures(folder, data))
        check_mistakes(folder, data)
    print(f"{failures()} failures")
    return failures() > 0


sys.exit(main())
