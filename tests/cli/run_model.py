#!/usr/bin/python3
"""The verbs detect and evaluate, int8 with what export prepares for it, from words to files and exit status.

    run_model.py FACEMASK WEIGHTS

WEIGHTS may be random ones; the checks ask for form and consistency, not for good boxes."""

import json
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

from checks import check, failures

FACEMASK, WEIGHTS = (str(Path(word).resolve()) for word in sys.argv[1:])
KEYS = ["mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large", "AR1", "AR10", "AR100", "per_iou", "per_class", "images"]
MORE_KEYS = ["confusion", "best_score"]
PICTURES = ["map_iou", "precision_recall", "f1_confidence", "precision_confidence", "recall_confidence", "confusion",
            "confusion_normalised", "precision_recall_01_without_mask"]


def run(*words, **options):
    return subprocess.run([FACEMASK, *map(str, words)], capture_output=True, **options)


def detect(*words, **options):
    return run("detect", *words, "--weights", WEIGHTS, **options)


def check_fails(done, code, words, text):
    error = done.stderr.decode()
    check(done.returncode == code and words in error, f"{text}: {done.returncode} {error.strip()[-200:]!r}")


def check_detect(folder, pictures):
    plain = folder / "plain"
    plain.mkdir()
    for at, name in enumerate("ab"):
        shutil.copy(pictures[at], plain / f"{name}.png")
    found = json.loads(detect(plain, "--json").stdout)
    check([Path(p["image"]).name for p in found] == ["a.png", "b.png"], "a folder's pictures come by name")
    check(all(set(p) == {"image", "width", "height", "detections", "seconds"} for p in found), "the keys of a picture")
    faces = [d for p in found for d in p["detections"]]
    check(len(faces) > 0 and all(set(d) == {"class", "label", "score", "box"} for d in faces), "the keys of a face")
    check(all(d["score"] >= 0.5 for d in faces), "no face below the score of 0.5")
    low = json.loads(detect(plain, "--json", "--score", 0.05).stdout)
    check(sum(len(p["detections"]) for p in low) >= len(faces), "a lower score leaves no fewer faces")

    def boxes(output):
        return [p["detections"] for p in json.loads(output)]

    glob = detect(f"{plain}/*.png", "--json").stdout
    check(boxes(glob) == [p["detections"] for p in found], "a glob finds what the folder finds")
    stdin = detect("-", "--json", input=(plain / "a.png").read_bytes()).stdout
    check(boxes(stdin) == [found[0]["detections"]], "standard input finds what the file finds")
    twice = detect(plain / "b.png", "--weights", WEIGHTS, "--json").stdout
    check(boxes(twice) == [found[1]["detections"]], "an ensemble of a model and itself finds what the model finds")

    out = folder / "out"
    done = detect(plain, "--out", out, "--format", "voc")
    check(done.returncode == 0 and sorted(p.name for p in out.iterdir()) == ["a.png", "annotations", "b.png", "detections.json"],
          "--out holds the drawn pictures and the annotations")
    check(boxes((out / "detections.json").read_text()) == [p["detections"] for p in found], "detections.json is the result")
    root = xml.etree.ElementTree.parse(out / "annotations/a.xml").getroot()
    check(len(root.findall("object")) == len(found[0]["detections"]), "VOC has as many faces")
    coco = json.loads(detect(plain, "--format", "coco").stdout)
    check(len(coco["annotations"]) == len(faces), "COCO has as many faces")
    detect(plain, "--out", out, "--format", "yolo")
    check(len((out / "labels/a.txt").read_text().splitlines()) == len(found[0]["detections"]), "YOLO has as many faces")

    views = [boxes(detect(plain, "--json", "--score", 0.05, *words).stdout)
             for words in (("--views", "0.75,-1.25"), ("--set", "model.views=[0.75,-1.25]"), ("--views", "1"))]
    check(views[0] == views[1] != views[2] == boxes(json.dumps(low)), "--views is model.views, and one view the default")
    check_fails(detect(plain, "--views", "1,0"), 2, "model.views", "a view of no size")

    (plain / "broken.png").write_bytes((plain / "a.png").read_bytes()[:500])
    done = detect(plain, plain / "gone.png", "--json")
    lines = done.stderr.decode().splitlines()
    check(done.returncode == 1 and len(json.loads(done.stdout)) == 2, "broken pictures do not stop the others")
    for name in ("broken.png", "gone.png"):
        check(sum(name in line for line in lines) == 1, f"one line names {name}")
    check_fails(detect("clip.mp4"), 1, "not supported in this build", "a video")
    check_fails(run("detect", plain, "--weights", folder / "none"), 1, str(folder / "none"), "missing weights")
    check_fails(detect(plain, "--format", "cocco"), 2, "coco", "an unknown format")
    check_fails(detect(plain, "--format", "yolo"), 2, "--out", "a file a picture without a folder")
    check_fails(detect(plain, "--score", "1.5"), 2, "--score", "a score above 1")
    check_fails(run("detect"), 2, "usage", "no picture")


def check_detect_keeps(folder, data, pictures):
    """What is there already stays: the pictures, a data set's annotations; and one bad name costs nothing else."""
    kept = folder / "kept"
    (kept / "sub").mkdir(parents=True)
    shutil.copy(pictures[0], kept / "x.png")
    shutil.copy(pictures[1], kept / "sub" / "x.png")
    before = (kept / "x.png").read_bytes()
    check_fails(detect(kept / "x.png", "--out", kept), 2, "another folder", "--out with the pictures themselves")
    check_fails(detect("x.png", "--out", ".", cwd=kept), 2, "another folder", "so in the working folder")
    check((kept / "x.png").read_bytes() == before, "they stay as they are")
    truth = sorted((data / "annotations").iterdir())
    content = [path.read_bytes() for path in truth]
    check_fails(detect(data / "images", "--out", data, "--format", "voc"), 2, "annotations", "--out with annotations of others")
    check([path.read_bytes() for path in truth] == content and not (data / "detections.json").exists(), "they stay as well")
    out = folder / "kept_out"
    found = detect(kept, kept / "sub", "--out", out, "--format", "coco")
    coco = json.loads((out / "coco.json").read_text())
    check(found.returncode == 0 and sorted(image["file_name"] for image in coco["images"]) == ["x-2.png", "x.png"] and
          {p.name for p in out.glob("*.png")} == {"x.png", "x-2.png"}, "two pictures of one name are told apart")
    latin = bytes(kept) + b"/caf\xe9.png"
    with open(latin, "wb") as file:
        file.write(before)
    done = detect(kept, "--json")
    check(done.returncode == 1 and len(json.loads(done.stdout)) == 1 and b"caf\xe9.png: the name is not UTF-8" in done.stderr,
          "a name that is not UTF-8 is said, and the others go on")
    check_fails(detect(f"{kept}/su*"), 1, "only folders", "a glob of folders alone")


def check_detect_draws(folder, pictures):
    """Pictures are drawn on a few at a time: none is left out at the end, and one that cannot be written is named."""
    plain, drawn = folder / "three", {}
    plain.mkdir()
    for name, picture in zip("abc", pictures):
        shutil.copy(picture, plain / f"{name}.png")
    for threads in (1, 2):
        out = folder / f"drawn_by_{threads}"
        detect(plain, "--out", out, "--threads", threads)
        drawn[threads] = {path.name: path.read_bytes() for path in out.glob("*.png")}
    check(sorted(drawn[2]) == ["a.png", "b.png", "c.png"] and drawn[1] == drawn[2], "two threads draw what one does")
    out = folder / "in_the_way"
    (out / "a.png").mkdir(parents=True)
    check_fails(detect(plain, "--out", out, "--threads", 2), 1, str(out / "a.png"), "a picture that cannot be written")
    check((out / "b.png").read_bytes() == drawn[2]["b.png"], "the other thread's is")


def check_evaluate(folder, data):
    split, out = folder / "split.json", folder / "evaluation"
    run("split", data, "--folds", 2, "--out", split)
    names = json.loads(split.read_text())

    def evaluate(*words):
        return run("evaluate", data, *words)

    done = evaluate("--weights", WEIGHTS, "--json", "--out", out)
    metrics = json.loads(done.stdout)
    check(done.returncode == 0 and list(metrics) == KEYS + MORE_KEYS, "the keys of the measure")
    check(metrics == json.loads((out / "metrics.json").read_text()), "metrics.json is the result")
    check(len(metrics["per_iou"]) == 10 and [c["name"] for c in metrics["per_class"]] ==
          ["without_mask", "with_mask", "mask_weared_incorrect"], "ten thresholds, three classes")
    again = json.loads(evaluate("--predictions", out / "predictions.json", "--json").stdout)
    check(again == metrics, "measuring predictions.json gives the same figures")
    check(all((out / f"{name}.{kind}").exists() for name in PICTURES for kind in ("png", "svg", "csv", "gp")),
          "--out holds the charts")
    check((out / "worst" / "01.png").read_bytes()[:4] == b"\x89PNG", "and the pictures with most errors")
    noted = evaluate("--predictions", out / "predictions.json", "--json", "--measure", "notebook")
    notebook = json.loads(noted.stdout)
    check({k: notebook[k] for k in metrics} == metrics and set(notebook) - set(metrics) == {"notebook"},
          "--measure notebook adds its figures and changes no other")
    check("found" in notebook["notebook"]["note"] and len(notebook["notebook"]["per_iou"]) == 10, "and says what they are")
    sure = json.loads(evaluate("--predictions", out / "predictions.json", "--json", "--bootstrap", 50).stdout)
    check({k: sure[k] for k in metrics} == metrics and set(sure) - set(metrics) == {"bootstrap"} and
          sure["bootstrap"]["rounds"] == 50 and sure["bootstrap"]["mAP"][0] <= metrics["mAP"] <= sure["bootstrap"]["mAP"][1],
          "--bootstrap adds intervals around the figures")
    said = evaluate("--predictions", out / "predictions.json", "--measure", "notebook").stdout.decode()
    check("As the notebook counts" in said and "not comparable" in said, "so does the table")
    check_fails(evaluate("--predictions", out / "predictions.json", "--measure", "voc"), 2, "--measure", "an unknown measure")
    first = (out / "predictions.json").read_bytes()
    evaluate("--weights", WEIGHTS, "--out", out)
    check((out / "predictions.json").read_bytes() == first, "a second run writes the same bytes")
    predictions = json.loads(first)
    low = min(p["score"] for p in predictions)
    check(0.05 <= low < 0.5, f"a low score threshold is used: {low}")
    for words, expected in (((), len(names["test"])), (("--subset", "train"), len(names["train"])),
                            (("--fold", 2), len(names["folds"][1]["valid"])),
                            (("--subset", "train", "--fold", 1), len(names["train"]) - len(names["folds"][0]["valid"]))):
        part = json.loads(evaluate("--weights", WEIGHTS, "--split", split, "--json", *words).stdout)
        check(part["images"] == expected, f"{' '.join(map(str, words)) or 'test'}: {expected} pictures")
    perfect = folder / "perfect.json"
    perfect.write_text(json.dumps(truth(data)))
    best = json.loads(evaluate("--predictions", perfect, "--json").stdout)
    check(abs(best["mAP"] - 1) < 1e-9 and best["mAP"] >= metrics["mAP"], "the truth itself measures 1")
    perfect.write_text("[]")
    check(json.loads(evaluate("--predictions", perfect, "--json").stdout)["mAP"] == 0, "nothing found measures 0")
    check_fails(evaluate("--predictions", folder / "none.json"), 1, "none.json", "missing predictions")
    for words in (("--nms", 0.3), ("--views", "1"), ("--set", "model.box_nms_thresh=0.3")):
        check_fails(evaluate("--predictions", perfect, *words), 2, f"--predictions and {words[0]}", "an option of models without one")
    check_fails(evaluate("--weights", WEIGHTS, "--subset", "test"), 2, "--split", "a part without a split")
    check_fails(evaluate("--weights", WEIGHTS, "--split", split, "--fold", 3), 2, "--fold 3", "a fold too many")


def tensors(path):
    """The header of a safetensors file, and its tensors by name."""
    content = Path(path).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    places = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
    return header, {name: content[8 + size + start:8 + size + end] for name, (start, end) in places.items()}, content[8 + size:]


def check_int8(folder, data):
    split, narrow, broken = folder / "split.json", folder / "narrow.safetensors", folder / "broken.safetensors"
    picture = sorted((data / "images").iterdir())[0]
    done = detect(picture, "--precision", "int8")
    check_fails(done, 2, "facemask export --weights", "weights without ranges")
    check(done.stderr.count(b"\n") == 1, "in one line")

    def export(*words):
        return run("export", "--weights", WEIGHTS, "--calibrate", data, "--out", narrow, *words)

    done = export()
    check(done.returncode == 0, f"export --calibrate: {done.stderr[-200:]}")
    header, values, rest = tensors(narrow)
    check(values == tensors(WEIGHTS)[1], "the tensors stay as they are")
    ranges = json.loads(header["__metadata__"]["ranges"])
    check(list(ranges) == ["trunk", "head"] and all(low <= 0 <= high for part in ranges.values() for low, high in part.values()),
          "the ranges hold 0")
    first = narrow.read_bytes()
    check(export().returncode == 0 and narrow.read_bytes() == first, "a second run writes the same bytes")
    check(export("--split", split, "--fold", 1, "--pictures", 2).returncode == 0 and narrow.read_bytes() != first,
          "two pictures of a fold's training part give other ranges")
    damaged = folder / "damaged"
    shutil.copytree(data, damaged)
    bad = sorted((damaged / "images").iterdir())[0]
    bad.write_bytes(bad.read_bytes()[:400])
    done = run("export", "--weights", WEIGHTS, "--calibrate", damaged, "--out", folder / "less.safetensors")
    check(done.returncode == 0 and bad.name in done.stderr.decode(), "a broken picture is named and left out")
    torch = ("export", "--weights", WEIGHTS, "--format", "torch", "--out", folder / "x.pth")
    check_fails(run(*torch, "--size", "64x64"), 2, "--size", "a size where none counts")
    check_fails(run(*torch, "--pictures", 3), 2, "--pictures", "pictures where none count")
    onnx = ("export", "--weights", WEIGHTS, "--format", "onnx", "--out", folder / "x.onnx")
    check_fails(run(*onnx, "--size", "4294967328x4294967328"), 2, "--size", "a size beyond 32 bits")
    check_fails(export("--format", "torch"), 2, "--calibrate", "two forms at once")
    check_fails(export("--subset", "train"), 2, "--split", "a part without a split")

    wide, narrowed = (json.loads(run("detect", picture, "--weights", narrow, "--score", 0.1, "--precision", precision,
                                     "--json").stdout)[0]["detections"] for precision in ("fp32", "int8"))
    check(len(narrowed) > 0 and narrowed != wide, "detect finds faces in int8")
    chosen = json.loads(run("info", "--json").stdout)["auto_precision_with_ranges"]
    auto, named = (json.loads(run("detect", picture, "--weights", narrow, "--score", 0.1, "--json", "--precision", precision)
                              .stdout)[0]["detections"] for precision in ("auto", chosen))
    brought = folder / "brought.safetensors"
    done = run("import", narrow, "--out", brought)
    check(done.returncode == 0 and tensors(brought)[0]["__metadata__"]["ranges"] == tensors(narrow)[0]["__metadata__"]["ranges"], "import keeps the ranges")
    check(auto == named, f"auto takes {chosen} with ranges, as info says")
    done = run("evaluate", data, "--weights", narrow, "--precision", "int8", "--json")
    check(done.returncode == 0 and json.loads(done.stdout)["images"] == 12, "so does evaluate")
    done = run("train", data, "--precision", "int8", "--runs", folder / "runs", "--split", split)
    check_fails(done, 2, "int8 is for detection", "training in int8")
    check(not (folder / "runs").exists(), "before anything is written")
    for change, expected in ((lambda r: r["trunk"].popitem(), "is missing"), (lambda r: r["trunk"].update(x=[0, 1]), "name x"),
                             (lambda r: r["head"].update(roi_align=[float("nan"), 1]), "no JSON object"),
                             (lambda r: r["head"].update(roi_align=[1, -1]), "the range of roi_align"),
                             (lambda r: r.pop("head"), "no object head")):
        wrong = json.loads(json.dumps(ranges))
        change(wrong)
        header["__metadata__"]["ranges"] = json.dumps(wrong)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        broken.write_bytes(struct.pack("<Q", len(text)) + text + rest)
        done = run("detect", picture, "--weights", broken, "--precision", "int8")
        check_fails(done, 1, expected, f"ranges of which one {expected}")
        check(broken.name in done.stderr.decode() and done.stderr.count(b"\n") == 1, "in one line that names the file")
        check(run("detect", picture, "--weights", broken, "--precision", "fp32").returncode == 0, "fp32 needs no ranges")


def truth(data):
    entries = []
    for path in sorted((data / "annotations").iterdir()):
        for face in xml.etree.ElementTree.parse(path).getroot().findall("object"):
            x1, y1, x2, y2 = (float(face.find("bndbox").find(k).text) for k in ("xmin", "ymin", "xmax", "ymax"))
            label = ["without_mask", "with_mask", "mask_weared_incorrect"].index(face.find("name").text) + 1
            entries.append({"image_id": 0, "file_name": path.stem + ".png", "category_id": label,
                            "bbox": [x1, y1, x2 - x1, y2 - y1], "score": 1})
    return entries


def check_shipped(data):
    """The model without an option, on faces that it was not made for; that looking where faces are loses none; both networks."""
    models = Path(__file__).resolve().parents[2] / "models"
    both = ("--weights", models / "default.safetensors", "--weights", models / "second.safetensors",
            "--views=0.5,-0.7,1,-1.2,1.7", "--set", "model.focus=250")
    found = {words: json.loads(run("evaluate", data, *words, "--json").stdout)["mAP50"]
             for words in ((), ("--set", "model.focus=0"), ("--views", "1"), both)}
    shipped, whole, once, together = found.values()
    check(shipped > 0.7, f"the shipped model finds drawn faces: mAP@.5 {shipped:.3f}")
    check(shipped > whole - 0.08, f"as where it always sees all of a picture: {whole:.3f}")
    check(shipped > once - 0.05, f"as in a single look: {once:.3f}")
    check(together > shipped - 0.08, f"as with the second network and more views: {together:.3f}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        run("synth", "--count", 12, "--seed", 3, "--out", data)
        pictures = sorted((data / "images").iterdir())
        check_detect(folder, pictures)
        check_detect_keeps(folder, data, pictures)
        check_detect_draws(folder, pictures)
        check_evaluate(folder, data)
        check_int8(folder, data)
        check_shipped(data)
    print(f"{failures()} failures")
    sys.exit(failures() > 0)


main()
