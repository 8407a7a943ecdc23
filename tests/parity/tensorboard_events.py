"""Event files as TensorBoard itself reads them: scalars, pictures, texts and hyper-parameters, and a file that was cut
back and went on.

usage: tensorboard_events.py EVENT_RUNNER [FACEMASK]

EVENT_RUNNER is the program of tests/format/event_runner.c. With FACEMASK a small training is killed and resumed, and its event
files are compared with steps.jsonl and metrics.csv. Needs the package tensorboard."""

import argparse
import csv
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from checks import SMALL_TRAINING, check, failures

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
try:
    from PIL import Image
    from tensorboard import program
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SCALARS = ["loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg", "average_loss", "lr_epoch"]
RUNNING = ["STATUS_UNKNOWN", "STATUS_RUNNING"]


def as_float(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def load(folder):
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def run(runner, folder, commands):
    """The file's size after each command."""
    text = "".join(" ".join(map(str, command)) + "\n" for command in commands)
    done = subprocess.run([runner, str(folder)], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return [int(line) for line in done.stdout.split()]


def png(chance, width, height):
    stream = io.BytesIO()
    Image.frombytes("RGB", (width, height), chance.randbytes(3 * width * height)).save(stream, "PNG")
    return stream.getvalue()


def ask(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/data/{path}", headers={"Content-Type": "application/json"})
    request.data = body and json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


class Server:
    """TensorBoard's own server over a folder."""

    def __init__(self, folder):
        board = program.TensorBoard()
        board.configure(argv=[None, "--logdir", str(folder), "--port", "0", "--host", "127.0.0.1", "--load_fast", "false"])
        self.port = int(board.launch().rsplit(":", 1)[1].strip("/"))

    def get(self, path, body=None, ready=bool):
        """The answer as soon as it is ready: the server loads in the background, event by event. The last one after a minute."""
        for _ in range(120):
            answer = json.loads(ask(self.port, path, body))
            if ready(answer):
                return answer
            time.sleep(0.5)
        return answer


def check_scalars(runner, root, chance):
    folder = root / "written" / "fold_1_valid"
    values = {tag: [chance.uniform(-3, 3) * 10.0 ** chance.randint(-8, 8) for _ in range(30)] for tag in SCALARS}
    values["mAP"] = [chance.random() for _ in range(30)]
    commands = [["cut", 0], ["begin", "fold_1", "train.optimizer=sgd", "train.lr:0.005", "train.shuffle?1"]]

    def step(at):
        return ["scalars", at + 1, *(word for tag in values for word in (tag, repr(values[tag][at])))]

    first = run(runner, folder, commands + [step(at) for at in range(20)])
    kept = first[len(commands) + 11]  # twelve steps are known, eight more were written
    picture, text = png(chance, 31, 17), "| key | value |\n|---|---|"
    (root / "picture.png").write_bytes(picture)
    run(
        runner,
        folder,
        [["cut", kept]]
        + [step(at) for at in range(12, 30)]
        + [["image", 7, "prediction/0", 31, 17, root / "picture.png"], ["text", 1, "configuration", text.split("\n")[0]]]
        + [["end", 1]],
    )
    found = load(folder)
    check(set(found.Tags()["scalars"]) == set(values), "all scalars are there")
    for tag in values:
        events = found.Scalars(tag)
        check([e.step for e in events] == list(range(1, 31)), f"{tag}: no step twice, none missing after the cut")
        check([e.value for e in events] == [as_float(v) for v in values[tag]], f"{tag}: the values to the last bit")
        check(all(abs(e.wall_time - time.time()) < 600 for e in events), f"{tag}: the time of day")
    (image,) = found.Images("prediction/0")
    check((image.step, image.width, image.height) == (7, 31, 17), "the picture's step and size")
    check(image.encoded_image_string == picture, "the picture's bytes")
    (event,) = found.Tensors("configuration")
    shown = tensor_util.make_ndarray(event.tensor_proto).item().decode()
    check(shown == text.split("\n")[0], "the text")
    check(len(list(folder.iterdir())) == 1, "one file a writer")


def session_groups(server, hparams):
    """The rows of the page of hyper-parameters, when their trainings' ends, the last events written, have been read."""
    columns = [{"hparam": name, "order": "ORDER_UNSPECIFIED", "includeInResult": True} for name in hparams]
    question = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": columns + [{"metric": {"tag": "mAP", "group": ""}}],
        "startIndex": 0,
        "sliceSize": 100,
    }

    def ended(answer):
        groups = answer.get("sessionGroups")
        return groups and all(s["status"] not in RUNNING for group in groups for s in group["sessions"])

    return server.get("plugin/hparams/session_groups", question, ended).get("sessionGroups", [])


def check_server(root):
    server = Server(root / "written")
    tags = {*SCALARS, "mAP"}
    scalars = server.get("plugin/scalars/tags", ready=lambda answer: tags <= set(answer.get("fold_1_valid", [])))
    check(tags <= set(scalars["fold_1_valid"]), "the server lists the scalars")
    points = server.get("plugin/scalars/scalars?tag=mAP&run=fold_1_valid", ready=lambda answer: len(answer) >= 30)
    check(len(points) == 30, "the server has a point a step")
    images = server.get("plugin/images/tags", ready=lambda answer: "fold_1_valid" in answer)
    check(list(images["fold_1_valid"]) == ["prediction/0"], "the server lists the picture")
    (entry,) = server.get("plugin/images/images?tag=prediction/0&run=fold_1_valid&sample=0")
    served = ask(server.port, "plugin/images/individualImage?" + entry["query"])
    check(served == (root / "picture.png").read_bytes(), "the server shows the picture")
    check("configuration" in str(server.get("plugin/text/tags")), "the server lists the text")
    page = ask(server.port, "plugin/text/text?tag=configuration&run=fold_1_valid").decode()
    check("value" in page, "the server shows the text")
    experiment = server.get("plugin/hparams/experiment", {"experimentName": ""})
    types = {info["name"]: info["type"] for info in experiment["hparamInfos"]}
    wanted = {"train.optimizer": "DATA_TYPE_STRING", "train.lr": "DATA_TYPE_FLOAT64", "train.shuffle": "DATA_TYPE_BOOL"}
    check(types == wanted, "the server knows the hyper-parameters' types")
    groups = session_groups(server, list(wanted))
    check(len(groups) == 1 and groups[0]["name"] == "fold_1", "one row of hyper-parameters")
    check(
        groups[0]["hparams"] == {"train.optimizer": "sgd", "train.lr": 0.005, "train.shuffle": True},
        f"their values: {groups[0]['hparams']}",
    )
    (session,) = groups[0]["sessions"]
    check(session["status"] == "STATUS_SUCCESS", "the session ended well")
    metrics = {m["name"]["tag"]: m for m in session["metricValues"]}
    check(metrics["mAP"]["trainingStep"] == 30, "the row has the last mAP")


SETTINGS = {**SMALL_TRAINING, "train.epochs": 3, "train.batch_size": 3, "train.lr": 0.01, "train.checkpoint_steps": 2}
STEP_TAGS = {f"step/{tag}": tag for tag in SCALARS[:4]} | {"step/loss": "loss", "step/lr": "lr"}
MEANS = {"average_loss": "loss", **{tag: tag for tag in SCALARS[:4]}}


def train_killed(facemask, root):
    """A training of three epochs that is killed in the second, behind a checkpoint, and resumed."""
    subprocess.run([facemask, "synth", "--count", "14", "--seed", "3", "--out", root / "data"], check=True, capture_output=True)
    split, words = root / "split.json", [facemask, "train", root / "data", "--runs", root / "runs", "--threads", "2"]
    subprocess.run([facemask, "split", root / "data", "--folds", "3", "--out", split], check=True, capture_output=True)
    settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    process = subprocess.Popen([*words, "--split", split, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    steps = root / "runs/run/fold_1/steps.jsonl"
    while process.poll() is None and not (steps.exists() and steps.read_text().count("\n") >= 5):
        time.sleep(0.02)
    process.kill()
    killed = process.wait() != 0
    subprocess.run([*words, "--resume"], check=True, capture_output=True)
    return killed, root / "runs/run"


def check_steps(train, steps):
    for tag, key in STEP_TAGS.items():
        events = train.Scalars(tag)
        check([e.step for e in events] == [s["step"] for s in steps], f"{tag}: every step once")
        check([e.value for e in events] == [as_float(s[key]) for s in steps], f"{tag}: the values of steps.jsonl")
    speeds = [e.value for e in train.Scalars("step/images_per_second")]
    wanted = [s["images"] / s["seconds"] for s in steps]
    check(all(abs(a / b - 1) < 1e-3 for a, b in zip(speeds, wanted)), "images a second")
    check(all(e.value > 0 for e in train.Scalars("step/gradient_norm")), "the norms of the gradients")


def check_epochs(train, valid, rows):
    epochs = [int(row["epoch"]) for row in rows]

    def same(writer, tag, column):
        events = writer.Scalars(tag)
        near = all(abs(e.value - float(row[column])) <= 1e-6 * abs(e.value) for e, row in zip(events, rows))
        check([e.step for e in events] == epochs and near, f"{tag}: {column} of metrics.csv, every epoch once")

    for tag, column in MEANS.items():
        same(train, tag, column)
        same(valid, tag, "valid_" + column)
    same(train, "lr_epoch", "lr")
    same(valid, "lr_epoch", "lr")
    for tag in ("mAP", "mAP50", "mAP75"):
        same(valid, tag, tag)
        steps = [int(row["step"]) for row in rows]
        found = [(e.step, e.value) for e in valid.Scalars("step/" + tag)]
        check(found == [(s, e.value) for s, e in zip(steps, valid.Scalars(tag))], f"step/{tag}: the same, by step")
    pictures = valid.Tags()["images"]
    check(len(pictures) == 3, "three pictures are watched")
    for tag in pictures:
        events = valid.Images(tag)
        check([e.step for e in events] == epochs, f"{tag}: every epoch once")
        picture = Image.open(io.BytesIO(events[-1].encoded_image_string))
        check(picture.size == (events[-1].width, events[-1].height), f"{tag}: a picture of {picture.size}")


def check_training(facemask, root):
    killed, run = train_killed(facemask, root)
    check(killed, "the training was killed half way")
    steps = [json.loads(line) for line in (run / "fold_1/steps.jsonl").read_text().splitlines()]
    with open(run / "fold_1/metrics.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    train, valid = (load(run / "logs" / f"faster_rcnn_fold_1_{phase}") for phase in ("train", "valid"))
    check_steps(train, steps)
    check_epochs(train, valid, rows)
    groups = session_groups(Server(run / "logs"), ["train.lr", "model.min_size"])
    check([g["hparams"] for g in groups] == [{"train.lr": 0.01, "model.min_size": 96}], "the row of hyper-parameters")
    check(groups[0]["sessions"][0]["status"] == "STATUS_SUCCESS", "the training is over")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("facemask", nargs="?")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        check_scalars(arguments.runner, Path(root), random.Random(1))
        check_server(Path(root))
        if arguments.facemask:
            check_training(arguments.facemask, Path(root))
    print("all held" if failures() == 0 else f"{failures()} failed")
    sys.exit(failures() > 0)


if __name__ == "__main__":
    main()
