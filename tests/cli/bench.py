#!/usr/bin/python3
"""The verb bench: its words, its figures and what they add up to.

    bench.py FACEMASK"""

import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from checks import check, failures

FACEMASK = sys.argv[1]
SMALL = ["--set", "model.arch=fasterrcnn_mobilenet_v3_large_320_fpn", "--size", "96", "--steps", "2", "--batch", "2",
         "--set", "model.box_batch_size_per_image=32", "--precision", "fp32", "--quiet"]


def run(*words):
    return subprocess.run([FACEMASK, "bench", *words], capture_output=True, text=True)


done = run(*SMALL, "--json", "--profile", "--bound")
check(done.returncode == 0, f"bench ends with 0: {done.stderr.strip()[-200:]}")
found = json.loads(done.stdout)
check(found["arch"] == "fasterrcnn_mobilenet_v3_large_320_fpn" and found["min_size"] == 96, "the JSON says what was measured")
for job in ("training", "detection"):
    figures = found[job]
    rows = figures["profile"]
    spent = sum(row["ms"] for row in rows)
    check(figures["pictures"] == 2 and 0 < figures["least_ms"] <= figures["ms"], f"{job}: a least and a median time")
    check(0 < figures["bound_ms"] < 2 * spent, f"{job}: the products alone take no longer than everything, but for noise")
    gflop = sum(row["gflop"] for row in rows)
    check(abs(gflop - figures["bound_gflop"]) < 1e-3 * gflop, f"{job}: the bound does the work of the step")
    check(abs(figures["ratio"] - figures["ms"] / figures["bound_ms"]) < 1e-2 * figures["ratio"], f"{job}: the ratio is theirs")
kinds = [row["work"] for row in found["training"]["profile"]]
for kind in ("backward weights", "depthwise 5x5", "optimiser", "roi_linear backward", "waiting for the loader"):
    check(any(kind in name for name in kinds), f"the profile of training has a row for {kind}")
done = run(*SMALL, "--only", "detect", "--layers")
check(done.returncode == 0 and "x 3 x 96 x 96 to" in done.stdout and "training" not in done.stdout, "--layers has a row a shape")
for words, expected in ((["--only", "sleep"], "detect or predict"), (["--size", "3"], "--size"), (["--data", "/nowhere"], "/nowhere"),
                        (["--only", "predict", "--batch", "2"], "--batch"), (["--only", "predict", "--bound"], "--bound"),
                        (["--only", "detect", "--weights", "a", "--weights", "b"], "several")):
    done = run(*words)
    check(done.returncode in (1, 2) and expected in done.stderr, f"{' '.join(words)} is refused: {done.stderr.strip()!r}")
done = run(*SMALL, "--precision", "int8", "--json", "--profile")
found = json.loads(done.stdout)
check(found["precision"] == "int8" and "training" not in found, "int8 is measured for detection alone")
check(any("int8" in row["work"] or "_s8" in row["work"] or "vnni" in row["work"] for row in found["detection"]["profile"]),
      "and computes with whole numbers")
done = run(*SMALL, "--precision", "int8", "--only", "train")
check(done.returncode == 2 and "int8 is for detection" in done.stderr, f"int8 does not train: {done.stderr.strip()!r}")


def bench_file(root):
    """A weights file of a model that is not the default one brings its settings; the words of the call lie on top."""
    settings = ["model.arch=fasterrcnn_mobilenet_v2_fpn", "model.fpn_channels=64", "model.min_size=96", "model.max_size=128",
                "model.box_batch_size_per_image=32", "train.precision=fp32", "train.epochs=1"]
    words = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([FACEMASK, "synth", "--count", "12", "--seed", "3", "--out", root / "data", "--quiet"], check=True)
    subprocess.run([FACEMASK, "train", root / "data", "--fold", "none", "--max-steps", "1", "--runs", root, *words], check=True,
                   capture_output=True)
    weights = root / "run" / "fold_all" / "weights" / "last.safetensors"
    for more, size in (((), 96), (("--size", "64"), 64), (("--data", root / "data"), 96), (("--set", "model.min_size=80"), 80)):
        done = run("--weights", weights, "--only", "detect", "--steps", "1", "--precision", "fp32", "--json", "--quiet", *more)
        found = json.loads(done.stdout or "{}")
        check(found.get("arch") == "fasterrcnn_mobilenet_v2_fpn" and found.get("min_size") == size,
              f"the file's model in {size} pixels: {done.stderr.strip()[-90:]!r}")


def bench_prediction():
    """What detect does with a picture: the model that ships looks four times, and other views as they are asked for."""
    for more, looks in (((), 4), (("--set", "model.views=[0.5, -0.6]"), 2)):
        done = run("--only", "predict", "--size", "200", "--steps", "2", "--precision", "fp32", "--profile", "--json", "--quiet", *more)
        check(done.returncode == 0, f"a prediction is timed: {done.stderr.strip()[-200:]!r}")
        found = json.loads(done.stdout)
        figures = found["prediction"]
        calls = {row["work"]: row["calls"] for row in figures["profile"]}
        check(found["arch"] == "fasterrcnn_mobilenet_v2_fpn" and "detection" not in found, "of the model that ships, and nothing else")
        check(calls["proposals"] == looks and calls["resizing of pictures"] == 1, f"it looks {looks} times: {calls['proposals']}")
        spent = sum(row["ms"] for row in figures["profile"])
        check(0 < figures["least_ms"] <= figures["mean_ms"] and spent > 0.2 * figures["mean_ms"], "where the time goes")


def write_picture(folder, name, width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + bytes(3 * width)) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    (folder / "images" / f"{name}.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    (folder / "annotations" / f"{name}.xml").write_text(
        f"<annotation><size><width>{width}</width><height>{height}</height></size><object><name>with_mask</name><bndbox>"
        f"<xmin>20</xmin><ymin>20</ymin><xmax>60</xmax><ymax>60</ymax></bndbox></object></annotation>")


def bench_growing(root):
    """Pictures that grow while they are profiled: the products of the smaller ones are not run on memory that is gone."""
    for name in ("images", "annotations"):
        (root / "grow" / name).mkdir(parents=True)
    for at, (width, height) in enumerate([(96, 96)] * 4 + [(400, 200), (96, 96)]):
        write_picture(root / "grow", f"{at}", width, height)
    done = run("--set", "model.arch=fasterrcnn_mobilenet_v3_large_320_fpn", "--data", root / "grow", "--only", "detect", "--steps", "1",
               "--precision", "fp32", "--bound", "--json", "--quiet")
    check(done.returncode == 0 and json.loads(done.stdout)["detection"]["bound_ms"] > 0,
          f"growing pictures have a bound: {done.returncode} {done.stderr.strip()[-200:]!r}")


def bench_memory():
    """What training needed is not told as detection's."""
    words = ["--set", "model.arch=fasterrcnn_mobilenet_v3_large_320_fpn", "--size", "320", "--batch", "4", "--steps", "1",
             "--precision", "fp32", "--json", "--quiet"]
    found = json.loads(run(*words).stdout)
    train, detect = found["training"]["peak_mib"], found["detection"]["peak_mib"]
    check(detect < 0.85 * train, f"the peak of training is {train} MiB, of detection {detect}")


with tempfile.TemporaryDirectory() as name:
    bench_file(Path(name))
    bench_growing(Path(name))
bench_prediction()
bench_memory()
sys.exit(failures() > 0)
