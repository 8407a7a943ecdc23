"""How time and memory grow: with the number of pictures (rows of the table), with their size and with the batch (charts)."""
import os
import subprocess

from measure import HERE

MODELS = (("fasterrcnn_resnet50_fpn", 480), ("fasterrcnn_mobilenet_v3_large_320_fpn", 320))
SIZES, BATCHES = (160, 320, 480, 640, 800), (1, 2, 4, 8)
IMAGES = HERE.parent / "docs" / "images"


def make_list(bench, count):
    """A data set of `count` pictures: the same few small ones under many names."""
    drawn, folder = bench.folder / "small", bench.folder / f"list{count}"
    if not drawn.exists():
        bench.ours.once("synth", "--count", 8, "--seed", 2, "--width", 96, "--height", 96, "--out", drawn)
    if folder.exists():
        return folder
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        stem = f"synth{index % 8:05d}"
        os.link(drawn / "images" / f"{stem}.png", folder / "images" / f"p{index:06d}.png")
        text = (drawn / "annotations" / f"{stem}.xml").read_text().replace(f"{stem}.png", f"p{index:06d}.png")
        (folder / "annotations" / f"p{index:06d}.xml").write_text(text)
    return folder


def growth_rows(bench, what, counts, words):
    """A row for time and one for memory: the longest list against the shortest. What a start costs is taken off the time."""
    start = min(bench.ours.once(words[0], make_list(bench, 8), *words[1:])[0] for _ in range(3))
    taken = []
    for count in counts:
        bench.ours.once(words[0], make_list(bench, count), *words[1:])  # so that the files are in memory
        seconds, mib = bench.ours.once(words[0], make_list(bench, count), *words[1:])
        taken.append((1000 * (seconds - start) / (count - 8), mib))
    (first, small), (last, large) = taken[0], taken[-1]
    each = [f"{last:.3g} ms", f"{counts[0]:,} pictures", f"{first:.3g} ms"]
    row = {"what": f"{what}, time a picture of {counts[-1]:,}", "ratio": last / first, "goal": 1.1, "most": True}
    grown = 1024 * (large - small) / (counts[-1] - counts[0])
    memory = {
        "what": f"{what}, memory for {counts[-1]:,} pictures ({grown:.2g} KiB each)",
        "ratio": large / small,
        "goal": None,
    }
    keys = ("ours", "peer", "theirs")
    cells = [f"{large:.0f} MiB", f"{counts[0]:,} pictures", f"{small:.0f} MiB"]
    return [row | dict(zip(keys, each)), memory | dict(zip(keys, cells))]


def write_chart(name, title, x_label, y_label, points, columns):
    """points: a row of x and one y a column each. Writes docs/images/NAME.{csv,gp,svg}."""
    data, script = IMAGES / f"{name}.csv", IMAGES / f"{name}.gp"
    lines = [",".join([x_label, *columns])] + [",".join(f"{value:.4g}" for value in point) for point in points]
    data.write_text("\n".join(lines) + "\n")
    curves = ", ".join(
        f"'{data.name}' using 1:{i + 2} skip 1 with linespoints pt 7 ps 0.7 lw 2 title '{column}'"
        for i, column in enumerate(columns)
    )
    script.write_text(
        f"set terminal svg size 820,430 noenhanced font 'DejaVu Sans,13' background '#ffffff'\n"
        f"set output '{name}.svg'\nset datafile separator ','\nset title '{title}'\n"
        f"set xlabel '{x_label}'\nset ylabel '{y_label}'\nset grid\nset key outside right top\nset yrange [0:*]\n"
        f"plot {curves}\n"
    )
    subprocess.run(["gnuplot", script.name], cwd=IMAGES, check=True)


def short(model):
    return model[0].replace("fasterrcnn_", "").replace("_fpn", "")


def draw_sizes(bench):
    steps = 2 if bench.quick else 5
    points = []
    for size in SIZES:
        times = [bench.ours.bench("detect", size, 1, steps, "--set", f"model.arch={model[0]}")["ms"] for model in MODELS]
        points.append([size * size / 1e6, *times])
    title = "Time of a detection against the size of the picture"
    write_chart("performance_size", title, "megapixels", "ms", points, [short(model) for model in MODELS])


def draw_batches(bench):
    steps, points = 2 if bench.quick else 3, []
    for batch in BATCHES:
        times = []
        for model in MODELS:
            words = (model[1], batch, steps, "--set", f"model.arch={model[0]}")
            times += [bench.ours.bench(job, *words)["ms"] / batch for job in ("train", "detect")]
        points.append([batch, *times])
    columns = [f"{short(model)} {job}" for model in MODELS for job in ("train", "detect")]
    title = "Time of one picture against the pictures in a batch"
    write_chart("performance_batch", title, "pictures in a batch", "ms a picture", points, columns)


def growth(bench):
    counts = (100, 1000) if bench.quick else (100, 1000, 3000)
    tiny = ("--set", "model.min_size=96", "--set", "model.max_size=96")
    rows = growth_rows(bench, "evaluating", counts, ("evaluate", *tiny))
    counts = (1000, 10000) if bench.quick else (1000, 10000, 100000)
    rows += growth_rows(bench, "reading and splitting a list", counts, ("split", "--out", bench.folder / "split.json"))
    draw_sizes(bench)
    draw_batches(bench)
    return rows, []
