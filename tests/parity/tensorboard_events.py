"""Event files as TensorBoard itself reads them: scalars, pictures, texts and hyper-parameters, and a file that was cut
back and went on.

usage: tensorboard_events.py EVENT_RUNNER

EVENT_RUNNER is the program of tests/format/event_runner.c. Needs the package tensorboard."""

import argparse
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
failures = 0


def check(condition, text):
    global failures
    failures += not condition
    print(("ok      " if condition else "FAILED  ") + text, flush=True)


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

    def get(self, path, body=None):
        for _ in range(60):  # it loads in the background
            answer = json.loads(ask(self.port, path, body))
            if answer not in ({}, []):
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


def check_server(root):
    server = Server(root / "written")
    scalars = server.get("plugin/scalars/tags")["fold_1_valid"]
    check({*SCALARS, "mAP"} <= set(scalars), "the server lists the scalars")
    points = server.get("plugin/scalars/scalars?tag=mAP&run=fold_1_valid")
    check(len(points) == 30, "the server has a point a step")
    images = server.get("plugin/images/tags")
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
    columns = {"hparams": [{"hparam": name} for name in wanted]}
    groups = server.get(
        "plugin/hparams/session_groups",
        {
            "experimentName": "",
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
            "colParams": [{**column, "order": "ORDER_UNSPECIFIED", "includeInResult": True} for column in columns["hparams"]]
            + [{"metric": {"tag": "mAP", "group": ""}}],
            "startIndex": 0,
            "sliceSize": 100,
        },
    )["sessionGroups"]
    check(len(groups) == 1 and groups[0]["name"] == "fold_1", "one row of hyper-parameters")
    check(
        groups[0]["hparams"] == {"train.optimizer": "sgd", "train.lr": 0.005, "train.shuffle": True},
        f"their values: {groups[0]['hparams']}",
    )
    (session,) = groups[0]["sessions"]
    check(session["status"] == "STATUS_SUCCESS", "the session ended well")
    metrics = {m["name"]["tag"]: m for m in session["metricValues"]}
    check(metrics["mAP"]["trainingStep"] == 30, "the row has the last mAP")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        check_scalars(arguments.runner, Path(root), random.Random(1))
        check_server(Path(root))
    print("all held" if failures == 0 else f"{failures} failed")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
