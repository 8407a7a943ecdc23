#!/usr/bin/python3
"""The verb report on made-up runs: finished, going, just begun, of one fold and of ten; its page in a browser where there is one.

report.py FACEMASK EVENT_RUNNER PAGE.PY"""

import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, failures

FACEMASK, RUNNER, PAGE = map(Path, sys.argv[1:])
sys.path.insert(0, str(PAGE.parent))
from make_run import make  # noqa: E402

SCALARS = ["average_loss", "loss_box_reg", "loss_classifier", "loss_objectness", "loss_rpn_box_reg", "lr_epoch"]
COLUMNS = ["loss", "loss_box_reg", "loss_classifier", "loss_objectness", "loss_rpn_box_reg", "lr"]


def report(run, *words, **options):
    return subprocess.run([FACEMASK, "report", run, *words], capture_output=True, text=True, **options)


def metrics(run, fold):
    return list(csv.DictReader((run / f"fold_{fold}" / "metrics.csv").open()))


def points(run, kind, name):
    """The lines of a graph's data: {series: [(x, y)]}."""
    lines = {}
    text = (run / "graphs" / kind / f"{name}.csv").read_text().replace("\n\n\n", "\n")
    for row in csv.DictReader(io.StringIO(text)):
        lines.setdefault(row["series"], []).append((float(row["x"]), float(row["y"])))
    return lines


def check_graphs(run, folds):
    kinds = ("png", "svg", "csv", "gp")
    wanted = [
        run / "graphs" / part / f"{name}.{kind}" for part in ("folds", "model") for name in SCALARS for kind in kinds
    ]
    missing = [path.name for path in wanted if not path.exists() or path.stat().st_size == 0]
    check(not missing, f"{run.name}: every graph with its data and script {missing}")
    wrong = []
    for name, column in zip(SCALARS, COLUMNS):
        lines, model, before = points(run, "folds", name), [], 0
        for fold in folds:
            rows = metrics(run, fold)
            title = f"fold {fold}" + ("" if column == "lr" else " train")
            expected = [(float(row["epoch"]), float(row[column])) for row in rows]
            wrong += [] if lines.get(title, []) == expected else [title]
            model += [(before + x, y) for x, y in expected]
            before += len(rows)
            valid = [(float(row["epoch"]), float(row[key])) for row in rows if row.get(key := "valid_" + column)]
            wrong += [] if lines.get(f"fold {fold} valid", []) == valid else [f"{title}, valid"]
        found = next(iter(points(run, "model", name).values()), [])
        wrong += [] if [point for point in found if point[1] == point[1]] == model else [f"model {name}"]
    check(not wrong, f"{run.name}: the graphs show metrics.csv {wrong[:3]}")


def check_page(runs):
    words = [word for run in runs for word in ("--report", run / "report.html")]
    done = subprocess.run([sys.executable, PAGE, *words], capture_output=True, text=True)
    if done.returncode == 77:
        print("        " + done.stdout.strip())
        return
    check(done.returncode == 0, f"the pages in a browser: {done.stdout.strip()[-300:]}{done.stderr[-300:]}")


def holds(run, *texts):
    page = (run / "report.html").read_text(encoding="utf-8")
    page = page[page.index("<main>") : page.index("</main>")]
    missing = [text for text in texts if text not in page]
    check(not missing, f"{run.name}: the page holds what it should {missing}")
    return page


def charts_of(page):
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)]


CURVES = ["map_iou", "precision_recall", "precision_recall_02_with_mask", "f1_confidence", "precision_confidence",
          "recall_confidence"]


def check_evaluation(run, page):
    """Every curve as a chart that can be asked for its numbers, and the notebook's figures apart from the COCO measure's."""
    metrics = json.loads((run / "evaluation" / "metrics.json").read_text())
    names = ["confusion", "confusion_normalised", "class_ap", *CURVES]
    check(all(page.count(f'"name":"{name}"') == 1 for name in names), "the evaluation's figures and curves as charts, once each")
    counts = metrics["confusion"]["counts"]
    parts = [None if not sum(row) else value / sum(row) for row in counts for value in row][:-1]
    shown = next(chart for chart in charts_of(page) if chart["name"] == "confusion_normalised")["matrix"]["values"]
    same = all((a is None) == (b is None) and (a is None or abs(a - b) < 1e-6) for a, b in zip(shown, parts))
    check(same and len(shown) == len(parts) + 1 and shown[-1] is None, "the confusion's rows are parts of their sums")
    notebook = metrics["notebook"]
    check("As the notebook counts" in page and f"<dd>{notebook['mAP']:.4f}</dd>" in page and "not comparable" in page,
          "the notebook's measure, named as its own")
    check(notebook["mAP"] != metrics["mAP"], "which is another than COCO's")
    charts = run / "evaluation" / "charts.json"
    text = charts.read_text()
    charts.unlink()
    report(run)
    older = holds(run, '"name":"iou_map"')
    check(older.count("data:image/png") >= 4, "of an evaluation without them the pictures are shown")
    charts.write_text("[3]")
    done = report(run)
    check(done.returncode == 1 and "charts.json: chart 1" in done.stderr, f"broken ones are named: {done.stderr.strip()[-60:]!r}")
    charts.write_text(text)
    report(run)


def finished(root):
    run = make(FACEMASK, root / "finished", "--evaluate")
    # What the training would have shown of two pictures, twice.
    pictures = sorted((run / "data" / "images").iterdir())[:2]
    commands = [f"image {step} prediction/{p.stem} 9 9 {p}" for step in (1, 20) for p in pictures]
    logs = run / "logs" / "faster_rcnn_fold_2_valid"
    logs.parent.mkdir()
    subprocess.run(
        [RUNNER, logs], input="cut 0\n" + "\n".join(commands) + "\n", text=True, check=True, capture_output=True
    )
    done = report(run, "--json")
    check(done.returncode == 0 and '"complete": true' in done.stdout, f"a finished run: {done.stderr.strip()[-90:]!r}")
    check_graphs(run, range(1, 6))
    page = holds(
        run,
        "arch: fasterrcnn_resnet50_fpn",
        "&lt;b&gt;made up",
        "0.5660 ± 0.0158",
        "Worst images",
        '"name":"faces_train"',
    )
    check("<b>" not in page and "not complete" not in page and "Leaking" not in page, "and nothing that it should not")
    check(
        page.count("<figcaption>prediction/") == 2 and page.count(", epoch 20</figcaption>") == 2,
        "the last of each prediction",
    )
    check(page.count("data:image/jpeg") >= 8 and "data:image/png" not in page, "photographs are the only pictures")
    check_evaluation(run, page)
    return run


def going(root):
    run = make(FACEMASK, root / "going", "--folds", 3, "--epochs", 30, "--done", 4, "--partial", 17, "--carry")
    for path in (run / "fold_3" / "steps.jsonl", run / "fold_3" / "metrics.csv"):
        data = path.read_bytes()
        path.write_bytes(data[:-9])  # the last line is being written
    done = report(run)
    check(done.returncode == 0, f"a run that is going: {done.stderr.strip()[-90:]!r}")
    lines = points(run, "folds", "average_loss")
    check(len(lines["fold 3 train"]) == 3 and len(lines["fold 1 train"]) == 30, "its whole lines are shown")
    holds(run, "not complete", "Leaking", "3 of 30", "There are none yet", "has not been evaluated")
    again = report(run)
    check(again.returncode == 0, "and again")
    return run


def sparse(root):
    """Validated every third epoch and in the last one; only in the last one; not yet."""
    run = make(FACEMASK, root / "sparse", "--folds", 3, "--epochs", 8, "--done", 8, "--every", 3)
    done = report(run)
    check(done.returncode == 0, f"a run validated now and then: {done.stderr.strip()[-90:]!r}")
    check_graphs(run, range(1, 4))
    lines = points(run, "folds", "mAP")
    check([x for x, _ in lines["fold 2"]] == [3, 6, 8], "the validated epochs are the points of its mAP")
    model = [x for x, y in points(run, "model", "mAP")["valid"] if y == y]
    check(model == [3, 6, 8, 11, 14, 16, 19, 22, 24], "and of its mAP over all folds")
    holds(run, "(epoch 8)", "8 of 8")
    last = make(FACEMASK, root / "last", "--folds", 3, "--epochs", 8, "--done", 4, "--every", 0)
    check(report(last).returncode == 0, "a run validated in the last epochs alone")
    check(points(last, "model", "mAP")["valid"][::2] == [(e, y) for e, y in points(last, "model", "mAP")["valid"] if y == y],
          "a point a fold that is through")
    check(list(points(last, "folds", "mAP")) == ["fold 1", "fold 2"], "and none of the one that goes on")
    return [run, last]


def just_begun(root):
    run = make(FACEMASK, root / "begun", "--folds", 2, "--fold", 1)
    done = report(run)
    check(done.returncode == 0, f"a run without any step: {done.stderr.strip()[-90:]!r}")
    check(
        "no data" in (run / "graphs" / "folds" / "average_loss.svg").read_text(), "its graphs say that there is no data"
    )
    holds(run, "not complete")
    return run


def of_all(root):
    run = make(FACEMASK, root / "all", "--fold", "none", "--done", 20)
    done = report(run)
    check(done.returncode == 0, f"a run without validation: {done.stderr.strip()[-90:]!r}")
    check(list(points(run, "folds", "average_loss")) == ["fold all train"], "one line")
    page = holds(run, "facemask evaluate DATA --split", "no validation part")
    empty = not (run / "graphs" / "folds" / "mAP.png").exists() and '"name":"mAP"' not in page and "dashed: valid" not in page
    check(empty, "nothing of a validation part, and how to measure the run")
    return run


def refusals(root, run):
    for text, path, words in (
        ("no folder", root / "nothing", "nothing"),
        ("no run", root / "finished" / "data", "config.yaml"),
    ):
        done = report(path)
        lines = done.stderr.splitlines()
        check(done.returncode == 1 and len(lines) == 1 and words in lines[0], f"{text}: {lines}")
    done = report(run, env={**os.environ, "PATH": "/nonexistent"})
    check(done.returncode == 1 and "gnuplot-nox" in done.stderr, "without gnuplot")
    check(subprocess.run([FACEMASK, "report"], capture_output=True).returncode == 2, "without a run: the usage")
    path = run / "fold_1" / "steps.jsonl"
    path.write_text("{}\n" + path.read_text())
    done = report(run)
    check(
        done.returncode == 1 and "steps.jsonl: line 1" in done.stderr,
        f"a broken line is named: {done.stderr.strip()[-90:]!r}",
    )


def main():
    with tempfile.TemporaryDirectory(prefix="facemask-report-") as name:
        root = Path(name)
        runs = [finished(root), going(root), just_begun(root), of_all(root)]
        runs.append(make(FACEMASK, root / "ten", "--folds", 10, "--epochs", 5, "--done", 5))
        report(runs[-1])
        runs[-1:-1] = sparse(root)
        check_graphs(runs[-1], range(1, 11))
        check_page(runs)
        refusals(root, runs[1])
    sys.exit(failures() != 0)


main()
