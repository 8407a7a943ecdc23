#!/usr/bin/python3
"""`train --fold all`: what stands in the run's folder evaluation is what `evaluate` says of the same weights, folds that are trained
call by call come to the same, and a network that is carried from fold to fold is marked.

    cross_validation.py FACEMASK"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import SMALL_TRAINING, check, failures, hide_gnuplot

FACEMASK = sys.argv[1]
SETTINGS = {
    **SMALL_TRAINING,
    "model.box_head_features": 64,
    "train.epochs": 1,
    "train.batch_size": 4,
    "train.lr": 0.02,
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

    def predictions(self, name):
        return (self.runs / name / "evaluation" / "predictions.json").read_bytes()

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


def numbers(metrics):
    return [fold["fold"] for fold in metrics["folds"]], metrics["missing_folds"]


def check_call_by_call(bench):
    """Folds that are trained in calls of their own, in one run's folder: pooled as far as they are finished."""
    pictures = bench.metrics("apart")
    for name, calls in (("one_by_one", ["1", "2"]), ("backwards", ["2", "1"]), ("widened", ["1", "all"])):
        first, _ = bench.train(name, "--fold", calls[0])
        metrics, trained = bench.metrics(name), int(calls[0])
        check(numbers(metrics) == ([trained], [3 - trained]) and first["out_of_fold"]["missing_folds"] == [3 - trained],
              f"{name}: after fold {trained} the other one is missing")
        check(metrics["images"] == pictures["folds"][trained - 1]["images"], f"{name}: its pictures alone")
        second, _ = bench.train(name, "--fold", calls[1], "--resume")
        check(numbers(bench.metrics(name)) == ([1, 2], []) and second["out_of_fold"]["folds"] == [1, 2],
              f"{name}: after both nothing is")
        same = bench.predictions(name) == bench.predictions("apart")
        check(same and bench.metrics(name) == pictures, f"{name}: and boxes and figures are those of one call for all folds")
        wanted = json.loads((bench.runs / name / "environment.json").read_text())["fold"]
        check(wanted == ("all" if "all" in calls else calls[0]), f"{name}: the run is one of fold {wanted}")
    page = (bench.runs / "one_by_one" / "report.html").read_text()
    check("Not trained, and so" not in page, "the page of a whole run misses no fold")
    bench.train("one_by_one_carried", "--fold", "1", train__carry_weights="true")
    check(not bench.metrics("one_by_one_carried")["leaking"], "carried: the first fold leaks nothing")
    page = (bench.runs / "one_by_one_carried" / "report.html").read_text()
    check("Not trained, and so not measured: fold 2 of" in page, "the page names the fold that is missing")
    result, _ = bench.train("one_by_one_carried", "--fold", "2", "--resume", train__carry_weights="true")
    check(result["leaking"] and bench.metrics("one_by_one_carried") == bench.metrics("carried"),
          "carried call by call: the same, and marked")


def main():
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root))
        result, said = bench.train("apart", "--fold", "all")
        metrics = bench.metrics("apart")
        check_folds(bench, "apart", metrics)
        check_pool(bench, "apart", metrics)
        hide_gnuplot()
        check(result["out_of_fold"]["mAP"] == metrics["mAP"] and not result["leaking"] and not metrics["leaking"],
              "the call says the same, and no leak")
        carried, said = bench.train("carried", "--fold", "all", train__carry_weights="true")
        check(carried["leaking"] and bench.metrics("carried")["leaking"] and "carry_weights" in said, "carried weights are marked")
        check(bench.last("carried", 1).read_bytes() == bench.last("apart", 1).read_bytes(), "the first fold is the same")
        stopped, _ = bench.train("stopped", "--fold", "all", "--max-steps", "1", train__carry_weights="true")
        check(not (bench.runs / "stopped" / "fold_2").exists(), "carried: a fold that was stopped is not carried on")
        bench.train("stopped", "--fold", "all", "--resume", train__carry_weights="true")
        check(bench.last("stopped", 2).read_bytes() == bench.last("carried", 2).read_bytes(), "but from its end, once it is resumed")
        bench.train("second", "--fold", "2", "--weights", bench.last("carried", 1))
        check(bench.last("second", 2).read_bytes() == bench.last("carried", 2).read_bytes(),
              "carried: the second fold is one that starts from the first one's last weights")
        check(bench.last("apart", 2).read_bytes() != bench.last("carried", 2).read_bytes(), "apart: it is not")
        check(len(bench.metrics("second")["folds"]) == 1 and bench.metrics("second")["deviation"]["mAP"] == 0,
              "a run of one fold is measured too")
        check_call_by_call(bench)
        bench.train("none", "--fold", "none")
        check(not (bench.runs / "none" / "evaluation").exists(), "a run without a validation part is not")
        bench.train("none", "--fold", "2", "--resume")
        check(numbers(bench.metrics("none")) == ([2], [1]), "until one of its folds is trained, too")
    print(f"{failures()} failures")
    sys.exit(failures() > 0)


main()
