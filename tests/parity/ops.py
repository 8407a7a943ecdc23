"""Every op of the engine, forward and backward, against torch and torchvision on the same numbers.

usage: ops.py OP_RUNNER        (the executable of tests/nn/op_runner.c)
"""
import io
import subprocess
import sys
import warnings

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from processor import knows_bf16
    from torchvision.ops import roi_align
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

warnings.filterwarnings("ignore")
ACTS = {
    "none": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_swish": F.hardswish,
    "hard_sigmoid": F.hardsigmoid,
}
rng = np.random.default_rng(5)


def run(program, op, precision, block, inputs, params, dy, plain=None, **options):
    args = [program, op, f"precision={precision}", f"block={block}"]
    args += [f"x{i}=" + ",".join(map(str, x.shape)) for i, x in enumerate(inputs)]
    args += [f"{key}={value}" for key, value in options.items()]
    if plain is not None:
        args.append(f"plain={plain}")
    rows = [(f"x{i}", x) for i, x in enumerate(inputs)] + list(params.items()) + [("dy", dy)]
    stream = b"".join(
        f"{name} {value.size}\n".encode() + np.ascontiguousarray(value, np.float32).tobytes()
        for name, value in rows
    )
    done = subprocess.run(args, input=stream, stdout=subprocess.PIPE, check=True, timeout=120)
    results, out = {}, io.BytesIO(done.stdout)
    while line := out.readline():
        name, count = line.split()
        results[name.decode()] = np.frombuffer(out.read(4 * int(count)), np.float32)
    return results


def rounded(x, precision):
    """What the engine is given: numbers that bf16 holds, so that both sides start from the same."""
    t = torch.from_numpy(np.asarray(x, np.float32))
    return (t.bfloat16().float() if precision == "bf16" else t).numpy()


class Check:
    def __init__(self, program):
        self.program, self.failed, self.count = program, 0, 0

    def __call__(self, op, shapes, model, params=None, plain=None, rois=None, **options):
        """model(xs, params) in torch. Compared in fp32 (tightly) and bf16 (as its rounding allows)."""
        cases = (("fp32", 16), ("fp32", 1), ("fp32", 0), ("bf16", 16), ("bf16", 0))
        for precision, block in cases if knows_bf16() else cases[:3]:
            self.one(precision, block, op, shapes, model, params or {}, plain, rois, options)

    def one(self, precision, block, op, shapes, model, params, plain, rois, options):
        xs = [rounded(rng.normal(0, 1.5, s), precision) for s in shapes]
        if rois is not None:
            xs.append(np.asarray(rois, np.float32).reshape(len(rois), 7, 1, 1))
        values = {k: rounded(f(), precision if k.endswith("weight") else "fp32") for k, f in params.items()}
        tx = [torch.tensor(x, dtype=torch.float64, requires_grad=i != plain) for i, x in enumerate(xs)]
        buffers = ("running_mean", "running_var")
        tp = {
            k: torch.tensor(v, dtype=torch.float64, requires_grad=not k.endswith(buffers))
            for k, v in values.items()
        }
        y = model(tx, tp)
        dy = rounded(rng.normal(0, 1, tuple(y.shape)), precision)
        y.backward(torch.tensor(dy, dtype=torch.float64))
        expected = {"y": y} | {f"dx{i}": x.grad for i, x in enumerate(tx) if i != plain}
        for k, v in tp.items():
            if options.get("norm") == "frozen" and k.startswith("norm."):
                continue
            expected[("gradient." if v.requires_grad else "value.") + k] = v.grad if v.requires_grad else v
        label = f"{op} {precision} block {block} {options} {shapes}"
        self.count += 1
        try:
            got = run(self.program, op, precision, block, xs, values, dy, plain, **options)
        except subprocess.SubprocessError as error:
            return self.fail(label, str(error))
        # bf16 keeps 8 bits. There a ReLU's input near 0 may fall on its other side, which moves single gradients far:
        # they are measured by their mean square.
        limit = 2e-5 if precision == "fp32" else 0.02
        for name, want in expected.items():
            want = want.detach().numpy().ravel()
            if name not in got or got[name].size != want.size:
                self.fail(label, f"{name} is missing or has another size")
                continue
            scale = max(np.abs(want).max(), 1e-6)
            error = np.abs(got[name] - want).max() / scale
            rms = np.sqrt(np.mean((got[name] - want) ** 2)) / scale
            worst = rms if precision == "bf16" and name != "y" else error
            if not worst <= limit:  # also NaN
                self.fail(label, f"{name} is off by {error:.2g} (rms {rms:.2g}) of its largest value")

    def fail(self, label, what):
        self.failed += 1
        print(f"FAILED {label}: {what}")


def conv_model(options, residual):
    def model(x, p):
        y = F.conv2d(
            x[0], p["conv.weight"], p.get("conv.bias"), options.get("stride", 1), options.get("padding", 0),
            options.get("dilation", 1), options.get("groups", 1),
        )
        norm = options.get("norm", "none")
        if norm != "none":
            y = F.batch_norm(
                y, p["norm.running_mean"], p["norm.running_var"], p["norm.weight"], p["norm.bias"],
                norm == "batch", 0.1, 1e-5,
            )
        return ACTS[options.get("act", "none")](y + x[1] if residual else y)

    return model


def conv(check, shape, **options):
    residual = options.pop("residual", False)
    out, kernel, groups = options["out"], options["kernel"], options.get("groups", 1)
    fan = shape[1] // groups * kernel * kernel
    params = {"conv.weight": lambda: rng.normal(0, fan**-0.5, (out, shape[1] // groups, kernel, kernel))}
    if options.get("bias"):
        params["conv.bias"] = lambda: rng.normal(0, 1, out)
    if options.get("norm", "none") != "none":
        params["norm.weight"] = lambda: rng.uniform(0.5, 1.5, out)
        params["norm.bias"] = lambda: rng.normal(0, 0.5, out)
        params["norm.running_mean"] = lambda: rng.normal(0, 0.5, out)
        params["norm.running_var"] = lambda: rng.uniform(0.5, 1.5, out)
    shapes = [shape]
    if residual:
        reach = options.get("dilation", 1) * (kernel - 1)
        size = [(s + 2 * options.get("padding", 0) - reach - 1) // options.get("stride", 1) + 1 for s in shape[2:]]
        shapes.append((shape[0], out, *size))
    check("conv2d", shapes, conv_model(options, residual), params, **options)


def check_convolutions(check):
    conv(check, (2, 3, 17, 19), out=32, kernel=7, stride=2, padding=3, norm="frozen", act="relu")
    conv(check, (2, 19, 9, 7), out=21, kernel=3, padding=1, bias=1)
    conv(check, (2, 32, 9, 7), out=16, kernel=1, bias=1, act="relu")
    conv(check, (2, 32, 9, 8), out=48, kernel=3, stride=2, padding=1, norm="frozen")
    conv(check, (2, 16, 12, 8), out=16, kernel=3, padding=2, dilation=2, groups=2, bias=1, act="relu6")
    conv(check, (2, 24, 9, 7), out=24, kernel=5, stride=2, padding=2, groups=24, norm="batch", act="hard_swish")
    conv(check, (2, 16, 9, 7), out=32, kernel=1, norm="batch", act="relu")
    conv(check, (2, 16, 9, 7), out=40, kernel=3, padding=1, norm="batch")
    conv(check, (2, 16, 9, 7), out=32, kernel=1, norm="frozen", act="relu", residual=True)
    conv(check, (2, 16, 9, 7), out=24, kernel=1, norm="batch", residual=True)
    conv(check, (2, 24, 1, 1), out=8, kernel=1, bias=1)
    # Enough pixels for Winograd's algorithm.
    conv(check, (2, 32, 25, 31), out=48, kernel=3, padding=1, bias=1, act="relu")
    conv(check, (1, 64, 33, 30), out=32, kernel=3, padding=1, norm="frozen", act="relu")
    conv(check, (3, 16, 22, 18), out=16, kernel=3, padding=1, norm="batch", act="hard_swish")
    conv(check, (2, 16, 25, 31), out=32, kernel=3, padding=1, norm="frozen", residual=True)
    conv(check, (2, 16, 25, 31), out=32, kernel=3, padding=0)
    # Depthwise in our own loops.
    for kernel, stride, padding, dilation in ((3, 1, 1, 1), (3, 2, 1, 1), (5, 1, 2, 1), (5, 2, 2, 1), (3, 1, 2, 2), (7, 3, 2, 1)):
        conv(check, (3, 40, 19, 23), out=40, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=40,
             norm="frozen", act="relu6")
    conv(check, (2, 24, 9, 7), out=24, kernel=5, padding=2, groups=24, bias=1)


def check_linear(check):
    for shape, out, act in (((5, 12, 7, 7), 33, "relu"), ((9, 20, 1, 1), 4, "none")):
        fan = shape[1] * shape[2] * shape[3]
        params = {
            "linear.weight": lambda: rng.normal(0, fan**-0.5, (out, fan)),
            "linear.bias": lambda: rng.normal(0, 1, out),
        }

        def model(x, p):
            y = F.linear(x[0].flatten(1), p["linear.weight"], p["linear.bias"])
            return ACTS[act](y)[:, :, None, None]

        check("linear", [shape], model, params, out=out, act=act)


def check_pools(check):
    for kernel, stride, padding in ((3, 2, 1), (2, 2, 0), (1, 2, 0)):
        check("max_pool2d", [(2, 19, 9, 8)], lambda x, p: F.max_pool2d(x[0], kernel, stride, padding),
              kernel=kernel, stride=stride, padding=padding)
        check("avg_pool2d", [(2, 19, 9, 8)], lambda x, p: F.avg_pool2d(x[0], kernel, stride, padding),
              kernel=kernel, stride=stride, padding=padding)
    check("global_avg_pool", [(2, 19, 9, 7)], lambda x, p: x[0].mean((2, 3), keepdim=True))


def check_elements(check):
    for act in ("relu", "relu6", "hard_swish", "hard_sigmoid"):
        check("activate", [(2, 19, 9, 7)], lambda x, p: ACTS[act](x[0]), act=act)
    check("add", [(2, 19, 9, 7)] * 2, lambda x, p: x[0] + x[1])
    check("scale_channels", [(2, 19, 9, 7), (2, 19, 1, 1)], lambda x, p: x[0] * x[1])
    for low, high in (((4, 5), (8, 10)), ((5, 7), (9, 13)), ((1, 1), (3, 2)), ((7, 7), (7, 7)), ((13, 11), (25, 22))):
        check("upsample_add", [(2, 19, *high), (2, 19, *low)],
              lambda x, p: x[0] + F.interpolate(x[1], size=high, mode="nearest"))


def roi_rows():
    """Inside, across every edge, outside, tiny, reversed, and masked ones."""
    rows = []
    for i in range(40):
        level = int(rng.integers(-1, 2))
        size = rng.uniform(0.1, 60, 2)
        corner = rng.uniform(-30, 70, 2)
        box = [*corner, *(corner + size)] if i % 9 else [*(corner + size), *corner]
        rows.append([rng.integers(0, 2), *box, level, (0.25, 0.125)[max(level, 0)]])
    return rows


def check_roi_align(check):
    rows = np.asarray(roi_rows(), np.float32)
    levels = rows[:, 5].astype(int)
    for size, ratio in ((7, 2), (3, 1), (2, 3)):

        def model(x, p):
            y = torch.zeros(len(rows), x[0].shape[1], size, size, dtype=torch.float64)
            boxes = torch.tensor(rows[:, :5], dtype=torch.float64)
            for level, scale in ((0, 0.25), (1, 0.125)):
                own = torch.from_numpy(np.flatnonzero(levels == level))
                y = y.index_copy(0, own, roi_align(x[level], boxes[own], size, scale, ratio, False))
            return y

        check("roi_align", [(2, 19, 13, 16), (2, 19, 7, 8)], model, plain=2, rois=rows, size=size, ratio=ratio)


def main():
    torch.set_num_threads(1)
    check = Check(sys.argv[1])
    check_convolutions(check)
    check_linear(check)
    check_pools(check)
    check_elements(check)
    check_roi_align(check)
    left_out = "" if knows_bf16() else "; none in bf16, which this processor has not"
    print(f"{check.count} comparisons with torch {torch.__version__}, {check.failed} failures{left_out}")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
