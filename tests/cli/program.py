"""The program from the outside: help, words that are off, exit statuses, what goes to which stream; and the verbs that run no
model on drawn data and, where ../shared is, on the real annotations with known results.

usage: program.py FACEMASK [SHARED_FOLDER]
"""
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, failures

FACEMASK = str(Path(sys.argv[1]).resolve())
SHARED = Path(sys.argv[2]) if len(sys.argv) > 2 else None


def run(*words, **options):
    return subprocess.run([FACEMASK, *map(str, words)], capture_output=True, text=True, **options)


def check_fails(done, status, words, text):
    """One line on standard error that says what went wrong, nothing on standard output."""
    lines = done.stderr.strip().splitlines()
    good = done.returncode == status and len(lines) == 1 and all(w in lines[0] for w in words) and not done.stdout
    check(good, f"{text}: status {done.returncode}, {done.stderr.strip()[-200:]!r}")


def check_words():
    done = run("--version")
    check(done.returncode == 0 and re.fullmatch(r"facemask \d+\.\d+\.\d+\n", done.stdout), "--version tells the version")
    check_fails(run(), 2, ["--help"], "no verb")
    check_fails(run("detct"), 2, ["detct", "did you mean detect?"], "a misspelt verb")
    check_fails(run("zzzzzzzzzz"), 2, ["zzzzzzzzzz", "--help"], "a word near no verb")
    check_fails(run("split"), 2, ["usage: facemask split DATA"], "too few words")
    check_fails(run("split", "a", "b"), 2, ["b is one word too many"], "too many words")
    check_fails(run("split", "a", "--flods", "3"), 2, ["--flods", "--folds"], "a misspelt option")
    check_fails(run("split", "a", "--folds"), 2, ["--folds", "N"], "an option without its value")
    check_fails(run("split", "a", "--no-shuffle=1"), 2, ["--no-shuffle"], "a value where none belongs")
    for value in ("1", "2.5", "x", "", "1e9", "nan"):
        check_fails(run("split", "a", f"--folds={value}"), 2, ["--folds"], f"--folds {value!r}")
    check_fails(run("info", "--threads", "0"), 2, ["--threads"], "no threads")
    check_fails(run("explore", "/nowhere"), 1, ["facemask explore: ", "/nowhere"], "data that is not there")
    check_fails(run("explore", "--", "--json"), 1, ["--json"], "-- ends the options")


def check_name():
    """What ps, top and pkill call it, though it starts itself again. Without wait() a process that ended keeps its name."""
    environment = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    process = subprocess.Popen([FACEMASK, "info"], stdout=subprocess.PIPE, env=environment)
    process.stdout.read()
    name = Path(f"/proc/{process.pid}/comm").read_text().strip()
    process.communicate()
    check(name == Path(FACEMASK).name[:15], f"the process is called {name}")


def check_help():
    shown = run("--help")
    verbs = re.findall(r"^  (\w+) +\S", shown.stdout, re.MULTILINE)
    check(shown.returncode == 0 and {"explore", "split", "synth", "info"} <= set(verbs), f"--help lists {verbs}")
    for verb in verbs:
        done = run(verb, "--help")
        lines = done.stdout.splitlines()
        check(done.returncode == 0 and lines[0].startswith(f"usage: facemask {verb} ") and not done.stderr,
              f"{verb} --help tells its usage")
        check(all(any(line.lstrip().startswith(o) for line in lines) for o in ("--threads", "--quiet", "--json", "--help")),
              f"{verb} has the options of every verb")
        check(run(verb, "-h").stdout == done.stdout, f"{verb} -h is the same")
        check_fails(run(verb, "--no-such-option"), 2, [f"facemask {verb}: ", "--no-such-option"], f"{verb}, an unknown option")
    keys = run("train", "--help").stdout if "train" in verbs else ""
    check("train" not in verbs or all(k in keys for k in ("model.arch", "train.lr", "loss.box")), "train --help has the keys")


def check_streams(folder):
    done = run("info", "--json")
    info = json.loads(done.stdout)
    check(not done.stderr and info["threads"] >= 1 and info["auto_precision"] in ("bf16", "fp32"), "info as JSON")
    check(json.loads(run("info", "--json", "--threads=3").stdout)["threads"] == 3, "--threads is taken")
    plain = run("info").stdout
    check(info["processor"] in plain and info["engine"] in plain, "info as text")
    with open("/dev/full", "w") as full:
        done = subprocess.run([FACEMASK, "info"], stdout=full, stderr=subprocess.PIPE, text=True)
    check(done.returncode == 1 and "standard output" in done.stderr, "a full disk behind standard output is a failure")
    quiet = run("synth", "--count", 2, "--out", folder / "quiet", "--quiet")
    check(quiet.returncode == 0 and not quiet.stdout and not quiet.stderr, "--quiet says nothing")
    done = run("split", folder / "quiet", "--json", "--folds", 2, "--test-fraction", 0, "--out", folder / "q.json")
    check(json.loads(done.stdout) == json.loads((folder / "q.json").read_text()), "split prints what it writes")


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def check_synth(folder):
    first = json.loads(run("synth", "--count", 6, "--seed", 5, "--out", folder / "a", "--json").stdout)
    run("synth", "--count", 6, "--seed", 5, "--out", folder / "b", "--threads", 1)
    run("synth", "--count", 6, "--seed", 6, "--out", folder / "c")
    a, b, c = (files(folder / name) for name in "abc")
    check(len(a) == 12 and a == b, "the same seed draws the same files on any number of threads")
    check(set(a) == set(c) and a != c, "another seed draws others")
    summary = json.loads(run("explore", folder / "a", "--json").stdout)
    faces = {entry["name"]: entry["faces"] for entry in summary["classes"]}
    check(summary["images"] == 6 and summary["faces"] == first["faces"], "explore counts what synth drew")
    check(all(first[name] == faces.get(name, 0) for name in ("with_mask", "without_mask", "mask_weared_incorrect")),
          "of every class")
    check(summary["problems"] == [], "and finds nothing wrong")
    check_fails(run("synth", "--count", 3), 2, ["--out"], "synth without --out")
    check_fails(run("synth", "--count", 0, "--out", folder / "d"), 2, ["--count"], "synth of nothing")
    (folder / "file").write_text("")
    check_fails(run("synth", "--count", 1, "--out", folder / "file"), 1, ["file"], "synth into a file")


def check_broken_data(folder):
    data = folder / "broken"
    shutil.copytree(folder / "a", data)
    before = sorted(p.stem for p in (data / "images").iterdir())
    (data / "annotations" / f"{before[0]}.xml").write_text("<annotation><object>")
    (data / "images" / f"{before[1]}.png").unlink()
    done = run("explore", data, "--json")
    summary = json.loads(done.stdout)
    named = " ".join(problem["file"] for problem in summary["problems"])
    check(done.returncode == 0 and before[0] in named and before[1] in named, "problems are listed by file")
    check(summary["images"] == 4, "and their pictures left out")
    done = run("explore", data, "--strict")
    check(done.returncode == 1 and before[0] in done.stderr, "--strict makes them fatal")
    check_fails(run("split", folder / "a", "--folds", 7, "--out", folder / "s.json"), 2, ["7"], "more folds than pictures")


def check_next_steps(folder):
    """A message says what to do next."""
    alone = folder / "a" / "annotations"
    check_fails(run("samples", alone, "--out", folder / "none"), 1, ["no pictures", "--images"], "samples without pictures")
    check_fails(run("train", alone, "--runs", folder / "none"), 1, ["no pictures", "--images"], "train without pictures")
    check_fails(run("evaluate", folder / "a", "--subset", "test"), 2, ["--split", "facemask split"], "a subset of no split")
    torch = folder / "model.pth"
    torch.write_bytes(b"PK\3\4" + bytes(100))
    check_fails(run("train", folder / "a", "--runs", folder / "none", "--weights", torch), 1, ["model.pth", "facemask import"],
                "PyTorch's file as weights")
    done = run("split", folder / "broken", "--folds", 2, "--out", folder / "s.json")
    check(f"facemask explore {folder / 'broken'} lists them" in done.stderr, f"who lists the problems: {done.stderr.splitlines()[0]!r}")


def check_many_classes(folder):
    """Twenty classes whose names differ at their end alone: tables keep them apart and their lines short."""
    data = folder / "many"
    run("synth", "--count", 30, "--seed", 2, "--out", data)
    names = [f"a_mask_that_is_worn_under_the_nose_or_the_chin_{i:02}" for i in range(20)]
    for at, path in enumerate(sorted((data / "annotations").iterdir())):
        for face, old in enumerate(re.findall("<name>(.*?)</name>", path.read_text())):
            path.write_text(path.read_text().replace(f"<name>{old}</name>", f"<name>{names[(at + 7 * face) % 20]}</name>", 1))
    (folder / "empty.json").write_text("[]")
    for words in (("split", data, "--folds", 3, "--out", folder / "s.json"), ("explore", data),
                  ("evaluate", data, "--predictions", folder / "empty.json")):
        lines = run(*words).stdout.splitlines()
        rows = {line.split()[0] for line in lines if line.startswith("a_mask") and len(line) <= 110}
        check(len(rows) == 20, f"{words[0]}: a short row for each of {len(rows)} classes")


def check_unwritable(folder):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    target = folder / "kept.json"
    target.write_text("kept")
    # Python ignores SIGXFSZ, and without restore_signals the program inherits that: writes fail as on a full disk.
    done = run("split", folder / "a", "--folds", 2, "--out", target, restore_signals=False, preexec_fn=limit)
    check(done.returncode == 1 and "kept.json" in done.stderr, "a split that finds no room fails")
    check(target.read_text() == "kept" and not list(folder.glob("kept.json?*")), "the file before it stands, nothing beside it")


def check_goldens(folder):
    data, golden = SHARED / "data" / "kaggle-annotations-853", SHARED / "golden"
    expected = json.loads((golden / "explore_853.json").read_text())
    done = run("explore", data, "--json", "--out", folder / "explore")
    found = json.loads(done.stdout)
    for key, value in expected.items():
        same = abs(found[key] - value) < 1e-9 if isinstance(value, float) else found[key] == value
        check(same, f"explore: {key} of the 853 pictures")
    check(len(found["problems"]) >= 12, "explore: the twelve boxes outside their pictures are among the problems")
    kept = json.loads((folder / "explore" / "explore.json").read_text())
    check(all(kept[key] == found[key] for key in expected), "explore.json has the same figures")
    expected = json.loads((golden / "notebook_split.json").read_text())
    found = json.loads(run("split", data, "--json", "--out", folder / "split.json").stdout)
    check(found["train"] == expected["train"] and found["test"] == expected["test"], "split: the notebook's train and test")
    check([fold["valid"] for fold in found["folds"]] == expected["valid_folds"], "split: the notebook's folds")
    check([(row["train"], row["valid"]) for row in found["table"]] ==
          [(767 - len(valid), len(valid)) for valid in expected["valid_folds"]], "split: the sizes in its table")
    expected = json.loads((golden / "notebook_explore_folds.json").read_text())
    found = json.loads(run("split", data, "--json", "--no-shuffle", "--out", folder / "split.json").stdout)
    check([fold["valid"] for fold in found["folds"]] == expected["valid_folds"], "split --no-shuffle: the notebook's folds")


def main():
    check_words()
    check_name()
    check_help()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_streams(folder)
        check_synth(folder)
        check_broken_data(folder)
        check_next_steps(folder)
        check_many_classes(folder)
        check_unwritable(folder)
        if SHARED and (SHARED / "golden").is_dir():
            check_goldens(folder)
        else:
            print("skipped: the known results of the real annotations, there is no ../shared")
    print(f"{failures()} failed")
    return 1 if failures() else 0


if __name__ == "__main__":
    sys.exit(main())
