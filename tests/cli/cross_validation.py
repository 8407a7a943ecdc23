#!/usr/bin/python3
"""`train --fold all`: what stands in the run's folder evaluation is what `evaluate` says of the same weights, and a network that
is carried from fold to fold is marked.

    cross_validation.py FACEMASK"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, failures

FACEMASK = sys.argv[1]
SETTINGS = {
    "model.min_size": 96,
    "model.max_size": 96,
    "model.rpn_pre_nms_top_n_train": 100,
    "model.rpn_post_nms_top_n_train": 50,
    "model.rpn_pre_nms_top_n_test": 50,
    "model.rpn_post_nms_top_n_test": 20,
    "model.box_batch_size_per_image": 32,
    "model.norm": "batch",
    "train.epochs": 1,
    "train.batch_size": 4,
    "train.lr": 0.02,
    "train.precision": "fp32",
    "log.tensorboard": "false",
}
FIGURES = ["mAP", "mAP50", "mAP75"]


def run(*words):
    done = subprocess.run([FACEMASK, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done


class Bench:
    def __init__(self, root):
        self.data, self.split, self.runs = root / "data", root / "split.json", root / "runs"
        run("synth", "--count", 12, "--seed", 3, "--out", self.data)
        run("split", self.data, "--folds", 2, "--out", self.split)

    def train(self, name, *more, **settings):
        words = ["--json", "--threads", 1, "--split", self.split, "--runs", self.runs, "--name", name, *more]
        for key, value in {**SETTINGS, **{k.replace("__", "."): v for k, v in settings.items()}}.items():
            words += ["--set", f"{key}={value}"]
        done = run("train", self.data, *words)
        return json.loads(done.stdout), done.stderr

    def evaluate(self, *words):
        return json.loads(run("evaluate", self.data, "--json", "--threads", 1, "--split", self.split, *words).stdout)

    def metrics(self, name):
        return json.loads((self.runs / name / "evaluation" / "metrics.json").read_text())

    def last(self, name, fold):
        return self.runs / name / f"fold_{fold}" / "weights" / "last.safetensors"


def close(a, b):
    return abs(a - b) < 1e-9


def boxes(path):
    return sorted((p["file_name"], p["score"], p["category_id"], p["bbox"]) for p in json.loads(path.read_text()))


def check_folds(bench, name, metrics):
    """Each fold, alone, is what evaluate says of its weights, to the last bit of every box."""
    found = []
    for fold in metrics["folds"]:
        weights = bench.runs / name / fold["weights"]
        check(fold["weights"] == f"fold_{fold['fold']}/weights/best.safetensors", f"fold {fold['fold']}: its best weights")
        out = bench.runs / f"alone_{fold['fold']}"
        alone = bench.evaluate("--fold", fold["fold"], "--weights", weights, "--precision", "fp32", "--out", out)
        found += boxes(out / "predictions.json")
        check(all(close(alone[key], fold[key]) for key in FIGURES) and alone["images"] == fold["images"],
              f"fold {fold['fold']}: as evaluate measures it, mAP {fold['mAP']:.4f}")
        check(alone["per_class"] == fold["per_class"], f"fold {fold['fold']}: class by class")
    pooled = boxes(bench.runs / name / "evaluation" / "predictions.json")
    check(len(found) > 20 and sorted(found) == pooled, f"all {len(pooled)} predictions are the folds' own")
    for key in FIGURES:
        values = [fold[key] for fold in metrics["folds"]]
        check(close(metrics["mean"][key], statistics.mean(values)), f"mean of {key}")
        check(close(metrics["deviation"][key], statistics.stdev(values)), f"deviation of {key}")


def check_pool(bench, name, metrics):
    """All folds together are what evaluate says of their predictions on all of train."""
    evaluation = bench.runs / name / "evaluation"
    pooled = bench.evaluate("--subset", "train", "--predictions", evaluation / "predictions.json")
    check(all(close(pooled[key], metrics[key]) for key in FIGURES), f"pooled: as evaluate measures it, mAP {metrics['mAP']:.4f}")
    check(pooled["confusion"] == metrics["confusion"], "pooled: the confusion matrix")
    train = json.loads(bench.split.read_text())["train"]
    check(metrics["images"] == len(train) == sum(f["images"] for f in metrics["folds"]), "every picture of train counts once")
    predictions = json.loads((evaluation / "predictions.json").read_text())
    names = sorted(train)
    check(len(predictions) > 0 and all(names[p["image_id"]] == Path(p["file_name"]).stem for p in predictions),
          "image_id is the place among the sorted names")
    pictures = {p.name for p in evaluation.glob("*.png")}
    check({"confusion.png", "precision_recall.png", "map_iou.png", "f1_confidence.png"} <= pictures, "the pictures are there")


def main():
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root))
        result, said = bench.train("apart", "--fold", "all")
        metrics = bench.metrics("apart")
        check_folds(bench, "apart", metrics)
        check_pool(bench, "apart", metrics)
        check(result["out_of_fold"]["mAP"] == metrics["mAP"] and not result["leaking"] and not metrics["leaking"],
              "the call says the same, and no leak")
        carried, said = bench.train("carried", "--fold", "all", train__carry_weights="true")
        check(carried["leaking"] and bench.metrics("carried")["leaking"] and "carry_weights" in said, "carried weights are marked")
        check(bench.last("carried", 1).read_bytes() == bench.last("apart", 1).read_bytes(), "the first fold is the same")
        bench.train("second", "--fold", "2", "--weights", bench.last("carried", 1))
        check(bench.last("second", 2).read_bytes() == bench.last("carried", 2).read_bytes(),
              "carried: the second fold is one that starts from the first one's last weights")
        check(bench.last("apart", 2).read_bytes() != bench.last("carried", 2).read_bytes(), "apart: it is not")
        check(len(bench.metrics("second")["folds"]) == 1 and bench.metrics("second")["deviation"]["mAP"] == 0,
              "a run of one fold is measured too")
        bench.train("none", "--fold", "none")
        check(not (bench.runs / "none" / "evaluation").exists(), "a run without a validation part is not")
    print(f"{failures()} failures")
    sys.exit(failures() > 0)


main()
