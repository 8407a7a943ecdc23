#!/usr/bin/python3
"""The verbs explore and split, from words to files and exit status; their reports in a browser where there is one.

explore.py FACEMASK PAGE.PY"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, failures

FACEMASK, PAGE = sys.argv[1:]
EXPLORE = [
    "classes",
    "combinations",
    "faces_per_image",
    "face_sizes",
    "face_shares",
    "face_aspects",
    "face_places",
    "image_sizes",
]
SPLIT = ["faces_train", "faces_valid", "deviation"]


def run(*words, **options):
    return subprocess.run([FACEMASK, *map(str, words)], capture_output=True, text=True, **options)


def charts_of(folder):
    return {path.name for path in folder.iterdir() if path.suffix in {".png", ".svg", ".csv", ".gp"}}


def all_files(names):
    return {f"{name}.{kind}" for name in names for kind in ("png", "svg", "csv", "gp")}


def check_page(path):
    done = subprocess.run([sys.executable, PAGE, "--report", path], capture_output=True, text=True)
    if done.returncode == 77:
        print("        " + done.stdout.strip())
        return
    check(
        done.returncode == 0,
        f"{path.parent.name}/report.html in a browser: {done.stdout.strip()[-300:]}{done.stderr[-300:]}",
    )


def check_explore(data, folder):
    out = folder / "explore"
    done = run("explore", data, "--out", out, "--json")
    check(done.returncode == 0, f"explore: {done.stderr.strip()[-90:]!r}")
    found = json.loads(done.stdout)
    keys = ["images", "faces", "faces_per_image_mean", "classes", "combinations", "faces_per_image", "problems"]
    check(list(found) == keys, f"explore.json has the documented keys: {list(found)}")
    check(json.loads((out / "explore.json").read_text()) == found, "explore.json is what --json prints")
    check(found["images"] == 24 and found["faces"] == sum(c["faces"] for c in found["classes"]), "the counts add up")
    check(charts_of(out) == all_files(EXPLORE), "a picture a chart, with its data and script")
    classes = (out / "classes.csv").read_text().splitlines()[1:]
    check(
        classes == [f"{c['faces']},{c['images']},{c['name']}" for c in found["classes"]],
        f"the classes' chart shows the counts: {classes}",
    )
    details = json.loads((out / "explore_details.json").read_text())
    pairs = [(pair["first"], pair["second"], pair["same"]) for pair in details["duplicates"]]
    check(len(pairs) == 1 and pairs[0][0] == "copy" and pairs[0][2], f"the copied picture is told: {pairs}")
    check(len(details["contradictions"]) == 1, f"the changed label on it is told: {details['contradictions']}")
    page = (out / "report.html").read_text()
    page = page[page.index("<main>") : page.index("</main>")]
    shown = (page.count("data:image/jpeg"), page.count("1 contradictory label (named)</figcaption>"))
    check(shown == (1, 1), f"the page shows both pictures side by side, with the label: {shown}")
    table = run("explore", data).stdout
    check("1 pair of images the same" in table and "contradictory label" in table, "the table tells of them too")
    check_page(out / "report.html")
    return pairs[0][:2] if pairs else ("", "")


def check_annotations_only(data, folder):
    out = folder / "annotations"
    done = run("explore", data / "annotations", "--out", out)
    check(done.returncode == 0 and "annotations alone" in done.stdout, "explore says that the pictures are missing")
    check("annotations alone" in (out / "report.html").read_text(), "the report says so too")
    check("annotations alone" not in run("explore", data).stdout, "and does not say so when they are there")
    done = run("split", data / "annotations", "--group-duplicates", "--out", folder / "no.json")
    check(done.returncode == 2 and "--group-duplicates" in done.stderr, "split --group-duplicates needs the pictures")


def side_of(split, name):
    return next((i for i, fold in enumerate(split["folds"]) if name in fold["valid"]), "test")


def check_split(data, folder, pair):
    apart = 0
    for seed in range(6):
        plain, grouped = folder / "plain.json", folder / "grouped.json"
        words = ("split", data, "--folds", 3, "--test-fraction", 0.2, "--seed", seed, "--out")
        run(*words, plain)
        done = run(*words, grouped, "--group-duplicates")
        sides = [[side_of(json.loads(path.read_text()), name) for name in pair] for path in (plain, grouped)]
        apart += sides[0][0] != sides[0][1]
        if done.returncode or sides[1][0] != sides[1][1]:
            check(False, f"seed {seed}: grouped {sides[1]} {done.stderr}")
    check(apart > 0, f"without --group-duplicates the pair is apart in {apart} of 6 splits, with it never")
    out = folder / "split"
    done = run("split", data, "--folds", 3, "--out", folder / "split.json", "--report", out)
    check(done.returncode == 0 and charts_of(out) == all_files(SPLIT), f"split --report: {done.stderr.strip()[-90:]!r}")
    table = json.loads((folder / "split.json").read_text())["table"]
    rows = [line.rsplit(",", 1)[0] for line in (out / "faces_train.csv").read_text().splitlines()[1:]]
    check(rows == [",".join(map(str, row["faces"].values())) for row in table], f"the chart shows the table: {rows}")
    check("from an even share" in done.stdout, "the table tells how far the folds are from an even share")
    check_page(out / "report.html")


def check_without_gnuplot(data, folder):
    out = folder / "bare"
    done = run("explore", data, "--out", out, env={**os.environ, "PATH": "/nonexistent"})
    lines = [line for line in done.stderr.splitlines() if line.startswith("facemask explore:")]
    check(done.returncode == 1 and len(lines) == 1 and "gnuplot-nox" in lines[0], f"without gnuplot: {lines}")
    check(
        (out / "report.html").exists() and (out / "explore.json").exists(),
        "the page and the counts are there all the same",
    )


def add_copy(data):
    """A picture that is there twice, the second time with another class on its first face."""
    name = sorted((data / "images").iterdir())[3]
    annotation = data / "annotations" / f"{name.stem}.xml"
    (data / "images" / f"copy{name.suffix}").write_bytes(name.read_bytes())
    text = annotation.read_text()
    start = text.index("<name>", text.index("<object>"))
    end = text.index("</name>", start)
    other = "with_mask" if "without" in text[start:end] else "without_mask"
    (data / "annotations" / "copy.xml").write_text(text[: start + 6] + other + text[end:])


def main():
    with tempfile.TemporaryDirectory(prefix="facemask-explore-") as name:
        folder = Path(name)
        data = folder / "data"
        run("synth", "--count", 23, "--seed", 5, "--out", data, check=True)
        add_copy(data)
        pair = check_explore(data, folder)
        check_annotations_only(data, folder)
        check_split(data, folder, pair)
        check_without_gnuplot(data, folder)
    sys.exit(failures() != 0)


main()
